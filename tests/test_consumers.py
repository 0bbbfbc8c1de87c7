"""The mixin before every kind of consumer, whatever the consumer does."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import inspect
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.compatibility import guarantee_single_callable, is_double_callable
from asgiref.sync import iscoroutinefunction, sync_to_async
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.urls import path

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.middleware import SocketStatusMiddleware
from tests.support.asgi_driver import (
    ACCEPT,
    CLOSE,
    CONNECT,
    Books,
    Server,
    accepted,
    disconnect,
    open_books,
    said,
    scope_of,
    serve,
    serve_quietly,
    serving,
    turns,
    until,
)

pytestmark = pytest.mark.python


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    return open_books(monkeypatch)


class Odd(BaseException):
    """An exception that ``except Exception`` does not catch."""


# Consumers that others might have written.


class Registered(type):
    """A metaclass as API consumers have it: it makes something of the class."""

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> None:
        super().__init__(name, bases, body)
        cls.actions = sorted(key for key in body if key.startswith("action_"))

    def __eq__(cls, other: object) -> bool:
        return cls is other

    # So that no class of it can be in a set, nor a key.
    __hash__ = None  # type: ignore[assignment]


class ApiConsumer(AsyncJsonWebsocketConsumer, metaclass=Registered):
    actions: list[str]

    async def action_list(self) -> None:
        raise NotImplementedError


class SchemaConsumer(AsyncWebsocketConsumer):
    """Takes additional keywords, and builds its application itself."""

    def __init__(self, schema: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema = schema

    @classmethod
    def as_asgi(cls, schema: str = "schema") -> Any:  # type: ignore[override]
        async def application(scope: Any, receive: Any, send: Any) -> Any:
            return await cls(schema)(scope, receive, send)

        return application


class StatefulConsumer(AsyncWebsocketConsumer):
    """Does something before and after, by the way of ``super()``."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        self.before = True
        try:
            return await super().__call__(scope, receive, send)
        finally:
            self.after = True


class BareAsyncConsumer(AsyncConsumer):
    async def websocket_connect(self, message: Any) -> None:
        await self.send(ACCEPT)

    async def websocket_receive(self, message: Any) -> None:
        pass

    async def websocket_disconnect(self, message: Any) -> None:
        raise StopConsumer


class BareSyncConsumer(SyncConsumer):
    def websocket_connect(self, message: Any) -> None:
        self.send(ACCEPT)

    def websocket_receive(self, message: Any) -> None:
        pass

    def websocket_disconnect(self, message: Any) -> None:
        raise StopConsumer


class Timing:
    """A mixin of another package."""

    started = False

    async def dispatch(self, message: Any) -> Any:
        self.started = True
        return await super().dispatch(message)  # type: ignore[misc]


class TimedConsumer(Timing, AsyncWebsocketConsumer):
    pass


BASES = [
    BareAsyncConsumer,
    BareSyncConsumer,
    WebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    AsyncJsonWebsocketConsumer,
    ApiConsumer,
    SchemaConsumer,
    StatefulConsumer,
    TimedConsumer,
]
GENERIC = BASES[2:]

every_consumer = pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
every_generic = pytest.mark.parametrize("base", GENERIC, ids=lambda base: base.__name__)


def consumer(base: Any, **body: Any) -> Any:
    """Return ``CallConsumer``, derived from the mixin and a base, with a body.

    A function in the body is made asynchronous where the base is.
    """
    if not issubclass(base, SyncConsumer):
        body = {
            name: as_async(value) if inspect.isfunction(value) else value
            for name, value in body.items()
        }
    kind = type(base)
    return kind("CallConsumer", (SocketStatusMixin, base), body)


