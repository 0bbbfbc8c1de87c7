"""What each ASGI server delivers, as it was recorded, and what is made of it.

Codes, exceptions and cancellations are those that daphne 4.2, uvicorn 0.54 (with its
three WebSocket implementations), hypercorn 0.18, granian 2.8 and gunicorn 27 were seen
to produce. They disagree about nearly everything; the count must not.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from django_socket_status.endings import Cause
from django_socket_status.middleware import SocketStatusMiddleware
from tests.support.asgi_driver import (
    ACCEPT,
    CONNECT,
    Books,
    begin_heartbeat,
    disconnect,
    open_books,
    said,
    scope_of,
    serve,
    text,
    turns,
)

pytestmark = pytest.mark.python


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    return open_books(monkeypatch)


class ClientDisconnected(OSError):
    """Uvicorn's."""


class WebSocketDisconnected(OSError, RuntimeError):
    """Gunicorn's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Habits:
    """How one server tells an application what happened."""

    #: The code that arrives for a close frame with this one; ``None`` stands for none.
    codes: dict[int | None, int | None]
    #: The code for a connection that ended without a close frame.
    abort: int
    #: Whether it passes on the reason of a close frame, and says no reason otherwise.
    gives_reason: bool = False
    #: The cause of an end by a close frame with a code, and without one.
    closed: Cause = "client_closed"
    closed_without_code: Cause = "client_closed"
    #: The code that arrives after the application itself closed with 4001.
    after_close: int | None = 4001
    after_rejection: int = 1006
    #: Whether each further ``receive`` after a disconnect returns another one.
    repeats_disconnect: bool = False
    #: What ``accept`` raises if the client has left; ``None``: it seems to succeed.
    accept_raises: type[Exception] | None = None
    send_raises: type[Exception] | None = None
    #: The code at shutdown; ``None``: the application is not told.
    shutdown: int | None = None
    #: How often an application is cancelled that did not look after its client left,
    #: and at shutdown.
    cancels_when_left: int = 0
    cancels_at_shutdown: int = 0


SAME = {1000: 1000, 4321: 4321, None: 1005}

SERVERS = {
    "daphne": Habits(
        codes=SAME | {None: None},
        abort=1006,
        cancels_when_left=3,
        cancels_at_shutdown=1,
    ),
    "uvicorn sansio": Habits(
        codes=SAME,
        abort=1005,
        gives_reason=True,
        repeats_disconnect=True,
        accept_raises=ClientDisconnected,
        send_raises=ClientDisconnected,
        shutdown=1012,
    ),
    "uvicorn wsproto": Habits(
        codes=SAME,
        abort=1005,
        gives_reason=True,
        repeats_disconnect=True,
        accept_raises=ClientDisconnected,
        send_raises=ClientDisconnected,
        shutdown=1012,
        cancels_at_shutdown=1,
    ),
    "uvicorn legacy": Habits(
        codes=SAME,
        abort=1006,
        gives_reason=True,
        after_close=1005,
        repeats_disconnect=True,
        send_raises=ClientDisconnected,
        shutdown=1012,
    ),
    "hypercorn": Habits(
        closed="client_lost",
        closed_without_code="client_lost",
        codes=dict.fromkeys(SAME, 1006),
        abort=1006,
        after_close=1000,
        after_rejection=1000,
        cancels_at_shutdown=1,
    ),
    "granian": Habits(
        closed_without_code="client_lost",
        codes=SAME,
        abort=1005,
        after_close=1005,
        after_rejection=1005,
        repeats_disconnect=True,
        shutdown=1005,
    ),
    "gunicorn": Habits(
        closed_without_code="client_lost",
        codes=SAME,
        abort=1006,
        accept_raises=RuntimeError,
        send_raises=WebSocketDisconnected,
        cancels_when_left=1,
        cancels_at_shutdown=2,
    ),
}


class Server:
    """One WebSocket, served with the habits of a server."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.sent: list[Any] = []
        self.error: Exception | None = None
        self._left = False
        self._accepted = False
        self._waiting: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting.put_nowait(CONNECT)
        self._ended = False

    async def receive(self) -> Any:
        if self._ended and self.habits.repeats_disconnect and self._waiting.empty():
            return disconnect(1005, reason="")
        message = await self._waiting.get()
        self._ended = message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Any) -> None:
        kind = message["type"]
        raised = None
        if self._left:
            accepts = kind == "websocket.accept"
            raised = self.habits.accept_raises if accepts else self.habits.send_raises
        if raised is not None:
            self.error = raised("the client is gone")
            raise self.error
        self.sent.append(message)
        if kind == "websocket.accept":
            self._accepted = True
        elif kind == "websocket.close":
            accepted, code = self._accepted, self.habits.after_close
            self._put(code if accepted else self.habits.after_rejection)

    def client_says(self, content: str) -> None:
        self._waiting.put_nowait(said(content))

    def client_closes(self, code: int | None, reason: str = "") -> None:
        self._left = True
        more = {"reason": reason} if self.habits.gives_reason else {}
        self._put(self.habits.codes[code], **more)

    def client_vanishes(self) -> None:
        self._left = True
        self._put(self.habits.abort)

    def shuts_down(self) -> None:
        if self.habits.shutdown is not None:
            self._put(self.habits.shutdown)

    def _put(self, code: int | None, **more: str) -> None:
        self._waiting.put_nowait(disconnect(code, **more))


