"""One WebSocket observed: what the host may notice of it, and what is counted."""

from __future__ import annotations

import asyncio
import gc
import types
import weakref
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from channels.routing import URLRouter
from django.urls import path

from django_socket_status.limits import MAX_LABELS
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.registry.registry import registry
from django_socket_status.tracking.connection import Connection
from django_socket_status.tracking.entry import SCOPE_KEY, enter, leave_out
from django_socket_status.tracking.labels import update_labels
from tests.support.asgi_driver import (
    ACCEPT,
    CLOSE,
    CONNECT,
    Books,
    CallConsumer,
    Server,
    Socket,
    begin_heartbeat,
    disconnect,
    said,
    scope_of,
    serve,
    serve_quietly,
    text,
    until,
)
from tests.support.tracked import echo, tracked

pytestmark = pytest.mark.python


# What the host may notice: nothing.


class Pause:
    """A wait that the test itself ends, so that every one of them can be seen."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


class SteppedServer:
    """Waits once in each call, before it does what it is asked."""

    def __init__(self, *messages: Any) -> None:
        self.messages = list(messages)
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        await Pause("receive")
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:
        await Pause(f"send {message['type']}")
        self.sent.append(message)


def conversation() -> SteppedServer:
    return SteppedServer(CONNECT, said("one"), said("two"), disconnect())


def places_of_waits(app: Any) -> list[str]:
    """Return where an application waits in one conversation, each time it does."""
    server = conversation()
    running = app(scope_of(), server.receive, server.send)
    places = []
    while True:
        try:
            places.append(running.send(None).place)
        except StopIteration as end:
            assert end.value == "done"
            return places


def test_tracking_adds_no_wait_and_takes_none_away():
    waits = places_of_waits(echo)
    assert len(waits) == 7
    assert places_of_waits(tracked(echo)) == waits
    assert places_of_waits(SocketStatusMiddleware(echo)) == waits
    assert places_of_waits(SocketStatusMiddleware(tracked(echo))) == waits


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError("cancelled here"),
        GeneratorExit(),
        KeyboardInterrupt(),
        SystemExit(3),
        OSError("gone"),
        TypeError("wrong"),
        KeyError("type"),
    ],
)
@pytest.mark.parametrize("step", range(7))
@pytest.mark.parametrize("entry_point", [tracked, SocketStatusMiddleware])
def test_what_is_thrown_at_any_wait_passes_and_ends_the_connection(
    entry_point, step, error, books
):
    server = conversation()
    running = entry_point(echo)(scope_of(), server.receive, server.send)
    for _ in range(step + 1):
        running.send(None)
    with pytest.raises(type(error)) as caught:
        running.throw(error)
    assert caught.value is error
    swept_away = not isinstance(error, Exception | asyncio.CancelledError)
    if step == 0 or (step == 1 and not swept_away):
        books.assert_rejected()
    else:
        books.assert_counted_once()


def test_coroutine_that_is_closed_between_two_messages_ends_its_connection(books):
    server = conversation()
    running = tracked(echo)(scope_of(), server.receive, server.send)
    for _ in range(3):
        running.send(None)
    running.close()
    books.assert_counted_once()
    assert books.ending.by == "cancel"


async def test_messages_pass_as_the_same_objects_in_the_same_order():
    messages = [CONNECT, said("one"), {"type": "websocket.receive", "bytes": b"2"}]
    answers = [ACCEPT, text("one"), {"type": "websocket.send", "bytes": b"2"}, CLOSE]
    seen = []

    async def app(scope, receive, send):
        seen.extend([await receive() for _ in messages])
        for answer in answers:
            begin_heartbeat()
            await send(answer)
            begin_heartbeat()

    server = Server(*messages)
    await serve(tracked(app), server)
    assert all(a is b for a, b in zip(seen, messages, strict=True))
    assert all(a is b for a, b in zip(server.sent, answers, strict=True))


async def test_nothing_is_received_before_the_application_receives():
    asked = 0

    async def app(scope, receive, send):
        nonlocal asked
        assert server.receives == 0
        await receive()
        await send(ACCEPT)
        await send(text("hello"))
        assert server.receives == 1
        await receive()
        asked = server.receives

    server = Server(CONNECT, said("one"), said("two"))
    await serve(tracked(app), server)
    assert asked == server.receives == 2


async def test_return_value_passes():
    assert await serve(tracked(echo), Server(CONNECT, disconnect())) == "done"


async def test_other_scope_types_pass_with_the_same_objects():
    async def app(scope, receive, send):
        return scope, receive, send

    for kind in ("http", "lifespan", "channel", "webtransport", None, 7, b"websocket"):
        scope = {"type": kind}
        server = Server()
        passed = receive, send = server.receive, server.send
        seen = await tracked(app)(scope, receive, send)
        assert seen[0] is scope
        assert scope == {"type": kind}
        assert seen[1:] == passed


class Nonsense:
    """Raises at whatever it is asked."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "scope",
    [
        None,
        [],
        "websocket",
        Nonsense(),
        types.MappingProxyType({"type": "websocket"}),
        {},
        {SCOPE_KEY: 1, "type": "websocket"},
    ],
)
async def test_scope_that_is_none_reaches_the_application_untracked(scope, books):
    async def app(scope, receive, send):
        return scope

    assert (await tracked(app)(scope, Server().receive, Server().send)) is scope
    assert books.counts == {}