def as_async(function: Any) -> Any:
    """Return a method that awaits whatever the written one returns."""

    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = function(self, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return method


def raiser(error: BaseException) -> Any:
    def handler(self: Any, *args: Any, **kwargs: Any) -> None:
        raise error

    return handler


# Counted, whatever the consumer.


@every_consumer
async def test_connection_of_every_consumer_is_counted_once(base, books):
    server = Server(CONNECT)
    async with accepted(consumer(base).as_asgi(), server) as task:
        assert books.counts == {"call": 1}
        server.put(said('{"hello": "there"}'))
        server.put(disconnect(4321))
        await task
    books.assert_counted_once()
    assert books.ending[0] == "client"
    assert books.ending.code == 4321


@every_consumer
async def test_consumer_with_a_channel_layer_is_counted_once(base, books, settings):
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    }
    server = Server(CONNECT, disconnect())
    await serve(consumer(base, groups=["everybody"]).as_asgi(), server)
    books.assert_counted_once()


@every_consumer
async def test_cancelled_consumer_is_gone(base, books):
    server = Server(CONNECT)
    async with accepted(consumer(base).as_asgi(), server) as task:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    books.assert_counted_once()
    assert books.ending[0] == "cancel"


@every_generic
async def test_consumer_that_overrides_connect_and_disconnect(base, books):
    def connect(self):
        return self.accept()

    def leave(self, code):
        raise ValueError("in disconnect")

    app = consumer(base, connect=connect, disconnect=leave).as_asgi()
    with pytest.raises(ValueError, match="in disconnect"):
        await serve(app, Server(CONNECT, disconnect()))
    books.assert_counted_once()
    assert books.ending[0] == "client"


@every_consumer
async def test_consumer_that_overrides_the_handlers_and_never_stops(base, books):
    def websocket_connect(self, message):
        return self.base_send(ACCEPT)

    def websocket_disconnect(self, message):
        assert books.counts == {}

    app = consumer(
        base,
        websocket_connect=websocket_connect,
        websocket_disconnect=websocket_disconnect,
    ).as_asgi()
    server = Server(CONNECT, disconnect(), disconnect())
    async with serving(app, server):
        await until(lambda: len(server.delivered) == 3)
        await turns()
        assert books.counts == {}
    books.assert_counted_once()


@every_consumer
async def test_consumer_that_overrides_dispatch(base, books):
    async def dispatch(self, message):
        if message["type"] == "websocket.connect":
            send = self.base_send
            # A sync consumer's is for threads.
            await (sync_to_async(send)(ACCEPT) if self._sync else send(ACCEPT))
        else:
            raise StopConsumer

    app = consumer(base)
    app.dispatch = dispatch
    await serve(app.as_asgi(), Server(CONNECT, disconnect()))
    books.assert_counted_once()


ENDS = [
    ("connect", "rejected"),
    ("accepted", "opened"),
    ("receive", "opened"),
    ("disconnect", "opened"),
]
ERRORS = [
    AcceptConnection(),
    DenyConnection(),
    StopConsumer(),
    ValueError("broken"),
    OSError("broken"),
    Odd("broken"),
    asyncio.CancelledError("by hand"),
]


@every_consumer
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("place", "first"), ENDS, ids=[place for place, _ in ENDS])
async def test_whatever_is_raised_anywhere_ends_the_connection(
    base, place, first, error, books
):
    def websocket_connect(self, message):
        if place == "connect":
            raise error
        sent = self.base_send(ACCEPT)
        if place != "accepted":
            return sent
        if self._sync:
            raise error
        return raise_after(sent)

    async def raise_after(sent):
        await sent
        raise error

    body = {"websocket_connect": websocket_connect}
    if place in ("receive", "disconnect"):
        body[f"websocket_{place}"] = raiser(error)
    server = Server(CONNECT, said("{}"), disconnect())
    try:
        await serve(consumer(base, **body).as_asgi(), server)
    except BaseException as caught:  # noqa: BLE001 - whatever it is
        assert caught is error or isinstance(error, asyncio.CancelledError)
    assert books.kinds[0] == first
    if first == "rejected":
        books.assert_rejected()
    else:
        books.assert_counted_once()