@pytest.fixture(params=SERVERS.values(), ids=SERVERS.keys())
def server(request: pytest.FixtureRequest) -> Server:
    return Server(request.param)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    assert await receive() is CONNECT
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send(text(message["text"]))


async def reject(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 4403})
    await receive()


async def close(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    await send({"type": "websocket.close", "code": 4001, "reason": "full"})
    await receive()


async def run(app: Any, server: Server, *events: Callable[[], object]) -> None:
    """Serve an application, and let things happen whenever it waits."""
    task = asyncio.ensure_future(serve(SocketStatusMiddleware(app), server))  # type: ignore[arg-type]
    for event in events:
        await turns()
        event()
    await asyncio.wait_for(task, 5)


CLOSES = [1000, 4321, None]


@pytest.mark.parametrize("code", CLOSES)
async def test_client_that_closes(server, code, books):
    await run(
        echo,
        server,
        lambda: server.client_says("hello"),
        lambda: server.client_closes(code, "bye"),
    )
    books.assert_counted_once()
    habits = server.habits
    assert books.ending.by == "client"
    assert books.ending.code == (habits.codes[code] or 1005)
    assert books.ending.reason == ("bye" if habits.gives_reason else "")
    assert books.ending.cause == (habits.closed if code else habits.closed_without_code)


async def test_client_that_vanishes(server, books):
    await run(echo, server, server.client_vanishes)
    books.assert_counted_once()
    assert books.ending[0] == "client"
    assert books.ending[2:] == (server.habits.abort, "", "client_lost")


async def test_application_that_closes(server, books):
    """Its own code counts, whatever the server says afterwards."""
    await run(close, server)
    books.assert_counted_once()
    assert books.ending[0] == "server"
    assert books.ending[2:] == (4001, "full", "server_closed")


async def test_application_that_closes_and_waits_for_ever(server, books):
    """Hypercorn says nothing until the client goes away, which may be never."""
    counts = []

    async def app(scope, receive, send):
        await close(scope, receive, send)
        counts.append(books.counts)
        await asyncio.Event().wait()

    task = asyncio.ensure_future(serve(SocketStatusMiddleware(app), server))
    await turns()
    assert counts == [{}]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    books.assert_counted_once()
    assert books.ending.by == "server"


async def test_handshake_that_is_rejected(server, books):
    await run(reject, server)
    books.assert_rejected()


async def test_application_that_raises_before_the_accept(server, books):
    async def app(scope, receive, send):
        await receive()
        raise error

    error = ValueError("broken")
    with pytest.raises(ValueError, match="broken") as caught:
        await run(app, server)
    assert caught.value is error
    books.assert_rejected()


async def test_application_that_raises_after_the_accept(server, books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        raise error

    error = ValueError("broken")
    with pytest.raises(ValueError, match="broken") as caught:
        await run(app, server)
    assert caught.value is error
    books.assert_counted_once()
    assert books.ending[0] == "error"
    assert books.ending[2:] == (None, "", "app_error")


async def test_application_that_returns_without_closing(server, books):
    """Daphne leaves the socket open for ever: but no application serves it."""

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)

    await run(app, server)
    books.assert_counted_once()
    assert books.ending[0] == "return"
    assert books.ending.cause == "app_returned"


async def test_second_disconnect_changes_nothing(server, books):
    async def app(scope, receive, send):
        await echo(scope, receive, send)
        assert books.counts == {}
        if server.habits.repeats_disconnect:
            assert (await receive())["code"] == 1005
            assert (await receive())["code"] == 1005

    await run(app, server, lambda: server.client_closes(1000))
    books.assert_counted_once()
    assert books.ending.code == server.habits.codes[1000]


async def test_client_that_left_before_the_accept(server, books):
    async def app(scope, receive, send):
        await receive()
        server.client_vanishes()
        await send(ACCEPT)
        assert books.counts == {"websocket": 1}
        await receive()

    raised = server.habits.accept_raises
    if raised is None:
        await run(app, server)
        books.assert_counted_once()
        assert books.ending.by == "client"
    else:
        with pytest.raises(raised) as caught:
            await run(app, server)
        assert caught.value is server.error
        books.assert_rejected()


async def test_client_that_left_before_the_accept_of_a_stubborn_application(
    server, books
):
    async def app(scope, receive, send):
        await receive()
        server.client_vanishes()
        with contextlib.suppress(Exception):
            await send(ACCEPT)
        with contextlib.suppress(Exception):
            await send(text("hello"))
        await receive()
        assert books.counts == {}

    await run(app, server)
    if server.habits.accept_raises:
        books.assert_rejected()
    else:
        books.assert_counted_once()
        assert books.ending.by in ("client", "send")


@pytest.mark.parametrize("swallows", [False, True])
async def test_application_that_sends_to_a_client_that_left(server, swallows, books):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        server.client_vanishes()
        begin_heartbeat()
        try:
            await send(text("anybody there?"))
        except OSError as error:
            assert error is server.error
            assert books.counts == {}
            if not swallows:
                raise
        await receive()

    raised = server.habits.send_raises
    if raised is not None and not swallows:
        with pytest.raises(raised) as caught:
            await run(app, server)
        assert caught.value is server.error
    else:
        await run(app, server)
    books.assert_counted_once()
    assert books.ending.by == ("send" if raised else "client")
    assert books.ending.cause == ("send_failed" if raised else "client_lost")


async def test_application_that_sends_on_and_on_to_a_client_that_left(server, books):
    """It never receives: the first ``send`` of the next heartbeat tells."""
    counts = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        server.client_vanishes()
        for _ in range(3):
            with contextlib.suppress(OSError):
                await send(text("tick"))
            counts.append(sum(books.counts.values()))
            begin_heartbeat()

    await run(app, server)
    books.assert_counted_once()
    assert counts[1:] == ([0, 0] if server.habits.send_raises else [1, 1])


async def test_application_that_does_not_look_while_its_client_leaves(server, books):
    """Only the server knows; it may cancel the application, and do so again."""
    at_the_end = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.001)
                at_the_end.append(books.counts)

    cancels = server.habits.cancels_when_left
    task = asyncio.ensure_future(serve(SocketStatusMiddleware(app), server))
    await turns()
    server.client_vanishes()
    await turns()
    assert books.counts == {"websocket": 1}
    for _ in range(cancels or 1):
        task.cancel()
        await turns()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert at_the_end == [{"websocket": 1}] * 3
    books.assert_counted_once()
    assert books.ending[0] == "cancel"


