"""An ASGI server that a test can be, and WebSockets that it opens by hand."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django_socket_status.records import OpenedConnection
from django_socket_status.registry.lifecycle import Ending
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.describe import ConnectionDescriber
from django_socket_status.reporter.thread import reporter
from django_socket_status.tracking.entry import enter
from django_socket_status.tracking.labels import update_labels

if TYPE_CHECKING:
    # The processes that tests start import this module, and need no pytest.
    import pytest

CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close"}

DEADLINE_SECONDS = 60.0


def text(content: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": content}


def said(content: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": content}


def disconnect(code: int | None = 1000, **more: Any) -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, **more}


def scope_of(path: str = "/ws/call/42/", **more: Any) -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(errors="surrogatepass"),
        "root_path": "",
        "headers": [],
        "query_string": b"",
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "subprotocols": [],
        **more,
    }


class Server:
    """One WebSocket as its server sees it.

    ``receive`` delivers what was put in, in order, and then blocks as servers do. An
    exception that was put in is raised instead. ``on_send`` may raise.
    """

    def __init__(
        self, *messages: Any, on_send: Callable[[Any], object] | None = None
    ) -> None:
        self.sent: list[Any] = []
        self.delivered: list[Any] = []
        self.on_send = on_send
        self.receives = 0
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        for message in messages:
            self.put(message)

    def put(self, message: Any) -> None:
        self._messages.put_nowait(message)

    async def receive(self) -> Any:
        self.receives += 1
        message = await self._messages.get()
        if isinstance(message, BaseException):
            raise message
        self.delivered.append(message)
        return message

    async def send(self, message: Any) -> None:
        if self.on_send is not None:
            self.on_send(message)
        self.sent.append(message)

    @property
    def sent_types(self) -> list[str]:
        return [message["type"] for message in self.sent]


async def serve(app: Any, server: Server, scope: dict[str, Any] | None = None) -> Any:
    """Serve one WebSocket to the end of the application."""
    return await app(
        scope_of() if scope is None else scope, server.receive, server.send
    )


async def serve_quietly(
    app: Any, server: Server, scope: dict[str, Any] | None = None
) -> None:
    """Serve one WebSocket, whatever the application raises."""
    with contextlib.suppress(Exception):
        await serve(app, server, scope)


async def turns(count: int = 20) -> None:
    """Let every task of the loop go on until it waits for something outside."""
    for _ in range(count):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serving(app: Any, server: Server, scope: dict[str, Any] | None = None) -> Any:
    """Serve one WebSocket in the background; it is cancelled in the end."""
    task = asyncio.ensure_future(serve(app, server, scope))
    try:
        await turns()
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(BaseException):
            await task


@contextlib.asynccontextmanager
async def accepted(
    app: Any, server: Server, scope: dict[str, Any] | None = None
) -> Any:
    """Serve one WebSocket in the background, from its accept on."""
    async with serving(app, server, scope) as task:
        await until(lambda: server.sent or task.done())
        yield task


class CallConsumer:
    """Stands for the class that a connection is counted under."""


class Socket:
    """A WebSocket without an application: the test itself opens and ends it.

    Needs no event loop and may be used from any thread.
    """

    def __init__(self, source: Any = CallConsumer, **scope: Any) -> None:
        self.scope = scope_of(**scope)
        self.error: BaseException | None = None
        connection = enter(source, self.scope, self._receive, self._send)
        assert connection is not None
        self.connection = connection

    async def _receive(self) -> Any:
        return disconnect()

    async def _send(self, message: Any) -> None:
        if self.error is not None:
            raise self.error

    def open(self) -> Socket:
        return self._do(self.connection.send(ACCEPT))

    def fail_to_open(self) -> Socket:
        self.error = OSError("gone")
        return self._do(self.connection.send(ACCEPT))

    def say(self) -> Socket:
        return self._do(self.connection.send(text("hello")))

    def close(self) -> Socket:
        return self._do(self.connection.send(CLOSE))

    def leave(self) -> Socket:
        return self._do(self.connection.receive())

    def end(self, error: Exception | None = None) -> Socket:
        self.connection.finish("error" if error else "return")
        return self

    def label(self, **labels: object) -> Socket:
        update_labels(self.scope, labels)
        return self

    def log_in(self, user: object) -> Socket:
        """As an application does it that learns later who it talks to."""
        self.scope["user"] = user
        return self.label()

    def _do(self, coroutine: Any) -> Socket:
        try:
            coroutine.send(None)
        except (StopIteration, OSError):
            return self
        raise AssertionError("It waits.")


class Books:
    """What the registry counted and told, drained by the test itself, on no thread.

    Args:
        details: Whether users are counted, as for a backend that wants details.
    """

    def __init__(self, *, details: bool = True) -> None:
        #: The books are of one drain after the other, in which no route changes.
        self._describe = ConnectionDescriber()
        self.count_keys = None if details else self._describe.count_keys
        self.told: list[tuple[str, OpenedConnection, Any, Ending | None]] = []
        self.open: dict[int, OpenedConnection] = {}

    def settle(self) -> Books:
        changes = registry.drain(self._describe, self.count_keys)
        for number in changes.closed:
            self.open.pop(number, None)
        self.open.update(changes.opened)
        for event in changes.events:
            self.told.append((event.kind, event.connection, event.source, event.ending))
        return self

    @property
    def counts(self) -> dict[str, int]:
        self.settle()
        counts = dict(registry.counts)
        assert sum(counts.values()) == len(self.open)
        return counts

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, *_ in self.settle().told]

    @property
    def only(self) -> OpenedConnection:
        """The one connection that is open."""
        self.settle()
        (connection,) = self.open.values()
        return connection

    @property
    def ending(self) -> Ending:
        """How the one connection that was closed ended."""
        (ending,) = [ending for *_, ending in self.settle().told if ending is not None]
        return ending

    def assert_counted_once(self) -> None:
        assert self.kinds == ["opened", "closed"]
        assert self.counts == {}
        self.assert_nothing_is_left()

    def assert_rejected(self) -> None:
        assert self.kinds == ["rejected"]
        assert self.counts == {}
        self.assert_nothing_is_left()

    def assert_nothing_is_left(self) -> None:
        self.settle()
        assert not registry.is_dirty
        assert registry.users == {}
        assert registry.anonymous == 0
        assert [*registry.pieces(1)] == []
        assert not registry.intake.unwatched


def open_books(monkeypatch: pytest.MonkeyPatch) -> Books:
    """Listen to every event, and report nothing: the test drains when it wants to."""

    def wake() -> None:
        registry.intake.listened = True

    monkeypatch.setattr(registry.intake, "wake", wake)
    return Books()


def wait_until(fact: Callable[[], object]) -> None:
    """Wait for a fact that another thread brings about."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not fact():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.001)


async def until(fact: Callable[[], object]) -> None:
    """Wait for a fact that another thread, or another task, brings about."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not fact():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.001)


def own_threads() -> list[threading.Thread]:
    """Return the threads of the package that live."""
    name = "django-socket-status-"
    return [it for it in threading.enumerate() if it.name.startswith(name)]


def begin_heartbeat() -> None:
    """Begin another heartbeat: each connection's next message is watched to its end."""
    registry.watch_again()


def reported() -> dict[str, int]:
    """Return the counts after everything of this process was reported."""
    assert reporter.flush()
    return dict(registry.counts)
