"""The exception of a server whose client is gone is no fault of the application."""

from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.reporter.worker import SERVERS
from django_socket_status.tracking.send_errors import is_of_server, reached_server
from tests.support.asgi_driver import ACCEPT, CONNECT, Server, serve, text
from tests.support.tracked import tracked

pytestmark = pytest.mark.python

ENTRY_POINTS = pytest.mark.parametrize("enter", [SocketStatusMiddleware, tracked])


def error_of(module: str, base: type[Exception] = OSError) -> Exception:
    """Return an exception of a class that such a module defines."""
    return type("ClientDisconnected", (base,), {"__module__": module})("gone")


async def push(scope: Any, receive: Any, send: Any) -> None:
    """Send a message that is watched, and one that passes."""
    await receive()
    await send(ACCEPT)
    for number in range(2):
        await send(text(str(number)))


def raising(error: Exception) -> Server:
    def on_send(message: Any) -> None:
        if message.get("text") == "1":
            raise error

    return Server(CONNECT, on_send=on_send)


@ENTRY_POINTS
async def test_exception_of_the_server_that_passes_through_is_a_send_that_failed(
    enter, books
):
    error = error_of("uvicorn.protocols.utils")
    with pytest.raises(OSError, match="gone") as caught:
        await serve(enter(push), raising(error))
    assert caught.value is error
    assert books.ending.by == "send"
    assert books.ending.cause == "send_failed"


@ENTRY_POINTS
async def test_exception_of_the_application_is_its_own(enter, books):
    with pytest.raises(ConnectionResetError):
        await serve(enter(push), raising(ConnectionResetError("of the project")))
    assert books.ending.by == "error"
    assert books.ending.cause == "app_error"


@pytest.mark.parametrize("server", SERVERS)
def test_each_server_has_exceptions(server):
    assert is_of_server(error_of(f"{server}.asgi.websocket"))


@pytest.mark.parametrize(
    "error",
    [
        OSError(),
        BrokenPipeError(),
        error_of("uvicornlike.utils"),
        error_of("project.uvicorn"),
        error_of("uvicorn.config", ValueError),
    ],
)
def test_other_exceptions_are_the_applications(error):
    assert not is_of_server(error)


async def test_message_reached_the_server_when_any_code_of_its_send_ran():
    async def send(message: Any) -> None:
        raise OSError("gone")

    def plain(message: Any) -> None:
        raise OSError

    assert not reached_server(None, send)
    assert not reached_server(False, send)
    assert reached_server(False, plain)
    coroutine = send({})
    assert not reached_server(coroutine, send)
    with pytest.raises(OSError, match="gone"):
        await coroutine
    assert reached_server(coroutine, send)
