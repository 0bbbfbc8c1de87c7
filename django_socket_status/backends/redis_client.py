"""The one place that speaks to Redis: a client without surprises, and its errors.

redis-py changed its defaults with each major version: no timeout in some, and up to ten
retries in others, which run a command again whose reply was lost. Here there is one
timeout, no retry, and RESP2, which every supported server speaks. Whatever it raises
comes out as :exc:`~django_socket_status.exceptions.BackendError`, without a password.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django_socket_status.backends.redis_address import Address
from django_socket_status.backends.redis_packing import HAS_MSGPACK
from django_socket_status.exceptions import BackendError, BackendUnusableError

try:
    import redis
    from redis import exceptions as redis_exceptions
    from redis.backoff import NoBackoff
    from redis.cluster import RedisCluster
    from redis.retry import Retry
    from redis.sentinel import Sentinel
except ImportError:
    HAS_DRIVER = False
else:
    HAS_DRIVER = HAS_MSGPACK

__all__ = ["HAS_DRIVER", "INSTALL", "RedisClient", "digest"]

#: Runs commands in one round trip, each for itself, and returns their replies.
Pipeline = Callable[[Sequence[Sequence[Any]]], list[Any]]

INSTALL = "Install it with: python -m pip install 'django-socket-status[redis]'"

#: What an access control list denies, and what somebody can do about it.
DENIED = (
    "Give that user +@scripting, +@read, +@write and +time on the keys of "
    "OPTIONS['prefix']."
)

#: What Redis says when it denies a command of a script, which has no code of its own.
DENIALS = ("The user executing the script can't", "ACL failure in script")


class RedisClient:
    """Runs scripts and commands on one Redis, from any thread.

    Args:
        address: Where it is.
        timeout_seconds: How long to wait for a connection, and for each reply.
    """

    def __init__(self, address: Address, timeout_seconds: float) -> None:
        self.address = address
        self._timeout_seconds = timeout_seconds
        self._client: Any = None
        self._lock = threading.Lock()

    def run(self, script: str, keys: Sequence[str], arguments: Iterable[Any]) -> Any:
        """Run a script in one round trip, two if the server does not know it yet.

        Raises:
            BackendError: see :meth:`pipeline`.
        """
        words = [*keys, *arguments]
        with _Translated(self.address):
            client = self._connected()
            try:
                return client.evalsha(digest(script), len(keys), *words)
            except redis_exceptions.NoScriptError:
                # It was restarted, or somebody has flushed its scripts.
                return client.eval(script, len(keys), *words)

    def pipeline(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Run commands in one round trip, each for itself; return their replies.

        Raises:
            BackendUnusableError: Redis refuses us until somebody mends something.
            BackendError: anything else; a write may or may not have been done.
        """
        with _Translated(self.address):
            pipeline = self._connected().pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

    def knows(self, script: str, key: str) -> bool:
        """Return whether the server of a key has run a script since it was started."""
        with _Translated(self.address):
            found = self._ask_server_of(key, "SCRIPT EXISTS", digest(script))
            return bool(found[0])

    def life(self, key: str) -> tuple[str, float] | None:
        """Return which life the server of a key lives, and for how many seconds.

        It is another one after each start. ``None`` if the server does not tell us:
        ``INFO`` may be denied, or be known by another name.
        """
        with _Translated(self.address):
            try:
                told = self._ask_server_of(key, "INFO", "server")
            except redis_exceptions.ResponseError:
                return None
            return str(told["run_id"]), float(told["uptime_in_seconds"])

    def _ask_server_of(self, key: str, *command: str) -> Any:
        client = self._connected()
        where = {}
        if self.address.kind == "cluster":
            # Of all nodes otherwise, and most of them never heard of us.
            where["target_nodes"] = client.get_node_from_key(key)
        return client.execute_command(*command, **where)

    def config(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return parts of the server's configuration."""
        with _Translated(self.address):
            client = self._connected()
            found: dict[str, str] = {}
            for name in names:
                found.update(_flat(client.config_get(name)))
            return found

    def close(self) -> None:
        """Close every connection. The next call opens one."""
        client, self._client = self._client, None
        if client is not None:
            _close(client)

    def forget(self) -> None:
        """Let go of the connections of the parent of this forked process."""
        self._client = None
        self._lock = threading.Lock()

    def _connected(self) -> Any:
        client = self._client
        if client is not None:
            return client
        if not HAS_DRIVER:
            raise BackendUnusableError(f"redis-py and msgpack are needed. {INSTALL}")
        made = self._connect()
        # Several threads may come first. A client that is forgotten closes connections
        # that are in use, so that all of them take the same one.
        with self._lock:
            client = self._client = self._client or made
        if client is not made:
            _close(made)
        return client

    def _connect(self) -> Any:
        address = self.address
        options = self._options(address.options)
        if address.kind == "cluster":
            # A key that moved is still followed: that is no retry.
            return RedisCluster.from_url(
                address.url, **_without_cluster_retries(), **options
            )
        options["retry"] = Retry(NoBackoff(), 0)
        if address.kind == "sentinel":
            sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
                list(address.sentinels),
                sentinel_kwargs={
                    **self._options(address.sentinel_options),
                    "retry": Retry(NoBackoff(), 0),
                },
                **options,
            )
            return sentinel.master_for(address.service)
        if address.url:
            return redis.Redis.from_url(address.url, **options)
        return redis.Redis(**options)

    def _options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "socket_timeout": self._timeout_seconds,
            "socket_connect_timeout": self._timeout_seconds,
            "protocol": 2,
            **given,
            # Records are bytes.
            "decode_responses": False,
        }