@every_generic
async def test_connection_that_is_accepted_by_an_exception_is_counted(base, books):
    app = consumer(base, connect=raiser(AcceptConnection())).as_asgi()
    await serve(app, Server(CONNECT, disconnect()))
    books.assert_counted_once()


@every_generic
async def test_connection_that_is_denied_by_an_exception_is_rejected(base, books):
    app = consumer(base, connect=raiser(DenyConnection())).as_asgi()
    server = Server(CONNECT, disconnect(1006))
    await serve(app, server)
    books.assert_rejected()
    assert server.sent_types == ["websocket.close"]


@every_generic
async def test_consumer_that_closes_is_gone_at_once(base, books):
    def connect(self):
        if self._sync:
            self.accept()
            return self.close(code=4001, reason="full")

        async def accept_and_close():
            await self.accept()
            await self.close(code=4001, reason="full")

        return accept_and_close()

    server = Server(CONNECT)
    async with serving(consumer(base, connect=connect).as_asgi(), server):
        await until(lambda: len(server.sent) == 2)
        books.assert_counted_once()
        assert books.ending[0] == "server"
        assert books.ending[2:] == (4001, "full", "server_closed")


# A disconnect is seen as it is received, however long the consumer takes.


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What consumers linger for; set in the end, or they would keep their thread."""
    event = threading.Event()
    yield event
    event.set()


async def assert_seen_at_once(cls: Any, books: Books, released: Any) -> None:
    """Leave a consumer that lingers, and verify that it is not counted meanwhile."""
    server = Server(CONNECT)
    async with accepted(cls.as_asgi(), server) as task:
        assert sum(books.counts.values()) == 1
        server.put(disconnect(4321))
        await until(lambda: books.counts == {})
        assert not task.done()
        assert books.ending.by == "client"
        assert books.ending.code == 4321
        released.set()
        with contextlib.suppress(Exception):
            await task
    books.assert_counted_once()


@every_consumer
async def test_disconnect_is_seen_while_the_consumer_lingers(base, books, released):
    def websocket_disconnect(self, message):
        if self._sync:
            assert released.wait(60)
            raise StopConsumer
        return linger()

    async def linger():
        await until(released.is_set)
        raise StopConsumer

    cls = consumer(base, websocket_disconnect=websocket_disconnect)
    await assert_seen_at_once(cls, books, released)


async def test_disconnect_is_seen_while_the_thread_of_sync_consumers_is_blocked(
    books, released
):
    blocking = threading.Event()

    def receive(self, text_data=None, bytes_data=None):
        blocking.set()
        assert released.wait(60)

    CallConsumer = consumer(WebsocketConsumer, receive=receive)
    first, second = Server(CONNECT), Server(CONNECT)
    async with (
        accepted(CallConsumer.as_asgi(), first),
        accepted(CallConsumer.as_asgi(), second) as task,
    ):
        assert books.counts == {"call": 2}
        first.put(said("block"))
        await until(blocking.is_set)
        second.put(disconnect())
        await until(lambda: books.counts == {"call": 1})
        assert not task.done()
        released.set()
        await task


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, BareAsyncConsumer])
async def test_disconnect_is_seen_while_a_message_of_the_layer_is_handled(
    base, books, released, settings
):
    """Channels shows a consumer one message at a time, and has received the next."""
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    }
    busy = asyncio.Event()
    named: list[str] = []

    def websocket_connect(self, message):
        named.append(self.channel_name)
        return self.base_send(ACCEPT)

    def room_message(self, message):
        busy.set()
        return until(released.is_set)

    cls = consumer(base, websocket_connect=websocket_connect, room_message=room_message)
    server = Server(CONNECT)
    async with accepted(cls.as_asgi(), server) as task:
        assert books.counts == {"call": 1}
        await get_channel_layer().send(named[0], {"type": "room.message"})
        await busy.wait()
        server.put(disconnect())
        await until(lambda: books.counts == {})
        assert not task.done()
        released.set()
        await task
    assert books.kinds == ["opened", "closed"]


async def lingering(self: Any, message: Any) -> Any:
    """Stand for a ``dispatch`` that is written without ``super()``."""
    if message["type"] == "websocket.connect":
        await self.base_send(ACCEPT)
    else:
        await until(self.released.is_set)
        raise StopConsumer


class OwnDispatch:
    dispatch = lingering


class PlainDispatch:
    def dispatch(self, message: Any) -> Any:
        return lingering(self, message)


class DispatchThroughSuper:
    async def dispatch(self, message: Any) -> Any:
        if message["type"] == "websocket.disconnect":
            await until(self.released.is_set)  # type: ignore[attr-defined]
        await super().dispatch(message)  # type: ignore[misc]


def with_dispatch_in_its_body(own: Any) -> Any:
    body = {"dispatch": vars(own)["dispatch"]}
    return type("CallConsumer", (SocketStatusMixin, AsyncWebsocketConsumer), body)


def with_dispatch_in_a_subclass(own: Any) -> Any:
    return type("CallConsumer", (Tracked,), {"dispatch": vars(own)["dispatch"]})


def with_dispatch_assigned_later(own: Any) -> Any:
    cls = type("CallConsumer", (SocketStatusMixin, AsyncWebsocketConsumer), {})
    cls.dispatch = vars(own)["dispatch"]  # type: ignore[attr-defined]
    return cls


def with_dispatch_of_a_base(own: Any) -> Any:
    base = type("Base", (own, AsyncWebsocketConsumer), {})
    return type("CallConsumer", (SocketStatusMixin, base), {})


def with_the_mixin_last(own: Any) -> Any:
    return type("CallConsumer", (own, AsyncWebsocketConsumer, SocketStatusMixin), {})


def way_of_call(name: str) -> Any:
    return lambda own: globals()[name](own)


# ``super()`` needs the class that it was written in.
WITH_BASES = [
    with_dispatch_of_a_base,
    with_the_mixin_last,
    way_of_call("in_a_base_before_the_mixin"),
    way_of_call("in_a_base_before_a_tracked_one"),
    way_of_call("in_a_base_after_the_mixin"),
    way_of_call("in_a_mixin_of_both"),
]
DISPATCHES = [
    with_dispatch_in_its_body,
    with_dispatch_in_a_subclass,
    with_dispatch_assigned_later,
    *WITH_BASES,
]


@pytest.mark.parametrize(
    ("way", "own"),
    [
        *itertools.product(DISPATCHES, [OwnDispatch, PlainDispatch]),
        *((way, DispatchThroughSuper) for way in WITH_BASES),
    ],
)
async def test_disconnect_is_seen_before_a_dispatch_of_ones_own(
    way, own, books, released
):
    cls = way(own)
    cls.released = released
    await assert_seen_at_once(cls, books, released)


async def test_dispatch_of_a_sync_consumer_of_ones_own_is_counted(books, released):
    class CallConsumer(SocketStatusMixin, SyncConsumer):
        @database_sync_to_async
        def dispatch(self, message: Any) -> None:
            if message["type"] == "websocket.connect":
                self.base_send(ACCEPT)
            else:
                assert released.wait(60)
                raise StopConsumer

    await assert_seen_at_once(CallConsumer, books, released)


async def test_dispatch_that_one_instance_has_of_its_own_is_counted(books, released):
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.released = released
            self.dispatch = functools.partial(lingering, self)

    await assert_seen_at_once(CallConsumer, books, released)


@every_consumer
def test_what_a_consumer_does_is_left_to_it(base):
    tracked = consumer(base)
    methods = [name for name, _ in inspect.getmembers(base, inspect.isroutine)]
    stored = inspect.getattr_static
    replaced = [
        name for name in methods if stored(tracked, name) is not stored(base, name)
    ]
    assert [name for name in replaced if name != "__init_subclass__"] == ["__call__"]


@pytest.mark.parametrize("message", [{}, {"type": "nonsense"}, {"type": 7}, 7, None])
async def test_malformed_message_gets_the_answer_of_channels(message, books):
    answers = []
    for cls in (AsyncWebsocketConsumer, consumer(AsyncWebsocketConsumer)):
        with pytest.raises(Exception) as caught:
            await serve(cls.as_asgi(), Server(CONNECT, message))
        answers.append((caught.type, str(caught.value)))
    assert answers[0] == answers[1]
    books.assert_counted_once()


# A ``__call__`` of one's own.


async def answer(scope: Any, receive: Any, send: Any) -> str:
    await receive()
    await send(ACCEPT)
    await receive()
    return "answered"


class OwnCall:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> str:
        self.scope = scope
        return await answer(scope, receive, send)


class PlainCall:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        self.scope = scope
        return answer(scope, receive, send)


class CallThroughSuper:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return await super().__call__(scope, receive, send)  # type: ignore[misc]


class WrappingCall:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        async def own_send(message: Any) -> None:
            await send(message)

        return await super().__call__(dict(scope), receive, own_send)  # type: ignore[misc]


def body_of(cls: type) -> dict[str, Any]:
    # ``super()`` needs the class that it was written in.
    return {"__call__": vars(cls)["__call__"]}


class Tracked(SocketStatusMixin, AsyncWebsocketConsumer):
    """A consumer of the project's that has the mixin already."""


