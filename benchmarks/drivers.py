"""Drive an application through the lives of connections, in process, without a server.

A driver takes the part of the server: it makes the scope, delivers the messages, and
measures the CPU time of the whole process, all threads, per connection, unless churn is
given the clock of its thread.

Churn is one connection after another. Hold is many that are open at once: it is the
honest one for whatever gathers changes and writes them later, since a connection that
comes and goes in between is never written at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from time import process_time_ns as cpu
from typing import Any, Protocol, cast
from unittest import mock

from django.contrib.auth.models import User

from django_socket_status.asgi import Application, Message, Scope

__all__ = [
    "Driver",
    "OverChannels",
    "Raw",
    "Settle",
    "make_scope",
    "without_thread_hops",
]

CONNECT: Message = {"type": "websocket.connect"}
TEXT: Message = {"type": "websocket.receive", "text": "how are you?"}
DISCONNECT: Message = {"type": "websocket.disconnect", "code": 1000}

USERS = [User(pk=number, username=f"user{number}") for number in range(1, 101)]

ROOMS = 100

#: Connections before those of a churn: the first ones cost a new event loop more, and
#: caches that have grown cold.
UNMEASURED = 10

#: Waits for what a contestant does in the background, so that its cost is its own.
Settle = Callable[[], None]

#: Returns nanoseconds of CPU time.
Clock = Callable[[], int]


class Driver(Protocol):
    """Drives an application, and measures."""

    name: str

    def churn(
        self, app: Application, count: int, settle: Settle, clock: Clock = cpu
    ) -> float:
        """Return CPU nanoseconds of a connection that opens and closes."""

    def hold(self, app: Application, count: int, settle: Settle) -> float:
        """Return CPU nanoseconds of a connection, ``count`` of them open at once."""

    def talk(self, app: Application, messages: Sequence[Message]) -> float:
        """Return CPU nanoseconds of one connection that gets messages."""


def make_scope(driver: str, number: int) -> Scope:
    """Return a scope as servers, routers and the auth middleware leave it."""
    room = number % ROOMS
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "root_path": "",
        "path": f"/ws/{driver}/{room}/",
        "raw_path": b"/ws/7/",
        "query_string": b"",
        "headers": [],
        "subprotocols": [],
        "extensions": {},
        "user": USERS[number % len(USERS)],
        "url_route": {"args": (), "kwargs": {"room": room}},
    }


class Raw:
    """Drives coroutines by hand: an event loop would cost more than they do."""

    name = "raw"

    def churn(
        self, app: Application, count: int, settle: Settle, clock: Clock = cpu
    ) -> float:
        """Open and close one connection after another."""
        began = clock()
        for number in range(-UNMEASURED, count):
            if not number:
                began = clock()
            self.close(self.open(app, number))
        settle()
        return (clock() - began) / count

    def hold(self, app: Application, count: int, settle: Settle) -> float:
        """Open connections, then close them."""
        began = cpu()
        connections = [self.open(app, number) for number in range(count)]
        settle()
        for connection in connections:
            self.close(connection)
        settle()
        return (cpu() - began) / count

    def talk(self, app: Application, messages: Sequence[Message]) -> float:
        """Open a connection, deliver messages to it, and close it."""
        began = cpu()
        self.close(self.open(app, 0, messages))
        return cpu() - began

    def open(
        self, app: Application, number: int, messages: Sequence[Message] = ()
    ) -> Coroutine[Any, Any, Any]:
        """Return an application that was connected, got messages, and waits."""
        peer = _RawPeer(messages)
        connection: Any = app(make_scope(self.name, number), peer.receive, peer.send)
        connection.send(None)
        return cast(Coroutine[Any, Any, Any], connection)

    def close(self, connection: Coroutine[Any, Any, Any]) -> None:
        """Disconnect, and run the application to its end."""
        with contextlib.suppress(StopIteration):
            connection.send(None)


class _RawPeer:
    """The peer of one connection."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = iter((CONNECT, *messages))

    async def receive(self) -> Message:
        for message in self._messages:
            return message
        await _pause()
        return DISCONNECT

    async def send(self, message: Message) -> None:
        pass


@types.coroutine
def _pause() -> Generator[None]:
    yield


class OverChannels:
    """Drives consumers of Channels on an event loop, without a channel layer.

    One event stands for all peers: when it is set, they are gone.
    """

    name = "channels"

    def churn(
        self, app: Application, count: int, settle: Settle, clock: Clock = cpu
    ) -> float:
        """Open and close one connection after another."""
        return asyncio.run(self._churn(app, count, settle, clock))

    def hold(self, app: Application, count: int, settle: Settle) -> float:
        """Open connections, then close them."""
        return asyncio.run(self._hold(app, count, settle))

    def talk(self, app: Application, messages: Sequence[Message]) -> float:
        """Open a connection, deliver messages to it, and close it."""
        return asyncio.run(self._talk(app, messages))

    async def _churn(
        self, app: Application, count: int, settle: Settle, clock: Clock
    ) -> float:
        gone = asyncio.Event()
        gone.set()
        began = clock()
        for number in range(-UNMEASURED, count):
            if not number:
                began = clock()
            await self._serve(app, number, _LoopPeer(gone))
        settle()
        return (clock() - began) / count

    async def _hold(self, app: Application, count: int, settle: Settle) -> float:
        gone, waiting = asyncio.Event(), asyncio.Semaphore(0)
        began = cpu()
        tasks = [
            asyncio.ensure_future(self._serve(app, it, _LoopPeer(gone, (), waiting)))
            for it in range(count)
        ]
        # Until each waits for its next message, and holds all that it will hold.
        for _ in range(count):
            await waiting.acquire()
        settle()
        gone.set()
        await asyncio.gather(*tasks)
        settle()
        return (cpu() - began) / count

    async def _talk(self, app: Application, messages: Sequence[Message]) -> float:
        gone = asyncio.Event()
        gone.set()
        began = cpu()
        await self._serve(app, 0, _LoopPeer(gone, messages))
        return cpu() - began

    async def _serve(self, app: Application, number: int, peer: _LoopPeer) -> None:
        await app(make_scope(self.name, number), peer.receive, peer.send)


class _LoopPeer:
    """The peer of one connection."""

    def __init__(
        self,
        gone: asyncio.Event,
        messages: Sequence[Message] = (),
        waiting: asyncio.Semaphore | None = None,
    ) -> None:
        self._messages = iter((CONNECT, *messages))
        self._gone = gone
        self._waiting = waiting

    async def receive(self) -> Message:
        for message in self._messages:
            return message
        if self._waiting is not None:
            self._waiting.release()
        await self._gone.wait()
        return DISCONNECT

    async def send(self, message: Message) -> None:
        pass


@contextlib.contextmanager
def without_thread_hops() -> Iterator[None]:
    """Take out of Channels the look at old database connections at each message.

    It is a trip to a thread and nine tenths of what Channels costs: nothing that we do
    could be seen beside it. Channels' own test cases take it out as well.
    """

    async def leave_them() -> None:
        pass

    with (
        mock.patch("channels.consumer.aclose_old_connections", leave_them),
        mock.patch("channels.generic.websocket.aclose_old_connections", leave_them),
    ):
        yield
