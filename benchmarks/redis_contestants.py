"""The contestants that tell a Redis of connections: others, and ours."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import redis.asyncio

from benchmarks.applications import Floor
from benchmarks.contestants import (
    AGAIN,
    BARE,
    FIRST,
    FLOOR,
    MIDDLEWARE,
    MIXIN,
    Base,
    settle,
)
from benchmarks.drivers import Driver
from benchmarks.redis_server import REDIS, RedisServer
from django_socket_status.asgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
)
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status

__all__ = [
    "COUNTS",
    "DETAILS",
    "NAIVE",
    "PIPELINED",
    "RedisContestant",
    "ours",
    "plain",
    "writers",
]

COUNTS, DETAILS = "counts", "details"
NAIVE, PIPELINED = "redis.asyncio, a trip each", "redis.asyncio, pipelined"

#: Connections to Redis of an application that writes itself: enough for two cores.
POOL = 16

LIVE_SECONDS = 60
COUNT_KEY, TYPE_KEY = "sockets:count", "sockets:type:call"

Command = Sequence[Any]
Run = Callable[[redis.asyncio.Redis, Sequence[Command]], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RedisContestant:
    """A way to track."""

    name: str
    app: Application
    server: RedisServer
    #: Whether ours keeps details; ``None`` for others.
    details: bool | None = None
    #: How many connections another worker has written.
    written: Callable[[], int] | None = None

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Start with an empty Redis, and with settings that are overridden."""
        self.server.admin.flushall()
        given: dict[str, Any] = {}
        if self.details is not None:
            options = {"url": self.server.socket_url, "details": self.details}
            given = {"BACKEND": REDIS, "OPTIONS": options}
        with isolated_socket_status(**given):
            yield

    def warm_up(self, driver: Driver) -> None:
        """Drive the first connections, and see that everybody does the work."""
        seen: list[int] = []

        def look() -> None:
            settle()
            seen.append(self._count())

        driver.hold(self.app, FIRST, look)
        expected = [0 if self._tells_no_redis else FIRST, 0]
        if seen != expected:
            raise RuntimeError(f"{self.name} counts {seen} in place of {expected}")

    @property
    def _tells_no_redis(self) -> bool:
        return self.details is None and self.written is None

    def _count(self) -> int:
        if self.written is not None:
            return self.written()
        if not self.details:
            return SocketStatusService.get_socket_info_summary()["total_sockets"]
        page = SocketStatusService.get_connections()
        return sum(bool(it.user_id and it.endpoint and it.labels) for it in page)


def plain(base: Base, server: RedisServer) -> list[RedisContestant]:
    """Return those that tell no Redis."""
    apps = {BARE: base.bare, AGAIN: base.bare, FLOOR: Floor(base.bare)}
    return [RedisContestant(name=it, app=apps[it], server=server) for it in apps]


def ours(base: Base, server: RedisServer) -> list[RedisContestant]:
    """Return ours: through both doors, with counts alone and with details."""
    doors = {MIDDLEWARE: SocketStatusMiddleware(base.bare), MIXIN: base.mixed}
    kinds = {COUNTS: False, DETAILS: True}
    return [
        RedisContestant(
            name=f"{door}, {kind}",
            app=doors[door],
            server=server,
            details=kinds[kind],
        )
        for kind, door in itertools.product(kinds, doors)
    ]


def writers(base: Base, server: RedisServer) -> list[RedisContestant]:
    """Return those who write to Redis as each connection opens and closes."""

    def written() -> int:
        return int(server.admin.get(COUNT_KEY) or 0)

    return [
        RedisContestant(
            name=name,
            app=Writes(base.bare, server.socket_url, run),
            server=server,
            written=written,
        )
        for name, run in ((NAIVE, _one_by_one), (PIPELINED, _at_once))
    ]


async def _one_by_one(client: redis.asyncio.Redis, commands: Sequence[Command]) -> None:
    for command in commands:
        await client.execute_command(*command)


async def _at_once(client: redis.asyncio.Redis, commands: Sequence[Command]) -> None:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    await pipeline.execute()


class Writes:
    """What is usual: a key for each connection, a set for each type, and a counter."""

    def __init__(self, app: Application, url: str, run: Run) -> None:
        self.app = app
        self._url = url
        self._run = run
        self._numbers = itertools.count()
        self._client: redis.asyncio.Redis | None = None
        self._users = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; write before its accept goes out, and at its end."""
        key = f"sockets:connection:{next(self._numbers)}"
        accepted = False

        async def telling_send(message: Message) -> None:
            nonlocal accepted
            if message["type"] == "websocket.accept":
                await self._open(key, scope)
                accepted = True
            await send(message)

        client = self._connected()
        self._users += 1
        try:
            await self.app(scope, receive, telling_send)
        finally:
            if accepted:
                await self._close(key)
            self._users -= 1
            if not self._users:
                # A client belongs to one event loop.
                self._client = None
                await client.aclose()

    def _connected(self) -> redis.asyncio.Redis:
        if self._client is None:
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                self._url, max_connections=POOL, timeout=None
            )
            self._client = redis.asyncio.Redis.from_pool(pool)
        return self._client

    async def _open(self, key: str, scope: Scope) -> None:
        about = ("type", "call", "path", scope["path"], "user", scope["user"].pk)
        await self._run(
            self._connected(),
            [
                ("HSET", key, *about),
                ("EXPIRE", key, LIVE_SECONDS),
                ("SADD", TYPE_KEY, key),
                ("INCR", COUNT_KEY),
            ],
        )

    async def _close(self, key: str) -> None:
        await self._run(
            self._connected(),
            [("DEL", key), ("SREM", TYPE_KEY, key), ("DECR", COUNT_KEY)],
        )
