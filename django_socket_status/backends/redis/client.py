"""Runs scripts and commands on one Redis, from any thread.

Every error comes out as :exc:`~django_socket_status.exceptions.BackendError`, without a
password: see :mod:`.errors`. :mod:`.driver` makes the client of redis-py.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django_socket_status.backends.redis.address import Address
from django_socket_status.backends.redis.driver import (
    HAS_DRIVER,
    INSTALL,
    close,
    connect,
    redis_exceptions,
)
from django_socket_status.backends.redis.errors import Translated, is_allowed
from django_socket_status.exceptions import BackendUnusableError

__all__ = ["Pipeline", "RedisClient", "digest"]

#: Runs commands in one round trip, each for itself, and returns their replies.
Pipeline = Callable[[Sequence[Sequence[Any]]], list[Any]]


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
        #: How often the server did not know a script (``NOSCRIPT``). It may have been
        #: replaced then.
        self.noscript_replies = 0

    def run(self, script: str, keys: Sequence[str], arguments: Iterable[Any]) -> Any:
        """Run a script in one round trip, two if the server does not know it yet.

        Raises:
            BackendError: see :meth:`pipeline`.
        """
        words = [*keys, *arguments]
        with Translated(self.address):
            client = self._connected()
            try:
                return client.evalsha(digest(script), len(keys), *words)
            except redis_exceptions.NoScriptError:
                # The server was restarted, or its scripts were flushed.
                self.noscript_replies += 1
                return client.eval(script, len(keys), *words)

    def pipeline(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Run commands in one round trip, each for itself; return their replies.

        Raises:
            BackendUnusableError: Redis refuses commands until you fix something.
            BackendError: any other fault. A write may or may not have been done.
        """
        with Translated(self.address):
            return self._execute(self._connected(), commands)

    def run_with(
        self,
        script: str,
        keys: Sequence[str],
        arguments: Iterable[Any],
        commands: Sequence[Sequence[Any]],
    ) -> list[Any]:
        """Run a script, then commands, in one round trip; return their replies.

        Two if the server does not know the script yet.

        Raises:
            BackendError: see :meth:`pipeline`.
        """
        with Translated(self.address):
            client = self._connected()
            # A pipeline of a Cluster asks any node for the keys of a script, also one
            # that is down.
            where = self._server_of(keys[0], client)
            words = (len(keys), *keys, *arguments)
            try:
                known = ("EVALSHA", digest(script), *words)
                return self._execute(client, [known, *commands], where)
            except redis_exceptions.NoScriptError:
                self.noscript_replies += 1
                new = ("EVAL", script, *words)
                return self._execute(client, [new, *commands], where)

    @staticmethod
    def _execute(
        client: Any,
        commands: Sequence[Sequence[Any]],
        where: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command, **where)
        return list(pipeline.execute())

    def allowed(self, commands: Sequence[Sequence[Any]]) -> list[bool]:
        """Run commands in one round trip; return which the server lets us run.

        Whether a command that is allowed then fails does not matter.
        """
        with Translated(self.address):
            pipeline = self._connected().pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return [is_allowed(it) for it in pipeline.execute(raise_on_error=False)]

    def allowed_on_server_of(self, key: str, *command: str) -> bool:
        """Return whether the server of a key lets us run a command."""
        with Translated(self.address):
            try:
                self._ask_server_of(key, *command)
            except redis_exceptions.ResponseError as error:
                return is_allowed(error)
            return True

    def knows(self, script: str, key: str) -> bool:
        """Return whether the server of a key has run a script since it was started."""
        with Translated(self.address):
            found = self._ask_server_of(key, "SCRIPT EXISTS", digest(script))
            return bool(found[0])

    def server_run(self, key: str) -> tuple[str, float] | None:
        """Return the run id of the server of a key, and its uptime in seconds.

        The id changes with each start. ``None`` if the server does not return it:
        ``INFO`` may be denied or renamed.
        """
        with Translated(self.address):
            try:
                info = self._ask_server_of(key, "INFO", "server")
            except redis_exceptions.ResponseError:
                return None
            try:
                return str(info["run_id"]), float(info["uptime_in_seconds"])
            except (KeyError, TypeError, ValueError):
                # A proxy may return other fields.
                return None

    def _ask_server_of(self, key: str, *command: str) -> Any:
        client = self._connected()
        # Without it, all nodes get the command; most hold none of these keys.
        return client.execute_command(*command, **self._server_of(key, client))

    def _server_of(self, key: str, client: Any) -> dict[str, Any]:
        """Return the options of a command that is for the server of a key."""
        if self.address.kind != "cluster":
            return {}
        return {"target_nodes": client.get_node_from_key(key)}

    def config(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return settings of the server by their names."""
        with Translated(self.address):
            client = self._connected()
            found: dict[str, str] = {}
            for name in names:
                found.update(_flat(client.config_get(name)))
            return found

    def close(self) -> None:
        """Close every connection. The next call opens one."""
        client, self._client = self._client, None
        if client is not None:
            close(client)

    def forget(self) -> None:
        """Forget the connections of the parent of this forked process."""
        self._client = None
        self._lock = threading.Lock()

    def verify_installed(self) -> None:
        """Verify that redis-py and msgpack can be imported.

        Raises:
            BackendUnusableError: one of them cannot.
        """
        if not HAS_DRIVER:
            raise BackendUnusableError(f"redis-py and msgpack are needed. {INSTALL}")

    def _connected(self) -> Any:
        client = self._client
        if client is not None:
            return client
        self.verify_installed()
        made = connect(self.address, self._timeout_seconds)
        # Several threads may connect at once. They must all use the same client, since
        # a client closes its connections, also those in use, when it is deleted.
        with self._lock:
            client = self._client = self._client or made
        if client is not made:
            close(made)
        return client


@functools.lru_cache(maxsize=64)
def digest(script: str) -> str:
    """Return the name by which EVALSHA runs a script."""
    # SHA-1 because Redis says so: https://redis.io/docs/latest/commands/evalsha/
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _flat(found: Mapping[Any, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in found.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