class BelowOwnCall(OwnCall, AsyncWebsocketConsumer):
    pass


class Mixed(SocketStatusMixin):
    """The mixin below one of the project's own."""


def in_its_own_body(call: type) -> type:
    return type(
        "CallConsumer", (SocketStatusMixin, AsyncWebsocketConsumer), body_of(call)
    )


def in_a_subclass(call: type) -> type:
    return type("CallConsumer", (Tracked,), body_of(call))


def in_a_base_before_the_mixin(call: type) -> type:
    return type("CallConsumer", (call, SocketStatusMixin, AsyncWebsocketConsumer), {})


def in_a_base_before_a_tracked_one(call: type) -> type:
    return type("CallConsumer", (call, Tracked), {})


def in_a_base_after_the_mixin(call: type) -> type:
    return type("CallConsumer", (SocketStatusMixin, call, AsyncWebsocketConsumer), {})


def in_a_mixin_of_both(call: type) -> type:
    both = type("Both", (call, Mixed), {})
    return type("CallConsumer", (both, AsyncWebsocketConsumer), {})


WAYS = [
    in_its_own_body,
    in_a_subclass,
    in_a_base_before_the_mixin,
    in_a_base_before_a_tracked_one,
    in_a_base_after_the_mixin,
    in_a_mixin_of_both,
]


