"""WebSockets that a test opens and closes by hand, in any thread, on no event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from django_socket_status.limits import bounded_labels
from django_socket_status.registry.lifecycle import Overrides
from django_socket_status.tracking.connection import Connection
from django_socket_status.tracking.entry import enter
from tests.support.asgi_driver import ACCEPT, scope_of


class CallConsumer:
    """Counted as ``call``."""


class STTRoomConsumer:
    """Counted as ``stt_room``."""


async def _receive() -> Any:
    raise NotImplementedError


async def _send(message: Any) -> None:
    """Send nothing."""


def open_socket(
    consumer: type = CallConsumer, *, user: object = None, **labels: object
) -> Connection:
    """Return a connection that was accepted, and is held until it is closed."""
    scope = scope_of(user=user)
    connection = enter(consumer, scope, _receive, _send)
    assert connection is not None
    if labels:
        connection.overrides = Overrides(labels=bounded_labels(labels))
    _finish(connection.send(ACCEPT))  # type: ignore[arg-type]
    return connection


def close_socket(connection: Connection) -> None:
    """Close a connection, as when its application returns."""
    connection.finish("return")


def _finish(coroutine: Coroutine[Any, Any, object]) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for something")