def _close(client: Any) -> None:
    if isinstance(client, RedisCluster):
        # Some versions of redis-py leave the connections to its nodes open otherwise.
        client.disconnect_connection_pools()  # type: ignore[no-untyped-call]
    client.close()


class _Translated:
    """Raises what redis-py raises as an error of this package's, without secrets."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Translate. What is not Redis's passes, as does the end of the process."""
        if isinstance(error, BackendError) or not isinstance(error, Exception):
            return
        reason = _without(self._address.secrets, str(error)) or type(error).__name__
        if HAS_DRIVER and _is_denied(error):
            msg = f"Redis at {self._address} denies a command: {reason} {DENIED}"
            raise BackendUnusableError(msg) from None
        if HAS_DRIVER and _is_refused(error):
            raise BackendUnusableError(
                f"Redis at {self._address} refuses the user or the password. Put the "
                "right ones into OPTIONS['url'], or 'username' and 'password' into "
                "OPTIONS['client_options']."
            ) from None
        # Not only RedisError: RedisClusterException is none, nor are the errors of
        # a socket that is closed by another thread.
        raise BackendError(
            f"Redis at {self._address} cannot be used: {reason}"
        ) from None


def _is_denied(error: BaseException) -> bool:
    """Return whether an access control list denies a command, or one of a script's."""
    return isinstance(error, redis_exceptions.NoPermissionError) or any(
        text in str(error) for text in DENIALS
    )


def _is_refused(error: BaseException | None) -> bool:
    """Return whether a user or password is wrong: a Cluster's client wraps it."""
    while error is not None:
        if isinstance(error, redis_exceptions.AuthenticationError):
            return True
        error = error.__cause__
    return False


def _without(secrets: Iterable[str], text: str) -> str:
    """Return a text of a server, which may repeat what it was told."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


@functools.lru_cache(maxsize=64)
def digest(script: str) -> str:
    """Return the name by which Redis knows a script."""
    # SHA-1 because Redis says so: https://redis.io/docs/latest/commands/evalsha/
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _without_cluster_retries() -> dict[str, Any]:
    major = int(redis.__version__.partition(".")[0])
    if major < 6:
        return {"cluster_error_retry_attempts": 0}
    return {"retry": Retry(NoBackoff(), 0)}


def _flat(found: Mapping[Any, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in found.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
