"""Each way in which a connection ends, through each entry point: one cause."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.middleware import SocketStatusMiddleware
from tests.support.asgi_driver import (
    ACCEPT,
    CLOSE,
    CONNECT,
    Server,
    accepted,
    begin_heartbeat,
    disconnect,
    said,
    text,
    until,
)
from tests.support.tracked import tracked


class ToldToRaiseError(Exception):
    """Raised by an application that was told to."""


async def bare(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        match message["text"]:
            case "raise":
                raise ToldToRaiseError
            case "return":
                return
            case "close":
                await send(CLOSE)
            case other:
                await send(text(other))


class AsyncRoom(AsyncWebsocketConsumer):
    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        match text_data:
            case "raise":
                raise ToldToRaiseError
            case "return":
                raise StopConsumer
            case "close":
                await self.close()
            case _:
                await self.send(text_data)


class SyncRoom(WebsocketConsumer):
    def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        match text_data:
            case "raise":
                raise ToldToRaiseError
            case "return":
                raise StopConsumer
            case "close":
                self.close()
            case _:
                self.send(text_data)


class AsyncMixed(SocketStatusMixin, AsyncRoom):
    pass


class SyncMixed(SocketStatusMixin, SyncRoom):
    pass


#: An application without a framework, and consumers, through each entry point.
APPLICATIONS: dict[str, Callable[[], Any]] = {
    "bare, middleware": lambda: SocketStatusMiddleware(bare),
    "bare, mixin": lambda: tracked(bare),
    "async, middleware": lambda: SocketStatusMiddleware(AsyncRoom.as_asgi()),
    "async, mixin": AsyncMixed.as_asgi,
    "sync, middleware": lambda: SocketStatusMiddleware(SyncRoom.as_asgi()),
    "sync, mixin": SyncMixed.as_asgi,
    "async, both": lambda: SocketStatusMiddleware(AsyncMixed.as_asgi()),
    "sync, both": lambda: SocketStatusMiddleware(SyncMixed.as_asgi()),
}

#: What happens while the application waits, and the cause.
ENDS = [
    (disconnect(1000), "client_closed"),
    (disconnect(1001, reason=""), "client_closed"),
    (disconnect(None), "client_closed"),
    (disconnect(1012), "client_closed"),
    (disconnect(1006), "client_lost"),
    (disconnect(1005), "client_lost"),
    (said("close"), "server_closed"),
    (said("return"), "app_returned"),
    (said("raise"), "app_error"),
]


@pytest.fixture(params=APPLICATIONS.values(), ids=APPLICATIONS.keys())
def app(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.mark.parametrize(("message", "cause"), ENDS, ids=str)
async def test_end_has_its_cause(app, message, cause, books):
    server = Server(CONNECT)
    async with accepted(app, server):
        server.put(message)
        await until(lambda: books.kinds == ["opened", "closed"])
    assert books.ending.cause == cause


async def test_cancelled_application(app, books):
    async with accepted(app, Server(CONNECT)) as task:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert books.ending.cause == "cancelled"


async def test_send_that_raises(app, books):
    def gone(message: Any) -> None:
        if message["type"] == "websocket.send":
            raise OSError("the client is gone")

    server = Server(CONNECT, on_send=gone)
    async with accepted(app, server) as task:
        begin_heartbeat()
        server.put(said("hello"))
        with contextlib.suppress(OSError):
            await task
    assert books.ending.cause == "send_failed"


async def test_connections_of_a_server_that_stops(app, books):
    servers = [Server(CONNECT) for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(accepted(app, server))
        for server in servers:
            server.put(disconnect(1012))
        await until(lambda: all(len(it.delivered) == 2 for it in servers))
    causes = [it.cause for *_, it in books.settle().told if it is not None]
    assert causes == ["worker_stopped"] * 3


async def test_first_sign_of_the_end_counts(app, books):
    server = Server(CONNECT, said("close"), disconnect(1006))
    async with accepted(app, server) as task:
        with contextlib.suppress(Exception):
            await task
    assert books.ending.cause == "server_closed"


async def test_cause_does_not_change_when_more_is_known(app, books):
    """A second connection ends with 1012 after the cause of the first was decided."""
    first, second = Server(CONNECT), Server(CONNECT)
    async with accepted(app, first), accepted(app, second):
        first.put(disconnect(1012))
        await until(lambda: books.kinds.count("closed") == 1)
        second.put(disconnect(1012))
        await until(lambda: books.kinds.count("closed") == 2)
    causes = [it.cause for *_, it in books.told if it is not None]
    assert causes == ["client_closed", "worker_stopped"]


async def test_handshake_that_is_rejected_has_none(books):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    async with accepted(SocketStatusMiddleware(app), Server(CONNECT, disconnect(1006))):
        await until(lambda: books.kinds == ["rejected"])
    assert [ending for *_, ending in books.told] == [None]
