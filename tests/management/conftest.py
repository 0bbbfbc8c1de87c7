"""A Redis server for the commands that read from one."""

from __future__ import annotations

from tests.support.redis_fixtures import redis_prefix, shared_redis

__all__ = ["redis_prefix", "shared_redis"]
