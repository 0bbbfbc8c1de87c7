"""Commands over Redis while sockets come and go: only what matches is closed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from django_socket_status.activity.stored import Command
from django_socket_status.backends import get_backend
from django_socket_status.control.revocation import RevocationOrder, SessionEnd
from django_socket_status.control.selector import selector_of
from django_socket_status.control.session_keys import keyed_hashes
from django_socket_status.control.texts import DisconnectOrder, order_to_text
from django_socket_status.records import ConnectionQuery
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.testing import isolated_socket_status
from tests.operations.test_disconnect import ClosingServer, closes
from tests.support.asgi_driver import disconnect, scope_of, serve, turns, until
from tests.support.redis_fixtures import redis_prefix, shared_redis
from tests.support.redis_servers.server import RedisServer
from tests.support.redis_tools import keys_of
from tests.support.tracked import echo, tracked

__all__ = ["redis_prefix", "shared_redis"]

pytestmark = pytest.mark.redis

REDIS = "django_socket_status.backends.redis.RedisBackend"
STEPS = 80
TYPES, USERS = ("call", "chat"), ("1", "2", "3")
APPS = {it: tracked(echo, socket_status_type=it) for it in TYPES}


@pytest.fixture(autouse=True)
def redis(shared_redis: RedisServer, redis_prefix: str) -> Iterator[None]:
    options = {"url": shared_redis.url, "prefix": redis_prefix, "timeout_seconds": 20.0}
    with isolated_socket_status(BACKEND=REDIS, OPTIONS=options, LEASE_SECONDS=600.0):
        yield


class Socket:
    """An open socket, and the codes with which commands may close it."""

    def __init__(self, kind: str, user: str) -> None:
        self.kind, self.user, self.session = kind, user, secrets.token_hex(16)
        self.allowed: set[int] = set()
        self.server = ClosingServer()
        cookie = [(b"cookie", f"sessionid={self.session}".encode())]
        scope = scope_of(user=user, headers=cookie)
        self.task = asyncio.ensure_future(serve(APPS[kind], self.server, scope))

    @property
    def is_open(self) -> bool:
        return not self.task.done() and not closes(self.server)


class Churn:
    """Sockets of this process that come and go, and commands of another one."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sockets: list[Socket] = []
        self.codes = iter(range(4000, 4999))

    async def open(self) -> None:
        socket = Socket(self.chance.choice(TYPES), self.chance.choice(USERS))
        self.sockets.append(socket)
        await until(lambda: socket.server.sent)

    async def leave(self) -> None:
        if here := [it for it in self.sockets if it.is_open]:
            self.chance.choice(here).server.put(disconnect(1001))
            await turns()

    async def report(self) -> None:
        await asyncio.to_thread(reporter.flush)
        await turns()

    async def command(self) -> None:
        """Close a user, a type, or both: what is open now, and nothing later."""
        kind = self.chance.choice((None, *TYPES))
        user = self.chance.choice(USERS if kind is None else (None, *USERS))
        code = next(self.codes)
        order = DisconnectOrder(
            selector=selector_of(ConnectionQuery(type=kind, user_id=user)),
            code=code,
            reason="",
            wait_seconds=60.0,
        )
        for it in self.sockets:
            if it.is_open and kind in (None, it.kind) and user in (None, it.user):
                it.allowed.add(code)
        await self.give(order_to_text(order))

    async def sign_out(self) -> None:
        """Close a session, of which there is one socket."""
        if self.sockets:
            socket = self.chance.choice(self.sockets)
            socket.allowed.add(4401)
            await self.give(signed_out(socket.session, socket.user))

    async def give(self, text: str) -> None:
        command = Command(secrets.token_hex(8), text, 60.0)
        await asyncio.to_thread(get_backend().give_command, command)

    def verify(self) -> None:
        for it in self.sockets:
            assert {code for code, _ in closes(it.server)} <= it.allowed

    async def end(self) -> None:
        for it in self.sockets:
            it.task.cancel()
        await asyncio.gather(*(it.task for it in self.sockets), return_exceptions=True)


def signed_out(session: str, user: str) -> str:
    end = SessionEnd(hashes=keyed_hashes(session), user_id=user)
    return RevocationOrder(sessions=(end,), seconds=60.0).to_text()


@contextlib.asynccontextmanager
async def churn(seed: int) -> Any:
    scene = Churn(seed)
    try:
        yield scene
    finally:
        await scene.end()


@pytest.mark.parametrize("seed", range(4))
async def test_connection_that_does_not_match_is_never_closed(seed):
    async with churn(seed) as scene:
        steps = [
            *[scene.open] * 6,
            *[scene.leave] * 2,
            *[scene.report] * 3,
            scene.command,
            scene.sign_out,
        ]
        for _ in range(STEPS):
            await scene.chance.choice(steps)()
            scene.verify()
        await scene.report()
        # Something was closed, and something was not.
        await until(lambda: any(closes(it.server) for it in scene.sockets))
        await turns()
        scene.verify()
        assert any(it.allowed and not it.is_open for it in scene.sockets)


async def test_command_under_a_flushed_backend_closes_nothing_and_the_next_one_does(
    shared_redis, redis_prefix
):
    async with churn(0) as scene:
        for _ in range(10):
            await scene.open()
        await scene.report()
        await scene.give(signed_out(scene.sockets[0].session, scene.sockets[0].user))
        lost = keys_of(shared_redis, redis_prefix)
        assert shared_redis.admin.delete(*lost) == len(lost)
        await scene.report()
        await scene.report()
        assert not any(closes(it.server) for it in scene.sockets)
        assert sum(registry.counts.values()) == 10
        for it in scene.sockets:
            if it.user == "1":
                it.allowed.add(4401)
                await scene.give(signed_out(it.session, it.user))
        await scene.report()
        await until(
            lambda: all(closes(it.server) for it in scene.sockets if it.allowed)
        )
        scene.verify()
        assert any(it.is_open for it in scene.sockets)
