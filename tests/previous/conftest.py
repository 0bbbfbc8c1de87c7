"""The server that two versions share."""

from __future__ import annotations

from tests.support.redis_servers.fixtures import redis_server

__all__ = ["redis_server"]