#: The first message after the accept, or of a heartbeat, is watched to its end.
FIRST = text("first")


@pytest.mark.parametrize("beat", ["watched", "in the same heartbeat"])
@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        [],
        ["type"],
        "text",
        b"text",
        7,
        object(),
        {"type": None},
        {"type": 7},
        {"type": ["websocket.send"]},
        {"type": b"websocket.accept"},
        {"type": "websocket.nonsense"},
        {"text": "no type"},
        {"type": "websocket.send"},
    ],
)
async def test_malformed_message_gets_the_answer_of_the_server(message, beat):
    def judge(message: Any) -> None:
        kind = message["type"]
        if kind not in ("websocket.accept", "websocket.close", "websocket.send"):
            raise RuntimeError(f"Unexpected ASGI message {kind!r}.")
        if kind == "websocket.send" and "text" not in message:
            raise ValueError("Nothing to send.")

    answers = []

    async def app(scope, receive, send):
        await send(ACCEPT)
        if beat == "in the same heartbeat":
            await send(FIRST)
        try:
            await send(message)
        except Exception as error:  # noqa: BLE001 - whatever it is
            answers.append((type(error), str(error)))

    asked: list[Any] = []
    for wrap in (lambda app: app, tracked):
        server = Server(on_send=lambda message: (asked.append(message), judge(message)))
        await serve(wrap(app), server)
    assert answers[0] == answers[1]
    assert [it for it in asked if it is not FIRST] == [ACCEPT, message] * 2


@pytest.mark.parametrize("beat", ["watched", "in the same heartbeat"])
async def test_message_that_the_server_refuses_is_sent_to_it_once(beat):
    """A send that is no coroutine raises at the call, and may raise anything."""
    asked = []

    def send(message):
        asked.append(message)
        if message is refused:
            raise TypeError("not this one")
        return asyncio.sleep(0)

    async def app(scope, receive, send):
        await send(ACCEPT)
        if beat == "in the same heartbeat":
            await send(FIRST)
        with pytest.raises(TypeError, match="not this one"):
            await send(refused)

    refused = text("refused")
    await tracked(app)(scope_of(), Server().receive, send)
    assert [it for it in asked if it is not FIRST] == [ACCEPT, refused]