@pytest.mark.parametrize("call", [OwnCall, PlainCall])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_consumer_with_a_call_of_its_own_is_counted(way, call, books):
    server = Server(CONNECT)
    async with accepted(way(call).as_asgi(), server) as task:
        assert books.counts == {"call": 1}
        server.put(disconnect())
        assert await task == "answered"
    books.assert_counted_once()


@pytest.mark.parametrize("call", [CallThroughSuper, WrappingCall])
@pytest.mark.parametrize(
    "way",
    [it for it in WAYS if "body" not in it.__name__ and "subclass" not in it.__name__],
    ids=lambda way: way.__name__,
)
async def test_consumer_whose_call_goes_on_to_super_is_counted_once(way, call, books):
    await serve(way(call).as_asgi(), Server(CONNECT, disconnect()))
    books.assert_counted_once()


async def test_call_in_a_subclass_that_goes_on_to_super_is_counted_once(books):
    class CallConsumer(Tracked):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
            return await super().__call__(scope, receive, send)

    class AgainConsumer(CallConsumer):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
            return await super().__call__(scope, receive, send)

    await serve(AgainConsumer.as_asgi(), Server(CONNECT, disconnect()))
    books.assert_counted_once()
    assert books.told[0][1].type == "again"


async def test_call_that_is_made_asynchronous_is_counted(books):
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        @sync_to_async
        def __call__(self, scope: Any, receive: Any, send: Any) -> str:
            return "from a thread"

    assert await serve(CallConsumer.as_asgi(), Server(CONNECT)) == "from a thread"
    books.assert_rejected()