async def test_busy_application_that_looks_late(server, books):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        server.client_closes(4321)
        await asyncio.sleep(0.001)
        assert books.counts == {"websocket": 1}
        await receive()
        assert books.counts == {}

    await run(app, server)
    books.assert_counted_once()


async def test_shutdown_of_the_server(server, books):
    task = asyncio.ensure_future(serve(SocketStatusMiddleware(echo), server))
    await turns()
    server.shuts_down()
    await turns()
    if server.habits.shutdown is not None:
        await task
        books.assert_counted_once()
        assert books.ending[0] == "client"
        assert books.ending.code == server.habits.shutdown
        return
    assert books.counts == {"websocket": 1}
    for _ in range(server.habits.cancels_at_shutdown or 1):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    books.assert_counted_once()
    assert books.ending[0] == "cancel"


async def test_shutdown_of_a_server_with_several_connections(server, books):
    habits = server.habits
    servers = [Server(habits) for _ in range(3)]
    tasks = [
        asyncio.ensure_future(serve(SocketStatusMiddleware(echo), it)) for it in servers
    ]
    await turns()
    for number, it in enumerate(servers):
        if habits.shutdown is not None:
            it.shuts_down()
        else:
            tasks[number].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    expected: dict[int | None, Cause] = {
        # Granian says of its end what it says of a lost client.
        1012: "worker_stopped",
        1005: "client_lost",
        None: "cancelled",
    }
    causes = [it.cause for *_, it in books.settle().told if it is not None]
    assert causes == [expected[habits.shutdown]] * 3


async def test_shutdown_while_the_handshake_is_under_way(server, books):
    async def app(scope, receive, send):
        await receive()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(serve(SocketStatusMiddleware(app), server))
    await turns()
    server.shuts_down()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    books.assert_rejected()


async def test_application_that_is_cancelled_in_its_accept(server, books):
    """The accept may have gone out or not; no application serves it any more."""

    async def send(message: Any) -> None:
        await asyncio.Event().wait()

    app = SocketStatusMiddleware(echo)
    task = asyncio.ensure_future(app(scope_of(), server.receive, send))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    books.assert_rejected()


async def test_application_that_will_not_be_cancelled_is_counted_on(server, books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        assert books.counts == {"websocket": 1}
        await receive()
        await receive()

    task = asyncio.ensure_future(serve(SocketStatusMiddleware(app), server))
    await turns()
    task.cancel()
    await turns()
    server.client_closes(1000)
    await task
    books.assert_counted_once()
    assert books.ending.by == "client"


@pytest.mark.parametrize("app", [echo, reject, close], ids=lambda app: app.__name__)
async def test_both_entry_points_see_the_same(server, app, books):
    async def serve_through_both():
        await SocketStatusMiddleware(SocketStatusMiddleware(app))(
            scope_of(), server.receive, server.send
        )

    task = asyncio.ensure_future(serve_through_both())
    await turns()
    server.client_closes(1000)
    await task
    if app is reject:
        books.assert_rejected()
    else:
        books.assert_counted_once()
