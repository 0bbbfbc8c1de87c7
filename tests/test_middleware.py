"""The middleware counts, and any application behind it notices nothing."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
from typing import Any

import pytest
from asgiref.compatibility import is_double_callable
from asgiref.sync import iscoroutinefunction
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from channels.sessions import SessionMiddlewareStack
from django.contrib.auth.models import AnonymousUser, User
from django.urls import path, re_path
from django.urls.exceptions import Resolver404

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.middleware import SocketStatusMiddleware
from tests.support.applications import WRAPPERS
from tests.support.asgi_driver import (
    ACCEPT,
    CONNECT,
    Books,
    Server,
    accepted,
    disconnect,
    open_books,
    scope_of,
    serve,
    serve_quietly,
    serving,
)


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    return open_books(monkeypatch)


class CallConsumer(AsyncWebsocketConsumer):
    """Talk."""


class STTRoomConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    """Write down what is said."""


async def echo(scope: Any, receive: Any, send: Any) -> Any:
    """Answer."""
    await receive()
    await send(ACCEPT)
    await receive()
    return scope


async def passing(scope: Any, receive: Any, send: Any) -> Any:
    return scope, receive, send


class Configured:
    """An application that is an object, and can be pickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> str:
        return self.name


# Transparent.


@pytest.mark.parametrize("kind", ["http", "lifespan", "channel", "webtransport", None])
async def test_other_scopes_pass_straight_through(kind):
    scope = {"type": kind}
    server = Server()
    receive, send = server.receive, server.send
    seen = await SocketStatusMiddleware(passing)(scope, receive, send)
    assert seen[0] is scope
    assert scope == {"type": kind}
    assert seen[1] is receive
    assert seen[2] is send


async def test_scope_without_a_type_passes_straight_through():
    scope: dict[str, Any] = {}
    seen, *_ = await serve(SocketStatusMiddleware(passing), Server(), scope)
    assert seen is scope
    assert scope == {}


def test_attributes_of_the_application_are_found():
    app = CallConsumer.as_asgi(answer=42)
    wrapped = SocketStatusMiddleware(app)
    assert wrapped.consumer_class is CallConsumer
    assert wrapped.consumer_initkwargs == {"answer": 42}
    assert wrapped.__name__ == "CallConsumer"
    assert wrapped.__qualname__ == "CallConsumer"
    assert wrapped.__doc__ == "Talk."
    assert wrapped.__module__ == __name__
    assert inspect.unwrap(wrapped) is CallConsumer
    assert SocketStatusMiddleware(wrapped).consumer_class is CallConsumer


def test_attributes_that_are_set_later_are_found():
    async def app(scope, receive, send):
        raise NotImplementedError

    wrapped = SocketStatusMiddleware(SocketStatusMiddleware(app))
    assert not hasattr(wrapped, "csrf_exempt")
    app.csrf_exempt = True
    assert wrapped.csrf_exempt
    with pytest.raises(AttributeError, match="never_set"):
        _ = wrapped.never_set


def test_no_name_of_the_application_is_hidden():
    app = Configured("mine")
    app.endpoints = ["mine"]
    assert SocketStatusMiddleware(app).endpoints == ["mine"]


@pytest.mark.parametrize(
    "app", [Configured("any"), functools.partial(echo), URLRouter([])]
)
def test_application_without_a_name_can_be_wrapped(app):
    wrapped = SocketStatusMiddleware(app)
    assert not hasattr(wrapped, "__name__")
    assert "SocketStatusMiddleware(" in repr(wrapped)


def test_middleware_is_a_modern_application():
    wrapped = SocketStatusMiddleware(echo)
    assert not is_double_callable(wrapped)
    assert iscoroutinefunction(wrapped.__call__)
    assert inspect.iscoroutinefunction(wrapped.__call__)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
async def test_middleware_can_be_copied(copier):
    wrapped = copier(SocketStatusMiddleware(Configured("copied")))
    assert isinstance(wrapped, SocketStatusMiddleware)
    assert await serve(wrapped, Server()) == "copied"


async def test_middleware_can_be_pickled():
    wrapped = SocketStatusMiddleware(SocketStatusMiddleware(Configured("pickled")))
    again = pickle.loads(pickle.dumps(wrapped))
    assert isinstance(again.app, SocketStatusMiddleware)
    assert await serve(again, Server()) == "pickled"


