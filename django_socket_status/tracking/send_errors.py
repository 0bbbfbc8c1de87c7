"""What it means that the ``send`` of a server raised."""

from __future__ import annotations

import inspect
from types import CoroutineType
from typing import Any

from asgiref.sync import iscoroutinefunction

from django_socket_status.asgi import Send
from django_socket_status.reporter.worker import SERVERS

__all__ = ["is_of_server", "reached_server"]


def is_of_server(error: Exception) -> bool:
    """Return whether a server's ``send`` raised this, as its client is gone.

    Such an exception passes through an application that does not handle it. It is a
    subclass of ``OSError`` that the server defines: ASGI specification, "WebSocket",
    "Disconnected Client - send exception".
    """
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) and package in SERVERS


def reached_server(awaitable: Any, send: Send) -> bool:
    """Return whether any code of the server's ``send`` ran before it raised.

    Args:
        awaitable: What ``send`` returned; ``False`` if it has not returned, ``None`` if
            it was not called.
        send: The server's ``send``.
    """
    if isinstance(awaitable, CoroutineType):
        return inspect.getcoroutinestate(awaitable) != inspect.CORO_CREATED
    # Calling a coroutine function runs none of its code.
    return awaitable is not None and not (
        awaitable is False and iscoroutinefunction(send)
    )