async def test_mixin_after_the_base_counts_as_well(books):
    class CallConsumer(AsyncWebsocketConsumer, SocketStatusMixin):
        pass

    await serve(CallConsumer.as_asgi(), Server(CONNECT, disconnect()))
    books.assert_counted_once()


# What others read from it.


def test_application_has_the_attributes_that_channels_gives_it():
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        """Talk."""

    app = CallConsumer.as_asgi(answer=42)
    assert app.consumer_class is CallConsumer
    assert app.consumer_initkwargs == {"answer": 42}
    assert app.__name__ == "CallConsumer"
    assert app.__doc__ == "Talk."
    assert iscoroutinefunction(app)
    assert not hasattr(app, "_path_routing")


@pytest.mark.parametrize(
    "make",
    [
        lambda: consumer(AsyncWebsocketConsumer)(),
        lambda: consumer(WebsocketConsumer)(),
        lambda: in_its_own_body(OwnCall)(),
        lambda: in_its_own_body(PlainCall)(),
    ],
)
async def test_consumer_that_is_called_directly_is_an_application(make, books):
    instance = make()
    assert not is_double_callable(instance)
    assert iscoroutinefunction(instance.__call__)
    server = Server(CONNECT, disconnect())
    await serve(guarantee_single_callable(instance), server)
    books.assert_counted_once()


def test_own_call_keeps_its_name_and_documentation():
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            """Serve it."""

    assert CallConsumer.__call__.__doc__ == "Serve it."
    assert CallConsumer.__call__.__name__ == "__call__"
    assert list(inspect.signature(CallConsumer.__call__).parameters) == [
        "self",
        "scope",
        "receive",
        "send",
    ]


async def test_initkwargs_reach_the_consumer(books):
    class CallConsumer(SocketStatusMixin, SchemaConsumer):
        async def connect(self) -> None:
            assert self.schema == "mine"
            await self.accept()

    await serve(CallConsumer.as_asgi(schema="mine"), Server(CONNECT, disconnect()))
    books.assert_counted_once()