@pytest.mark.parametrize(
    "message",
    [None, [], "text", 7, {}, {"type": 7}, {"type": None}],
)
async def test_malformed_message_of_the_server_reaches_the_application(message, books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        return await receive()

    assert await serve(tracked(app), Server(message)) is message
    books.assert_counted_once()
    assert books.ending.by == "return"


def plain_send() -> tuple[Callable[[Any], Awaitable[None]], list[Awaitable[None]]]:
    """Return a server's ``send`` that is no coroutine, and what it has returned."""
    awaitables: list[Awaitable[None]] = []

    def send(message: Any) -> Awaitable[None]:
        awaitables.append(asyncio.sleep(0))
        return awaitables[-1]

    return send, awaitables


async def test_text_is_sent_by_the_awaitable_of_the_server_itself():
    send, awaitables = plain_send()

    async def app(scope, receive, send):
        await send(ACCEPT)
        await send(FIRST)
        for message in (text("hello"), {"type": "websocket.send", "bytes": b"hello"}):
            awaitable = send(message)
            assert awaitable is awaitables[-1]
            await awaitable

    await tracked(app)(scope_of(), Server().receive, send)


def test_what_passes_unwatched_is_let_go_of_at_the_end(books):
    talking, silent, left = (Socket().open() for _ in range(3))
    talking.say().say()
    left.say()
    assert registry.intake.unwatched == {talking.connection, left.connection}
    left.close()
    silent.close()
    assert registry.intake.unwatched == {talking.connection}
    talking.leave()
    books.assert_nothing_is_left()


@pytest.mark.parametrize("end", [CLOSE, None], ids=["closed", "disconnected"])
async def test_messages_after_the_end_are_not_watched_for_ever(end, books):
    """An application that goes on to push has one more coroutine, and no more."""
    send, awaitables = plain_send()

    async def app(scope, receive, send):
        await send(ACCEPT)
        await (receive() if end is None else send(end))
        await send(FIRST)
        for _ in range(2):
            begin_heartbeat()
            awaitable = send(text("more"))
            assert awaitable is awaitables[-1]
            await awaitable

    await tracked(app)(scope_of(), Server(disconnect()).receive, send)
    books.assert_nothing_is_left()


def test_send_passes_for_a_coroutine_function():
    """Or asgiref warns when a sync consumer is about to use it."""
    connection = enter(CallConsumer, scope_of(), Server().receive, Server().send)
    assert iscoroutinefunction(connection.send)
    assert iscoroutinefunction(connection.receive)


# What is counted.


async def test_connection_is_counted_from_just_before_its_accept_goes_out(books):
    def on_send(message: Any) -> None:
        seen.append(books.counts)

    seen: list[dict[str, int]] = []

    async def app(scope, receive, send):
        await receive()
        seen.append(books.counts)
        await send(ACCEPT)
        seen.append(books.counts)

    await serve(tracked(app), Server(CONNECT, on_send=on_send))
    assert seen == [{}, {"call": 1}, {"call": 1}]
    books.assert_counted_once()


async def test_connection_is_no_longer_counted_when_its_close_goes_out(books):
    seen = []

    async def app(scope, receive, send):
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 4001, "reason": "full"})
        seen.append(books.counts)

    def on_send(message: Any) -> None:
        seen.append(books.counts)

    await serve(tracked(app), Server(on_send=on_send))
    assert seen == [{"call": 1}, {}, {}]
    books.assert_counted_once()
    assert books.ending[0] == "server"
    assert books.ending[2:4] == (4001, "full")


async def test_lingering_application_holds_no_closed_connection(books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        await receive()
        assert books.counts == {}
        begin_heartbeat()
        await send(text("too late"))
        await send(CLOSE)
        await receive()

    await serve(tracked(app), Server(disconnect(4321), disconnect(1005)))
    books.assert_counted_once()
    assert books.ending[0] == "client"
    assert books.ending[2:4] == (4321, "")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (disconnect(None), (1005, "")),
        (disconnect(1000, reason=None), (1000, "")),
        ({"type": "websocket.disconnect"}, (1005, "")),
        (disconnect(1001, reason="going away"), (1001, "going away")),
        (disconnect("4000"), (1005, "")),  # type: ignore[arg-type]
    ],
)
async def test_code_and_reason_are_those_of_the_disconnect(message, expected, books):
    await serve(tracked(echo), Server(CONNECT, message))
    assert books.ending.by == "client"
    assert books.ending[2:4] == expected


