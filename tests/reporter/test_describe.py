"""What is reported of a connection, whatever its scope, user or route is."""

from __future__ import annotations

import logging
import sys
import uuid
from decimal import Decimal
from typing import Any

import pytest
from channels.auth import UserLazyObject
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.functional import LazyObject, SimpleLazyObject, empty
from django.utils.safestring import mark_safe

from django_socket_status import limits as bounds
from django_socket_status.endpoints import loaded as endpoints
from django_socket_status.limits import MAX_LABELS, MAX_PATH, MAX_USER_ID
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.counts import Counts
from django_socket_status.registry.lifecycle import LiveConnection, Overrides
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.describe import ConnectionDescriber, describe
from django_socket_status.tracking.entry import SCOPE_KEY
from django_socket_status.users import user_id_of
from tests.support.asgi_driver import Server, Socket, scope_of, serve


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.intake, "wake", lambda: None)


class CallConsumer(AsyncWebsocketConsumer):
    pass


class ChatConsumer(AsyncWebsocketConsumer):
    pass


async def echo(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


def made(source: Any = CallConsumer, /, **scope: Any) -> LiveConnection:
    """Return an open connection with a scope like this."""
    connection = Socket(source, **scope).connection
    connection.number, connection.opened_at = 1, 2.0
    return connection


def described(source: Any = CallConsumer, /, **scope: Any) -> OpenedConnection:
    """Return what is reported of an open connection with a scope like this."""
    return describe(made(source, **scope))


def tallied(source: Any = CallConsumer, /, **scope: Any) -> tuple[str, object]:
    """Return what is counted of a connection of which no details are wanted."""
    return key_of(ConnectionDescriber(), made(source, **scope))


def key_of(
    descriptions: ConnectionDescriber, connection: LiveConnection
) -> tuple[str, object]:
    (key,) = descriptions.count_keys([connection], Counts(str))
    return key.type, key.signed_in


def with_scope(scope: Any, source: Any = CallConsumer) -> OpenedConnection:
    """Return what is reported of a connection with this very scope."""
    connection = Socket(source).connection
    connection.number, connection.opened_at, connection.scope = 1, 2.0, scope
    return describe(connection)


@pytest.fixture
def project(monkeypatch, settings):
    """Serve an application as the project's own."""

    def use(application: Any) -> None:
        monkeypatch.setattr(sys.modules[__name__], "application", application)
        settings.ASGI_APPLICATION = f"{__name__}.application"
        endpoints.reset()

    return use


@pytest.fixture
def rooms(project):
    """Serve the consumer on a route, so that it is known what that captures."""
    project(URLRouter([path("<room>/<side>/<nothing>/", CallConsumer.as_asgi())]))


application: Any = None


# Users.


class Refusing:
    """A user that raises at every question."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"{name} was asked for")


class HasKey:
    def __init__(self, pk: Any) -> None:
        self.pk = pk


KEY = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("user", "user_id"),
    [
        (None, None),
        (AnonymousUser(), None),
        (User(), None),
        (User(pk=7), "7"),
        (HasKey(7), "7"),
        (HasKey(None), None),
        (HasKey(KEY), str(KEY)),
        (7, "7"),
        (0, "0"),
        ("bob", "bob"),
        (KEY, str(KEY)),
        (True, None),
        (False, None),
        (object(), None),
        ({"pk": 1}, None),
        (SimpleLazyObject(lambda: pytest.fail("evaluated")), None),
        (UserLazyObject(), None),
    ],
)
def test_user_is_reported_by_the_primary_key(user, user_id):
    assert user_id_of(user) == user_id
    assert described(user=user).user_id == user_id
    assert tallied(user=user) == ("call", user_id is not None)


def test_user_of_a_lazy_object_that_was_evaluated_is_reported():
    lazy = SimpleLazyObject(lambda: User(pk=7))
    assert lazy.pk == 7
    assert described(user=lazy).user_id == "7"
    resolved = UserLazyObject()
    resolved._wrapped = User(pk=8)
    assert described(user=resolved).user_id == "8"


def test_lazy_user_stays_unevaluated():
    class Lazy(LazyObject):
        def _setup(self) -> None:
            pytest.fail("evaluated")

    lazy = Lazy()
    assert described(user=lazy).user_id is None
    assert lazy.__dict__["_wrapped"] is empty


@pytest.mark.django_db
def test_user_with_a_deferred_key_costs_no_query():
    User.objects.create(username="bob")
    user = User.objects.only("username").get()
    del user.__dict__["id"]
    with CaptureQueriesContext(database) as queries:
        assert described(user=user).user_id is None
    assert len(queries) == 0


@pytest.mark.parametrize(
    "make", [Refusing, lambda: HasKey(Unprintable())], ids=["", "key"]
)
def test_user_that_raises_is_anonymous_and_the_rest_is_reported(make, caplog, rooms):
    user = make()
    kwargs = {"room": 42}
    with caplog.at_level(logging.WARNING):
        it = described(user=user, url_route={"args": (), "kwargs": kwargs})
    assert (it.type, it.user_id, it.labels) == ("call", None, {"room": "42"})
    assert tallied(user=make()) == ("call", False)
    assert caplog.records == []


def test_user_id_is_bounded_and_stays_unique():
    long = "x" * 10_000
    one, other = (described(user=f"{long}{end}").user_id for end in "ab")
    assert one != other
    assert len(str(one)) <= MAX_USER_ID


# Labels.


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_label_that_cannot_be_written_takes_only_the_labels_with_it():
    kwargs = {"room": Unprintable()}
    it = described(user=7, url_route={"args": (), "kwargs": kwargs})
    assert (it.type, it.user_id, it.labels) == ("call", "7", {})


def test_labels_of_the_route_are_bounded():
    kwargs = {f"key-{n}" * 100: "x" * 65_536 for n in range(1000)}
    labels = described(url_route={"args": (), "kwargs": kwargs}).labels
    assert len(labels) <= MAX_LABELS
    assert all(len(name) <= 64 and len(text) <= 256 for name, text in labels.items())


def test_label_is_plain_text_whatever_it_was(rooms):
    kwargs = {"room": mark_safe("<b>"), "nothing": None}
    labels = described(url_route={"args": (), "kwargs": kwargs}).labels
    assert labels == {"room": "<b>"}
    assert type(labels["room"]) is str


def test_labels_of_equal_values_are_those_of_each(rooms):
    values = (1, True, "1", 1.0, Decimal("1.0"), Decimal("1.00"), 1, "1")
    descriptions = ConnectionDescriber()
    routes = [{"kwargs": {"room": value}} for value in values]
    told = [descriptions(made(url_route=it)).labels["room"] for it in routes]
    assert told == [str(value) for value in values]


@pytest.mark.parametrize(
    "route", [{}, None, {"args": ()}, 7, "route", {"kwargs": None}]
)
def test_odd_route_leaves_type_and_user(route):
    it = described(user=7, url_route=route)
    assert (it.type, it.user_id, it.labels) == ("call", "7", {})


class Working:
    """An object whose text takes work: a query, or more."""

    def __str__(self) -> str:
        pytest.fail("asked for its text")

    __repr__ = __bool__ = __len__ = __iter__ = __str__  # type: ignore[assignment]


@pytest.mark.parametrize("make", [Working, lambda: SimpleLazyObject(Working), list])
def test_label_whose_text_takes_work_is_left_out_and_logged_once(
    rooms, caplog, monkeypatch, make
):
    monkeypatch.setattr(bounds, "_left_out", set())
    for _ in range(2):
        kwargs = {"room": make(), "side": "left"}
        labels = described(url_route={"args": (), "kwargs": kwargs}).labels
        assert labels == {"side": "left"}
    (record,) = caplog.records
    assert "The label 'room' is left out" in record.getMessage()


FURTHER = {"queryset": Working(), "api_key": "secret", "room": "secret", "more": 1}


@pytest.mark.parametrize("nested", [False, True])
def test_further_arguments_of_a_route_are_no_labels(project, nested):
    """Channels merges them into what the route captured, also over it."""
    app = CallConsumer.as_asgi()
    if nested:
        # What is captured further inside goes before what was added outside.
        inner = URLRouter([path("<room>/", app, {"side": "secret"})])
        project(URLRouter([path("ws/<side>/<org>/", inner, FURTHER)]))
        kwargs = {**FURTHER, "org": "acme", "side": "secret", "room": "blue"}
        expected = {"org": "acme", "room": "blue"}
    else:
        project(URLRouter([path("ws/<room>/<side>/", app, FURTHER)]))
        kwargs = {**FURTHER, "side": "left"}
        expected = {"side": "left"}
    it = described(url_route={"args": (), "kwargs": kwargs})
    assert it.labels == expected


def test_further_arguments_are_no_labels_behind_the_middleware(project):
    app = URLRouter([path("ws/<room>/<int:side>/", echo, FURTHER)])
    for served in (SocketStatusMiddleware(app), SocketStatusMiddleware(echo)):
        project(app)
        kwargs = {**FURTHER, "side": 7}
        route = {"args": (), "kwargs": kwargs}
        it = described(served, path="/ws/blue/7/", url_route=route)
        # From the path itself, so that nothing has replaced it.
        assert it.labels == {"room": "blue", "side": "7"}


def test_route_that_is_not_known_gives_no_labels(settings):
    settings.ASGI_APPLICATION = "tests.not_loaded.application"
    route = {"args": (), "kwargs": {"room": "blue"}}
    assert described(url_route=route).labels == {}


def test_chosen_labels_replace_those_of_the_route_and_added_ones_go_on_top():
    connection = Socket(url_route={"args": (), "kwargs": {"room": 1}}).connection
    connection.number, connection.opened_at = 1, 2.0
    connection.overrides = Overrides(labels={"side": "left"}, added={"late": "yes"})
    assert describe(connection).labels == {"side": "left", "late": "yes"}
    connection.overrides = Overrides(added={"room": None, "late": "yes"})
    assert describe(connection).labels == {"late": "yes"}


# Hostile scopes.


@pytest.mark.parametrize(
    "missing",
    [
        "path",
        "headers",
        "client",
        "server",
        "query_string",
        "root_path",
        "subprotocols",
    ],
)
@pytest.mark.parametrize("source", [CallConsumer, SocketStatusMiddleware(echo)])
def test_scope_that_lacks_a_key_is_described(missing, source):
    scope = scope_of(user=7)
    del scope[missing]
    it = with_scope(scope, source)
    assert it.type in ("call", "websocket")
    assert it.user_id == "7"


@pytest.mark.parametrize("scope", [None, {}, {"type": "websocket"}])
def test_empty_scope_is_described(scope):
    it = with_scope(scope)
    assert it == OpenedConnection(1, "call", "", None, {}, 2.0)


@pytest.mark.parametrize("value", [None, b"/ws/", 7, []])
@pytest.mark.parametrize("key", ["path", "root_path"])
def test_odd_path_leaves_type_and_user(key, value, project):
    router = URLRouter([path("ws/", CallConsumer.as_asgi())])
    project(router)
    assert described(user=7, **{key: value} if key != "path" else {}).user_id == "7"
    scope = scope_of(user=7)
    scope[key] = value
    assert with_scope(scope).type == "call"
    assert with_scope(scope).user_id == "7"
    behind = with_scope(scope, SocketStatusMiddleware(router))
    assert behind.user_id == "7"
    assert behind.type in ("call", "websocket")


HOSTILE = [
    "/ws/" + "x" * 65_536,
    "/ws/\r\n\x1b[31m/",
    "/ws/\ud800/",
    "/ws/%00/",
    "/" * 10_000,
    "",
    "\u202e\u2028",
]


@pytest.mark.parametrize("place", HOSTILE, ids=range(len(HOSTILE)))
def test_client_cannot_invent_a_type_or_an_endpoint(place, project):
    router = URLRouter(
        [path("ws/<str:room>/", CallConsumer.as_asgi()), path("ws/<path:all>", echo)]
    )
    project(ProtocolTypeRouter({"websocket": router}))
    kinds = {"call", "ws", "websocket"}
    for source in (CallConsumer, SocketStatusMiddleware(router)):
        it = with_scope({**scope_of(), "path": place}, source)
        assert it.type in kinds
        assert it.endpoint in ("", "/ws/<room>/", "/ws/<all>")
        for text in it.labels.values():
            assert len(text) <= 256
            assert text.encode()
            assert not any(ord(char) < 32 for char in text)


def test_headers_are_of_no_concern():
    headers = [(b"user-agent", b"x" * 65_536)]
    headers += [(b"x-more", b"\xff\xfe")] * 1000
    it = described(headers=headers, query_string=b"token=secret", user=7)
    assert it == OpenedConnection(1, "call", "", "7", {}, 2.0)


async def test_hostile_scopes_reach_the_application_as_they_are(monkeypatch):
    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        return scope

    for scope in (
        scope_of(headers=[(b"cookie", b"x" * 65_536)] * 1000),
        scope_of("/\ud800/", user=Refusing()),
        {"type": "websocket"},
        scope_of(client=None, headers=None, url_route=7),
    ):
        keys = set(scope)
        assert (await serve(SocketStatusMiddleware(app), Server(), scope)) is scope
        assert set(scope) - keys == {SCOPE_KEY}
        registry.drain(describe)


# Types and endpoints.


def test_consumer_that_the_project_does_not_serve_has_no_endpoint():
    assert described().endpoint == ""


def test_endpoint_of_a_consumer_is_its_route_in_the_project(project):
    chat = ChatConsumer.as_asgi()
    project(
        ProtocolTypeRouter(
            {
                "websocket": URLRouter(
                    [
                        path(
                            "ws/",
                            URLRouter([path("call/<room>/", CallConsumer.as_asgi())]),
                        ),
                        path("ws/chat/", chat),
                        path("ws/chat/<room>/", chat),
                    ]
                )
            }
        )
    )
    assert described().endpoint == "/ws/call/<room>/"
    assert described(ChatConsumer, path="/ws/chat/").endpoint == "/ws/chat/"
    assert described(ChatConsumer, path="/ws/chat/1/").endpoint == "/ws/chat/<room>/"
    assert described(ChatConsumer, path="/elsewhere/").endpoint == ""
    mounted = described(ChatConsumer, path="/at/ws/chat/", root_path="/at")
    assert mounted.endpoint == "/ws/chat/"


def test_connections_that_are_described_together_are_not_mixed_up(project):
    chat = ChatConsumer.as_asgi()
    router = URLRouter(
        [
            path("ws/call/<room>/", CallConsumer.as_asgi()),
            path("ws/chat/", chat),
            path("ws/chat/<room>/", chat),
            path("ws/<word>/", echo),
        ]
    )
    project(router)
    middleware = SocketStatusMiddleware(router)
    descriptions = ConnectionDescriber()
    places = ["/ws/call/1/", "/ws/call/2/", "/ws/chat/", "/ws/chat/7/", "/ws/a/", "/no"]
    for source in (middleware, ChatConsumer, CallConsumer) * 2:
        for place in places:
            for root_path in ("", "/ws"):
                socket = Socket(source, path=place, root_path=root_path)
                connection = socket.connection
                connection.number, connection.opened_at = 1, 2.0
                alone = describe(connection)
                assert descriptions(connection) == alone
                assert key_of(descriptions, connection) == (alone.type, False)


def test_middleware_in_a_nested_route_knows_the_whole_pattern(project):
    inner = SocketStatusMiddleware(
        URLRouter([path("<room>/", CallConsumer.as_asgi()), path("<room>/raw/", echo)])
    )
    project(URLRouter([path("ws/", URLRouter([path("call/", inner)]))]))
    it = described(inner, path="/ws/call/42/", path_remaining="42/")
    assert (it.type, it.endpoint) == ("call", "/ws/call/<room>/")
    assert it.labels == {"room": "42"}
    raw = described(inner, path="/ws/call/42/raw/", path_remaining="42/raw/")
    assert (raw.type, raw.endpoint) == ("ws_call_raw", "/ws/call/<room>/raw/")


def test_middleware_that_the_project_does_not_serve_gives_its_own_part(project):
    project(URLRouter([path("ws/other/", ChatConsumer.as_asgi())]))
    mine = SocketStatusMiddleware(URLRouter([path("ws/call/", CallConsumer.as_asgi())]))
    it = described(mine, path="/ws/call/")
    assert (it.type, it.endpoint) == ("call", "/ws/call/")
    assert described(mine, path="/nowhere/").type == "websocket"


def test_middleware_around_one_consumer_is_where_the_project_serves_it(project):
    call = SocketStatusMiddleware(CallConsumer.as_asgi())
    chat = SocketStatusMiddleware(ChatConsumer.as_asgi())
    project(
        URLRouter(
            [
                path("ws/call/<room>/", call),
                path("ws/chat/", chat),
                path("ws/chat/<room>/", chat),
            ]
        )
    )
    routed = {"args": (), "kwargs": {"room": "42"}}
    it = described(call, path="/ws/call/42/", url_route=routed)
    assert (it.type, it.endpoint, it.labels) == (
        "call",
        "/ws/call/<room>/",
        {"room": "42"},
    )
    assert described(chat, path="/ws/chat/").endpoint == "/ws/chat/"
    it = described(chat, path="/ws/chat/42/", url_route=routed)
    assert (it.endpoint, it.labels) == ("/ws/chat/<room>/", {"room": "42"})
    descriptions = ConnectionDescriber()
    for source, kind in ((call, "call"), (chat, "chat")) * 2:
        connection = Socket(source, path="/ws/chat/42/").connection
        assert key_of(descriptions, connection) == (kind, False)


def test_application_of_the_project_is_not_imported_to_describe(settings):
    settings.ASGI_APPLICATION = "tests.not_imported.application"
    assert described().endpoint == ""
    settings.ASGI_APPLICATION = None
    assert described().endpoint == ""
    settings.ASGI_APPLICATION = 7
    assert described(user=7).user_id == "7"
    assert described().type == "call"


def test_converter_that_raises_does_no_harm(project):
    class Match:
        def match(self, place: str) -> Any:
            raise RuntimeError("in the converter")

    route = path("ws/", CallConsumer.as_asgi())
    route.pattern = Match()
    project(URLRouter([route, path("ws/", CallConsumer.as_asgi())]))
    assert described(user=7).type == "call"
    assert described(user=7).user_id == "7"


def test_very_long_path_is_cut_before_it_is_matched(project):
    seen = []

    class Match:
        def match(self, place: str) -> Any:
            seen.append(len(place))

    routes = [path("ws/", CallConsumer.as_asgi()) for _ in range(2)]
    for route in routes:
        route.pattern = Match()
    project(URLRouter(routes))
    described(path="/" + "x" * 1_000_000)
    assert seen
    assert max(seen) <= MAX_PATH
