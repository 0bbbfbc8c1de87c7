from __future__ import annotations

from tests.support.redis_servers.fixtures import (
    proxy,
    redis_cluster,
    redis_sentinels,
    redis_server,
)

__all__ = ["proxy", "redis_cluster", "redis_sentinels", "redis_server"]