async def test_close_without_a_code_is_a_normal_closure(books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        await send(CLOSE)

    await serve(tracked(app), Server())
    assert books.ending[2:4] == (1000, "")


@pytest.mark.parametrize("before", [0, 2], ids=["the first", "of a heartbeat"])
async def test_send_that_raised_closes_also_when_the_application_swallows_it(
    before, books
):
    def on_send(message: Any) -> None:
        if message not in (ACCEPT, FIRST):
            raise OSError("the client is gone")

    async def app(scope, receive, send):
        await send(ACCEPT)
        for _ in range(before):
            await send(FIRST)
        if before:
            begin_heartbeat()
        with pytest.raises(OSError, match="the client is gone"):
            await send(text("anybody there?"))
        assert books.counts == {}
        await receive()

    await serve(tracked(app), Server(CONNECT, on_send=on_send))
    books.assert_counted_once()
    assert books.ending.by == "send"


async def test_send_that_the_application_gave_up_closes_nothing(books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(send(text("slow")), 0)
        assert books.counts == {"call": 1}
        await receive()

    never = asyncio.Event()

    async def send(message: Any) -> None:
        if message is not ACCEPT:
            await never.wait()

    await tracked(app)(scope_of(), Server(disconnect()).receive, send)
    books.assert_counted_once()
    assert books.ending.by == "client"


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "reported meanwhile"])
@pytest.mark.parametrize("error", [OSError("gone"), asyncio.CancelledError()])
async def test_accept_that_fails_is_taken_back(error, seen, books):
    """Uvicorn's raises if the client is gone; ours may have been reported by then."""

    async def send(message: Any) -> None:
        if seen:
            assert books.counts == {"call": 1}
        raise error

    async def app(scope, receive, send):
        with pytest.raises(type(error)):
            await send(ACCEPT)
        assert books.counts == {}

    await tracked(app)(scope_of(), Server().receive, send)
    assert books.kinds == (["opened", "closed"] if seen else ["rejected"])
    if seen:
        assert books.ending.by == "send"
    books.assert_nothing_is_left()


@pytest.mark.parametrize(
    "denial",
    [
        [CLOSE],
        [{"type": "websocket.close", "code": 4403, "reason": "no"}],
        [
            {"type": "websocket.http.response.start", "status": 403, "headers": []},
            {"type": "websocket.http.response.body", "body": b"no"},
        ],
    ],
    ids=["close", "close with code", "http response"],
)
async def test_rejected_handshake_is_never_counted(denial, books):
    async def app(scope, receive, send):
        await receive()
        for message in denial:
            await send(message)
            assert books.counts == {}
        await receive()

    server = Server(CONNECT, disconnect(1006))
    await serve(tracked(app), server)
    books.assert_rejected()
    assert server.sent == denial


@pytest.mark.parametrize("key", ["text", "bytes"])
@pytest.mark.parametrize("beat", ["watched", "in the same heartbeat"])
async def test_effect_of_a_message_depends_on_its_type_alone(key, beat, books):
    """A server ignores keys that are not its message's."""

    async def app(scope, receive, send):
        await send({**ACCEPT, key: None})
        assert books.counts == {"call": 1}
        if beat == "in the same heartbeat":
            await send(FIRST)
        await send({**CLOSE, "code": 4001, key: "bye"})
        assert books.counts == {}
        await receive()

    server = Server(disconnect())
    await serve(tracked(app), server)
    books.assert_counted_once()
    assert books.ending[:1] == ("server",)
    assert books.ending.code == 4001


async def test_denial_with_another_key_is_a_rejection(books):
    async def app(scope, receive, send):
        start = {"type": "websocket.http.response.start", "status": 403, "headers": []}
        await send({**start, "text": ""})
        assert books.kinds == ["rejected"]
        await receive()

    await serve(tracked(app), Server(disconnect()))
    books.assert_rejected()