async def test_class_keywords_reach_the_base():
    class Base(AsyncWebsocketConsumer):
        def __init_subclass__(cls, *, topic: str = "", **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.topic = topic

    class CallConsumer(SocketStatusMixin, Base, topic="calls"):
        pass

    assert CallConsumer.topic == "calls"


def test_metaclass_of_the_base_sees_the_class():
    class CallConsumer(SocketStatusMixin, ApiConsumer):
        async def action_create(self) -> None:
            raise NotImplementedError

    assert CallConsumer.actions == ["action_create"]


async def test_other_scopes_reach_the_consumer_untouched(books):
    class StatusConsumer(SocketStatusMixin, AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            await self.send_response(200, b"fine")

    scope = {"type": "http", "headers": []}
    server = Server({"type": "http.request", "body": b""}, {"type": "http.disconnect"})
    await serve(StatusConsumer.as_asgi(), server, scope)
    assert scope == {"type": "http", "headers": []}
    assert server.sent_types == ["http.response.start", "http.response.body"]
    assert books.kinds == []


async def test_consumer_has_the_send_of_the_server_where_it_looks_for_it():
    """Nothing but ``receive`` and ``send`` is replaced, the scope is the server's."""
    seen = {}

    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        async def connect(self) -> None:
            seen.update(scope=self.scope, send=self.base_send)
            await self.accept()

    scope = scope_of()
    await serve(CallConsumer.as_asgi(), Server(CONNECT, disconnect()), scope)
    assert seen["scope"] is scope
    assert callable(seen["send"])


# What it says of itself.


@every_consumer
async def test_type_can_be_chosen_for_one_connection(base, books):
    asked = []

    class CallConsumer(SocketStatusMixin, base):
        def get_socket_status_type(self) -> str:
            asked.append(threading.current_thread())
            return f"call_{self.scope['side']}"

        def get_socket_status_labels(self) -> dict[str, object]:
            return {"side": self.scope["side"], "nothing": None}

    for side in ("left", "right"):
        server = Server(CONNECT)
        scope = scope_of(side=side)
        async with accepted(CallConsumer.as_asgi(), server, scope):
            assert books.counts == {f"call_{side}": 1}
            assert books.only.labels == {"side": side}
        assert books.counts == {}
    assert len(asked) == 2


async def test_type_method_is_not_called_for_a_rejected_connection(books):
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.close()

        def get_socket_status_type(self) -> str:
            raise NotImplementedError

    await serve(CallConsumer.as_asgi(), Server(CONNECT, disconnect(1006)))
    books.assert_rejected()
    assert books.told[0][1].type == "call"


async def test_super_of_the_choices_is_the_default(books, as_project):
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        def get_socket_status_type(self) -> str:
            return f"{super().get_socket_status_type()}_vip"

        def get_socket_status_labels(self) -> dict[str, object]:
            return {**super().get_socket_status_labels(), "more": True}

    further = {"api_key": "secret", "queryset": object()}
    app = as_project(
        URLRouter([path("ws/call/<int:room>/", CallConsumer.as_asgi(), further)])
    )
    await serve(app, Server(CONNECT, disconnect()))
    _, connection, *_ = books.settle().told[0]
    assert connection.type == "call_vip"
    assert connection.labels == {"room": "42", "more": "True"}


async def test_type_method_that_is_patched_in_later_is_called(books, monkeypatch):
    CallConsumer = consumer(AsyncWebsocketConsumer)
    await serve(CallConsumer.as_asgi(), Server(CONNECT, disconnect()))
    monkeypatch.setattr(CallConsumer, "get_socket_status_type", lambda self: "patched")
    await serve(CallConsumer.as_asgi(), Server(CONNECT, disconnect()))
    types = [connection.type for _, connection, *_ in books.settle().told]
    assert types == ["call", "call", "patched", "patched"]


async def test_type_is_that_of_the_class_attribute(books):
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        socket_status_type = "talk"

    await serve(CallConsumer.as_asgi(), Server(CONNECT, disconnect()))
    assert books.settle().told[0][1].type == "talk"


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_labels_change_from_inside_the_consumer(base, books, as_project):
    def receive(self, text_data=None, bytes_data=None):
        self.update_socket_status_labels(room=text_data, left=None)

    server = Server(CONNECT)
    scope = scope_of(url_route={"args": (), "kwargs": {"left": 1}})
    app = consumer(base, receive=receive).as_asgi()
    as_project(URLRouter([path("<left>/", app)]))
    async with accepted(app, server, scope):
        assert books.only.labels == {"left": "1"}
        server.put(said("lobby"))
        await until(lambda: books.only.labels == {"room": "lobby"})
        server.put(said("kitchen"))
        await until(lambda: books.only.labels == {"room": "kitchen"})


async def test_labels_can_be_given_before_the_accept(books):
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        async def connect(self) -> None:
            self.update_socket_status_labels(room="lobby")
            await self.accept()

    server = Server(CONNECT)
    async with accepted(CallConsumer.as_asgi(), server):
        assert books.only.labels == {"room": "lobby"}


# Both entry points.


@every_consumer
async def test_both_entry_points_count_once_under_the_type_of_the_consumer(
    base, books, as_project
):
    CallConsumer = consumer(base)
    inner = URLRouter(
        [path("call/<room>/", SocketStatusMiddleware(CallConsumer.as_asgi()))]
    )
    app = as_project(
        SocketStatusMiddleware(URLRouter([path("ws/", SocketStatusMiddleware(inner))]))
    )
    server = Server(CONNECT)
    async with accepted(app, server) as task:
        assert books.counts == {"call": 1}
        assert books.only.labels == {"room": "42"}
        server.put(disconnect(4321))
        await task
    books.assert_counted_once()
    assert books.ending.code == 4321
    # The sender is the class, for both entry points.
    assert [source for _, _, source, _ in books.told] == [CallConsumer] * 2


async def test_inner_entry_point_that_is_reached_after_the_accept_changes_nothing(
    books,
):
    """A connection keeps the type that it was accepted with."""

    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        async def connect(self) -> None:
            pass

        def get_socket_status_labels(self) -> dict[str, object]:
            return {"late": True}

    async def accepts_first(scope, receive, send):
        await send(ACCEPT)
        assert books.counts == {"websocket": 1}
        await CallConsumer.as_asgi()(scope, receive, send)

    server = Server(CONNECT)
    async with serving(SocketStatusMiddleware(accepts_first), server):
        await until(lambda: books.counts == {"websocket": 1})
        await turns()
        assert books.counts == {"websocket": 1}
        assert books.only.labels == {}
        server.put(disconnect())
    books.assert_counted_once()


@pytest.mark.parametrize("accepts", ["first", "last", "never"])
@pytest.mark.parametrize("copier", [lambda scope: scope, dict, copy.deepcopy])
async def test_demultiplexer_keeps_its_type(copier, accepts, books):
    """Its children are consumers of their own streams, with the mixin or without."""

    class ChatConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        socket_status_type = "chat"

        def get_socket_status_type(self) -> str:
            return "chosen by a child"

    class NewsConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        pass

    class AllConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        async def __call__(self, scope, receive, send):
            if accepts == "first":
                await send(ACCEPT)
            for child in (ChatConsumer, SocketStatusMiddleware(NewsConsumer.as_asgi())):
                app = child.as_asgi() if isinstance(child, type) else child
                await serve_quietly(app, Server(disconnect()), copier(scope))
            if accepts == "last":
                await send(ACCEPT)
            seen.append(books.counts)
            await receive()

    seen: list[dict[str, int]] = []
    await serve(AllConsumer.as_asgi(), Server(disconnect()))
    assert seen == [{} if accepts == "never" else {"all": 1}]
    if accepts == "never":
        books.assert_rejected()
    else:
        books.assert_counted_once()
    assert {record.type for _, record, *_ in books.told} == {"all"}


async def test_inner_entry_point_that_is_reached_after_the_end_opens_nothing(books):
    class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept()

    async def closes_first(scope, receive, send):
        await send(CLOSE)
        await CallConsumer.as_asgi()(scope, receive, send)

    with contextlib.suppress(Exception):
        await serve(SocketStatusMiddleware(closes_first), Server(CONNECT, disconnect()))
    books.assert_rejected()


async def test_one_instance_serves_one_connection_after_the_other(books):
    app = consumer(BareAsyncConsumer)()
    for _ in range(3):
        await serve(app, Server(CONNECT, disconnect()))
    assert books.kinds == ["opened", "closed"] * 3
    books.assert_nothing_is_left()


async def test_partial_of_an_instance_is_an_application(books):
    app = functools.partial(consumer(AsyncWebsocketConsumer)())
    await serve(app, Server(CONNECT, disconnect()))
    books.assert_counted_once()


async def test_call_may_be_any_descriptor(books):
    async def serve_it(consumer, word, scope, receive, send):
        assert isinstance(consumer, CallConsumer)
        assert await answer(scope, receive, send) == "answered"
        return word

    class Service:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> str:
            return await answer(scope, receive, send)

    CallConsumer = consumer(
        AsyncWebsocketConsumer, __call__=functools.partialmethod(serve_it, "partial")
    )
    StaticConsumer = consumer(AsyncWebsocketConsumer, __call__=staticmethod(answer))
    ServiceConsumer = consumer(AsyncWebsocketConsumer, __call__=Service())
    for cls, word in [
        (CallConsumer, "partial"),
        (StaticConsumer, "answered"),
        (ServiceConsumer, "answered"),
    ]:
        assert await serve(cls.as_asgi(), Server(CONNECT, disconnect())) == word
    assert books.kinds == ["opened", "closed"] * 3
