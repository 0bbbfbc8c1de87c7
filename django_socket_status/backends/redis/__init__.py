"""The backend for several hosts: a Redis or Valkey server."""

from django_socket_status.backends.redis.backend import RedisBackend

__all__ = ["RedisBackend"]
