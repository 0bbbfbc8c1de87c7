"""The default backend: one private SQLite file for all processes of a host."""

from django_socket_status.backends.sqlite.backend import SqliteBackend

__all__ = ["SqliteBackend"]