def test_middleware_without_an_application_is_no_endless_recursion():
    with pytest.raises(AttributeError):
        _ = SocketStatusMiddleware.__new__(SocketStatusMiddleware).consumer_class


async def test_nested_router_routes_through_the_middleware(books):
    """``URLRouter`` asks what it routes to whether that routes, too."""
    inner = SocketStatusMiddleware(URLRouter([path("<room>/", CallConsumer.as_asgi())]))
    assert inner._path_routing is True
    app = URLRouter([path("ws/", URLRouter([path("call/", inner)]))])
    server = Server(CONNECT)
    async with accepted(app, server):
        assert books.counts == {"call": 1}
        assert books.only.labels == {"room": "42"}


async def test_no_route_below_the_middleware_lets_the_router_look_further(books):
    missing = SocketStatusMiddleware(URLRouter([path("chat/", CallConsumer.as_asgi())]))
    there = SocketStatusMiddleware(URLRouter([path("call/<room>/", echo)]))
    app = URLRouter([path("ws/", missing), path("ws/", there)])
    await serve(app, Server(CONNECT, disconnect()))
    books.assert_counted_once()


@pytest.mark.parametrize(
    ("app", "error"),
    [
        (URLRouter([path("chat/", echo)]), ValueError),
        (URLRouter([path("ws/", URLRouter([path("chat/", echo)]))]), ValueError),
        (ProtocolTypeRouter({"http": echo}), ValueError),
    ],
)
async def test_error_of_the_router_passes(app, error, books):
    with pytest.raises(error):
        await serve(SocketStatusMiddleware(app), Server(CONNECT))
    books.assert_rejected()


async def test_connection_without_a_route_below_the_middleware_is_none_of_its(books):
    inner = SocketStatusMiddleware(URLRouter([path("chat/", echo)]))
    with pytest.raises(Resolver404):
        await serve(inner, Server(CONNECT), scope_of(path_remaining="call/"))
    assert books.kinds == []
    # The middleware around all routers sees the rejection.
    with pytest.raises(ValueError, match="No route found"):
        await serve(
            SocketStatusMiddleware(URLRouter([path("ws/", inner)])), Server(CONNECT)
        )
    books.assert_rejected()


# Around whatever people have.


@pytest.mark.parametrize("app", [echo, functools.partial(echo)])
async def test_application_that_is_no_consumer_is_counted(app, books):
    await serve(SocketStatusMiddleware(app), Server(CONNECT, disconnect()))
    books.assert_counted_once()
    assert books.told[0][1].type == "websocket"
    assert isinstance(books.told[0][2], SocketStatusMiddleware)


async def test_protocol_router_is_counted_for_its_websockets_only(books):
    app = SocketStatusMiddleware(
        ProtocolTypeRouter(
            {
                "http": passing,
                "lifespan": passing,
                "websocket": URLRouter([path("ws/call/<room>/", echo, name="call")]),
            }
        )
    )
    for kind in ("http", "lifespan"):
        scope = {"type": kind}
        assert (await serve(app, Server(), scope))[0] is scope
    assert books.kinds == []
    await serve(app, Server(CONNECT, disconnect()))
    books.assert_counted_once()
    _, connection, *_ = books.told[0]
    assert connection.type == "call"
    assert connection.endpoint == "/ws/call/<room>/"
    assert connection.labels == {"room": "42"}


WORKING = [
    "BaseMiddleware",
    "CookieMiddleware",
    "SocketStatusMiddleware",
    "closure",
    "default",
    "keyword default",
    "partial",
    "partial of it",
    "bound method",
]


@pytest.mark.parametrize("wrapper", WORKING)
@pytest.mark.parametrize("entry_point", ["outside", "inside", "both"])
async def test_middlewares_of_others_do_not_come_between(wrapper, entry_point, books):
    app: Any = URLRouter([path("ws/call/<room>/", CallConsumer.as_asgi())])
    if entry_point != "outside":
        app = SocketStatusMiddleware(app)
    app = WRAPPERS[wrapper](app)
    if entry_point != "inside":
        app = SocketStatusMiddleware(app)
    server = Server(CONNECT)
    async with accepted(app, server) as task:
        assert books.counts == {"call": 1}
        assert books.only.labels == {"room": "42"}
        server.put(disconnect())
        await task
    books.assert_counted_once()