async def test_second_accept_counts_nothing_more(books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        await send(ACCEPT)
        assert books.counts == {"call": 1}

    await serve(tracked(app), Server())
    books.assert_counted_once()


async def test_accept_after_the_end_opens_nothing(books):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send(text("hello"))
        assert books.counts == {}

    await serve(tracked(app), Server(disconnect(1006)))
    books.assert_rejected()


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
async def test_application_that_raises_is_gone(error, books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        raise error

    with pytest.raises(type(error)) as caught:
        # Not in a task: a loop lets a KeyboardInterrupt of one pass by.
        running = tracked(app)(scope_of(), Server().receive, Server().send)
        running.send(None)
    assert caught.value is error
    books.assert_counted_once()
    assert books.ending.by == ("error" if isinstance(error, Exception) else "cancel")


async def test_same_scope_served_again_is_another_connection(books):
    scope = scope_of()
    for number in (1, 2, 3):
        await serve(tracked(echo), Server(CONNECT, disconnect()), scope)
        assert books.kinds == ["opened", "closed"] * number
    books.assert_nothing_is_left()


async def test_many_at_once_are_counted_one_by_one(books):
    servers = [Server(CONNECT) for _ in range(50)]
    tasks = [asyncio.ensure_future(serve(tracked(echo), it)) for it in servers]
    for number, server in enumerate(servers):
        await until(lambda: server.sent)  # noqa: B023
        assert books.counts == {"call": 50 - number}
        server.put(disconnect())
        await tasks[number]
    books.assert_nothing_is_left()


# Labels, and our own sockets.


async def test_labels_change_while_the_connection_is_open(books):
    async def app(scope, receive, send):
        assert update_labels(scope, {"before": "accept"})
        await send(ACCEPT)
        assert books.only.labels == {"before": "accept"}
        assert update_labels(scope, {"before": None, "room": 42})
        assert books.only.labels == {"room": "42"}
        assert update_labels(scope, {"room": "lobby\r\n"})
        assert books.only.labels == {"room": "lobby��"}
        await send(CLOSE)
        assert not update_labels(scope, {"too": "late"})

    await serve(tracked(app), Server())
    books.assert_counted_once()


async def test_label_of_the_route_can_be_taken_away(books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        assert books.only.labels == {"room": "42", "side": "left"}
        update_labels(scope, {"room": None})
        assert books.only.labels == {"side": "left"}

    router = URLRouter([path("ws/<int:room>/<side>/", app)])
    scope = scope_of("/ws/42/left/")
    await serve(SocketStatusMiddleware(router), Server(), scope)


async def test_labels_of_rooms_that_were_left_make_place_for_others(books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        for number in range(100):
            update_labels(scope, {f"room-{number}": True})
            assert books.only.labels == {f"room-{number}": "True"}
            update_labels(scope, {f"room-{number}": None})
        for number in range(100):
            update_labels(scope, {f"room-{number}": True})
        assert len(books.only.labels) == MAX_LABELS

    await serve(tracked(app), Server())


def test_labels_of_an_untracked_scope_change_nothing():
    assert not update_labels(scope_of(), {"room": 1})
    assert not update_labels({}, {"room": 1})


async def test_methods_of_a_consumer_are_called_once_as_it_opens(books):
    asked = []

    def get_socket_status_type(self):
        asked.append(registry.counts)
        return "vip"

    entry_point = tracked(
        echo,
        get_socket_status_type=get_socket_status_type,
        get_socket_status_labels=lambda self: {"room": 7},
    )
    await serve(entry_point, Server(CONNECT, said("one"), disconnect()))
    assert len(asked) == 1
    assert [connection.type for _, connection, *_ in books.settle().told] == [
        "vip",
        "vip",
    ]


def raise_error(self: Any) -> Any:
    raise ValueError("broken")


@pytest.mark.parametrize(
    "choices",
    [
        {"get_socket_status_type": raise_error},
        {"get_socket_status_labels": raise_error},
        {"get_socket_status_labels": lambda self: 7},
        {"get_socket_status_labels": lambda self: [1, 2]},
    ],
)
async def test_choice_that_fails_is_logged_and_the_class_decides(
    choices, books, caplog
):
    await serve(tracked(echo, **choices), Server(CONNECT, disconnect()))
    books.assert_counted_once()
    assert "cannot tell its socket status type or labels" in caplog.text


def interrupted_at(interrupted: Any) -> Callable[[Any], Awaitable[None]]:
    """Return a server's ``send`` that is interrupted before it begins, once."""
    pending = [interrupted]

    @markcoroutinefunction
    def send(message: Any) -> Awaitable[None]:
        if pending == [message]:
            raise pending.pop() and KeyboardInterrupt
        return asyncio.sleep(0)

    return send


async def test_consumer_is_asked_after_a_close_that_never_reached_the_server(books):
    async def app(scope, receive, send):
        with pytest.raises(KeyboardInterrupt):
            await send(CLOSE)
        await send(ACCEPT)
        books.settle()

    entry_point = tracked(app, get_socket_status_type=lambda self: "vip")
    await entry_point(scope_of(), Server().receive, interrupted_at(CLOSE))
    assert [connection.type for _, connection, *_ in books.settle().told] == [
        "vip",
        "vip",
    ]


async def test_messages_are_watched_again_after_a_close_that_never_reached_the_server(
    books,
):
    async def app(scope, receive, send):
        await send(ACCEPT)
        await send(FIRST)
        with pytest.raises(KeyboardInterrupt):
            await send(CLOSE)
        begin_heartbeat()
        assert scope[SCOPE_KEY].passes is None

    await tracked(app)(scope_of(), Server().receive, interrupted_at(CLOSE))
    books.assert_counted_once()


# What is left of a connection: nothing.


class Scope(dict[str, Any]):
    """A scope that a weak reference can watch."""


@pytest.fixture
def no_garbage_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def accept_and_leave(scope, receive, send):
    await send(ACCEPT)


async def reject(scope, receive, send):
    await send(CLOSE)


async def reject_by_error(scope, receive, send):
    raise ValueError("no")


async def be_left_out(scope, receive, send):
    leave_out(scope)


async def never_told(scope, receive, send):
    update_labels(scope, {"room": 1})
    await send(ACCEPT)
    update_labels(scope, {"room": 2})


@pytest.mark.usefixtures("no_garbage_collector")
@pytest.mark.parametrize("listened", [False, True], ids=["", "listened"])
@pytest.mark.parametrize("chooses", [False, True], ids=["", "chooses"])
@pytest.mark.parametrize(
    "app", [echo, accept_and_leave, reject, reject_by_error, be_left_out, never_told]
)
async def test_connection_that_ended_leaves_no_cycle(
    app, chooses, listened, monkeypatch
):
    """The scope holds the connection, and the connection the scope, until its end."""
    monkeypatch.setattr(
        registry.intake,
        "wake",
        lambda: setattr(registry.intake, "listened", listened),
    )

    choices = {}
    if chooses:
        choices["get_socket_status_labels"] = lambda self: {"at": self.scope["path"]}
    entry_point = tracked(app, **choices)
    scope = Scope(scope_of())
    gone = weakref.ref(scope)
    await serve_quietly(entry_point, Server(CONNECT, disconnect()), scope)
    del scope
    Books().settle()
    assert gone() is None


@pytest.mark.usefixtures("no_garbage_collector", "books")
async def test_connection_that_was_counted_leaves_no_cycle(books):
    async def app(scope, receive, send):
        await send(ACCEPT)
        assert books.counts == {"call": 1}

    scope = Scope(scope_of())
    gone = weakref.ref(scope)
    await serve(tracked(app), Server(), scope)
    del scope
    books.settle()
    assert gone() is None


def test_connection_has_no_dictionary_of_its_own():
    connection = Connection()
    connection.begin(CallConsumer, scope_of(), None, None, None)
    assert not hasattr(connection, "__dict__")
