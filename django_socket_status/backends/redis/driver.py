"""The only module that imports redis-py: how a client of it is made and closed.

redis-py changed its defaults with each major version: no timeout in some, and up to ten
retries in others, which run a command again if its reply was lost. A client made here
has one timeout, no retry, and speaks RESP2, which every supported server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_socket_status.backends.redis.address import Address
from django_socket_status.backends.redis.codec import HAS_MSGPACK

try:
    import redis
    from redis import exceptions as redis_exceptions
    from redis.backoff import NoBackoff
    from redis.cluster import RedisCluster
    from redis.retry import Retry
    from redis.sentinel import Sentinel
except ImportError:
    HAS_DRIVER = False
    redis_exceptions = None  # type: ignore[assignment]
else:
    HAS_DRIVER = HAS_MSGPACK

__all__ = ["HAS_DRIVER", "INSTALL", "close", "connect", "redis_exceptions"]

INSTALL = "Install it with: python -m pip install 'django-socket-status[redis]'"

#: Options that a URL cannot change.
FORCED = frozenset({"decode_responses", "retry", "retry_on_error", "retry_on_timeout"})


def connect(address: Address, timeout_seconds: float) -> Any:
    """Return a new client of redis-py. A Cluster's client connects at once.

    Args:
        address: Where the Redis is.
        timeout_seconds: How long to wait for a connection, and for each reply.
    """
    options = _options(address.options, timeout_seconds)
    url = _without_forced(address.url)
    if address.kind == "cluster":
        # The client still follows a key that moved to another node. That is no retry.
        return RedisCluster.from_url(url, **_without_cluster_retries(), **options)
    options["retry"] = Retry(NoBackoff(), 0)
    if address.kind == "sentinel":
        sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            list(address.sentinels),
            sentinel_kwargs={
                **_options(address.sentinel_options, timeout_seconds),
                "retry": Retry(NoBackoff(), 0),
            },
            **options,
        )
        return sentinel.master_for(address.service)
    if url:
        return redis.Redis.from_url(url, **options)
    return redis.Redis(**options)


def close(client: Any) -> None:
    """Close every connection of a client."""
    if isinstance(client, RedisCluster):
        # Some versions of redis-py otherwise leave connections to the nodes open.
        client.disconnect_connection_pools()  # type: ignore[no-untyped-call]
    client.close()


def _options(given: Mapping[str, Any], timeout_seconds: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "protocol": 2,
        **given,
        # Records are bytes.
        "decode_responses": False,
    }


def _without_forced(url: str) -> str:
    """Return a URL without the parameters of :data:`FORCED`.

    redis-py prefers the parameters of a URL to its keyword arguments.
    """
    place, mark, query = url.partition("?")
    kept = [it for it in query.split("&") if it.partition("=")[0] not in FORCED]
    return f"{place}?{'&'.join(kept)}" if mark and any(kept) else place


def _without_cluster_retries() -> dict[str, Any]:
    major = int(redis.__version__.partition(".")[0])
    if major < 6:
        return {"cluster_error_retry_attempts": 0}
    return {"retry": Retry(NoBackoff(), 0)}