@pytest.mark.parametrize("origin", [b"https://good.example", b"https://bad.example"])
async def test_origin_that_is_refused_is_rejected(origin, books):
    app = SocketStatusMiddleware(OriginValidator(echo, ["good.example"]))
    scope = scope_of(headers=[(b"origin", origin)])
    await serve(app, Server(CONNECT, disconnect()), scope)
    if b"good" in origin:
        books.assert_counted_once()
    else:
        books.assert_rejected()


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_nested_middlewares_count_once(times, books):
    app: Any = echo
    for _ in range(times):
        app = SocketStatusMiddleware(app)
    await serve(app, Server(CONNECT, disconnect(4321)))
    books.assert_counted_once()
    assert books.ending.code == 4321


async def test_same_scope_served_again_counts_again(books):
    app = SocketStatusMiddleware(SocketStatusMiddleware(echo))
    scope = scope_of()
    for number in (1, 2, 3):
        await serve(app, Server(CONNECT, disconnect()), scope)
        assert books.kinds == ["opened", "closed"] * number


async def test_two_middlewares_count_two_connections_at_once(books):
    first, second = Server(CONNECT), Server(CONNECT)
    app = SocketStatusMiddleware(echo)
    async with accepted(app, first), serving(app, second):
        assert books.counts == {"websocket": 2}
    books.assert_nothing_is_left()


# What the route tells.


async def test_type_and_labels_come_from_the_route(books):
    router = URLRouter(
        [
            path("ws/call/<int:room>/", CallConsumer.as_asgi()),
            re_path(r"^ws/stt/(?P<role>\w+)/$", STTRoomConsumer.as_asgi()),
            path("ws/echo/<word>/", echo),
            path("ws/named/", echo, name="live-feed"),
        ]
    )
    expected = {
        "/ws/call/42/": ("call", "/ws/call/<room>/", {"room": "42"}),
        "/ws/stt/doctor/": ("stt_room", "/ws/stt/<role>/", {"role": "doctor"}),
        "/ws/echo/hello/": ("ws_echo", "/ws/echo/<word>/", {"word": "hello"}),
        "/ws/named/": ("live_feed", "/ws/named/", {}),
    }
    outside, inside = SocketStatusMiddleware(router), AuthlessStack(router)
    for app in (outside, inside):
        for place, described in expected.items():
            server = Server(CONNECT)
            async with accepted(app, server, scope_of(place)):
                it = books.only
                if it.type == "stt_room":
                    # The mixin: the class is on no route of the project.
                    described = ("stt_room", "", {})
                assert (it.type, it.endpoint, it.labels) == described


def AuthlessStack(app: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> Any:
        return await app({**scope, "user": None}, receive, send)

    return SocketStatusMiddleware(middleware)


async def test_root_path_is_no_part_of_the_route(books):
    app = SocketStatusMiddleware(
        URLRouter([path("ws/call/<room>/", CallConsumer.as_asgi())])
    )
    scope = scope_of("/mounted/ws/call/42/", root_path="/mounted")
    async with accepted(app, Server(CONNECT), scope):
        assert books.only.endpoint == "/ws/call/<room>/"
        assert books.only.labels == {"room": "42"}


async def test_user_is_seen_inside_of_the_authentication(books, monkeypatch):
    user = User(pk=7)

    async def get_user(scope: Any) -> User:
        return user

    monkeypatch.setattr("channels.auth.get_user", get_user)
    inside = AuthMiddlewareStack(SocketStatusMiddleware(echo))
    outside = SocketStatusMiddleware(AuthMiddlewareStack(echo))
    for app, user_id in ((inside, "7"), (outside, None)):
        server = Server(CONNECT)
        async with accepted(app, server):
            assert books.only.user_id == user_id
    both = SocketStatusMiddleware(inside)
    server = Server(CONNECT)
    async with accepted(both, server):
        assert books.only.user_id == "7"


async def test_anonymous_user_is_none(books):
    async with accepted(
        SocketStatusMiddleware(echo), Server(CONNECT), scope_of(user=AnonymousUser())
    ):
        assert books.only.user_id is None


async def test_session_middlewares_around_it_change_nothing(books):
    app = SessionMiddlewareStack(SocketStatusMiddleware(echo))
    await serve_quietly(app, Server(CONNECT, disconnect()))
    books.assert_counted_once()


async def test_cancelled_handshake_is_rejected(books):
    async def app(scope, receive, send):
        await asyncio.Event().wait()

    async with serving(SocketStatusMiddleware(app), Server(CONNECT)):
        assert books.counts == {}
    books.assert_rejected()
