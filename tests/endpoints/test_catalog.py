from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import async_to_sync
from channels.auth import AuthMiddlewareStack
from channels.middleware import BaseMiddleware
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_socket_status.endpoints import catalog
from django_socket_status.endpoints import loaded as endpoints_module
from django_socket_status.endpoints.loaded import (
    MAX_ENDPOINTS,
    find_endpoint,
    get_endpoints,
    get_ws_endpoints,
    own_endpoints,
    reset,
    type_for_consumer,
    walk,
)
from tests.examples import as_many_as
from tests.support.applications import (
    CallConsumer,
    STTRoomConsumer,
    SupportConsumer,
    call,
    closure,
    echo,
    single,
)

LOGGER = "django_socket_status"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    reset()
    yield
    reset()


@pytest.fixture
def asgi_module(settings: Any) -> Iterator[types.ModuleType]:
    """A module for ``ASGI_APPLICATION``, with an application in it."""
    module = types.ModuleType("project_asgi")
    module.application = ProtocolTypeRouter(  # type: ignore[attr-defined]
        {
            "http": get_asgi_application(),
            "websocket": AuthMiddlewareStack(
                URLRouter(
                    [
                        path("ws/call/<uuid:room>/", call),
                        path("ws/stt/room/", STTRoomConsumer.as_asgi()),
                        path("ws/support/", SupportConsumer.as_asgi()),
                    ]
                )
            ),
        }
    )
    sys.modules["project_asgi"] = module
    settings.ASGI_APPLICATION = "project_asgi.application"
    yield module
    del sys.modules["project_asgi"]


def test_walk_that_raises_is_logged_and_gives_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "find_routes", mock.Mock(side_effect=OSError))
    with caplog.at_level(logging.DEBUG, LOGGER):
        assert walk(call) == ()
    assert len(caplog.records) == 1


def test_type_is_of_the_class_then_of_the_routes_name_then_of_its_words() -> None:
    application = URLRouter(
        [
            path("ws/a/", call, name="named-call"),
            path("ws/b/", SupportConsumer.as_asgi()),
            path("ws/c/<int:room>/", echo, name="Room-Echo"),
            path("ws/d/<int:room>/", echo),
            re_path(r"^(\w+)$", echo),
        ]
    )
    found = walk(application)
    assert [endpoint.type for endpoint in found] == [
        "call",
        "helpdesk",
        "room_echo",
        "ws_d",
        "websocket",
    ]
    assert [endpoint.name for endpoint in found] == [
        "named-call",
        None,
        "Room-Echo",
        None,
        None,
    ]


def test_setting_for_types_wins_over_the_class(settings: Any) -> None:
    dotted = "tests.support.applications.SupportConsumer"
    assert type_for_consumer(SupportConsumer) == "helpdesk"
    settings.SOCKET_STATUS = {"TYPES": {dotted: "support"}}
    assert type_for_consumer(SupportConsumer) == "support"
    assert single(SupportConsumer.as_asgi()).type == "support"
    assert type_for_consumer(CallConsumer) == "call"


def test_setting_for_types_knows_routes(settings: Any) -> None:
    settings.SOCKET_STATUS = {
        "TYPES": {
            "/ws/a/<room>/": "first",
            "ws/b/<uuid:room>/": "second",
            "tests.support.applications.CallConsumer": "class",
            "/ws/echo/": "echo",
        }
    }
    routes = [path(f"ws/{letter}/<uuid:room>/", call) for letter in "abc"]
    found = walk(URLRouter([*routes, path("ws/echo/", echo, name="x")]))
    assert [endpoint.type for endpoint in found] == ["first", "second", "class", "echo"]


@pytest.mark.parametrize("value", [None, "", 3, property(lambda self: "never")])
def test_type_of_a_class_that_is_no_text_is_ignored(value: object) -> None:
    consumer = type("DeskConsumer", (CallConsumer,), {"socket_status_type": value})
    assert type_for_consumer(consumer) == "desk"


def test_type_of_a_class_is_inherited() -> None:
    class NightSupportConsumer(SupportConsumer):
        pass

    assert type_for_consumer(NightSupportConsumer) == "helpdesk"


def test_url_is_of_the_setting_then_of_the_class_then_of_the_route(
    settings: Any,
) -> None:
    application = URLRouter(
        [path("ws/call/", call), path("ws/stt/room/", STTRoomConsumer.as_asgi())]
    )
    assert [endpoint.url for endpoint in walk(application)] == [
        "/ws/call/",
        "/ws/stt/room/?role=<role>&name=<name>",
    ]
    settings.SOCKET_STATUS = {
        "ENDPOINTS": {"stt_room": "/ws/stt/room/?role=<role>", "call": 3}
    }
    found = walk(application)
    assert [endpoint.url for endpoint in found] == [
        "/ws/call/",
        "/ws/stt/room/?role=<role>",
    ]
    assert found[1].pattern == "/ws/stt/room/"


def test_settings_of_the_wrong_kind_are_ignored(settings: Any) -> None:
    settings.SOCKET_STATUS = {"TYPES": ["call"], "ENDPOINTS": {"call": None}}
    assert single(URLRouter([path("ws/call/", call)])).url == "/ws/call/"


def test_class_on_two_routes_has_its_url_once() -> None:
    app = STTRoomConsumer.as_asgi()
    found = walk(URLRouter([path("ws/stt/room/", app), path("ws/old/", app)]))
    assert [endpoint.url for endpoint in found] == [
        STTRoomConsumer.socket_status_endpoint,
        "/ws/old/",
    ]


def ws_endpoints_of(module: Any, *routes: Any) -> dict[str, str]:
    module.application = URLRouter(list(routes))
    reset()
    return get_ws_endpoints()


def test_endpoints_are_listed_by_type(asgi_module: Any) -> None:
    assert get_ws_endpoints() == {
        "call": "/ws/call/<room>/",
        "stt_room": "/ws/stt/room/?role=<role>&name=<name>",
        "helpdesk": "/ws/support/",
    }


def test_further_endpoint_of_a_type_is_listed_by_its_route(asgi_module: Any) -> None:
    assert ws_endpoints_of(
        asgi_module,
        path("ws/call/", call),
        path("archive/<int:year>/", call),
        path("archive/<int:year>/<int:month>/", call),
        path("archive/<year>/of/", echo, name="archive"),
        path("archive/", echo, name="archive-3"),
        path("archive/<a>/<b>/<c>/", call),
    ) == {
        "call": "/ws/call/",
        "archive_2": "/archive/<year>/",
        "archive_4": "/archive/<year>/<month>/",
        "archive": "/archive/<year>/of/",
        "archive_3": "/archive/",
        "archive_5": "/archive/<a>/<b>/<c>/",
    }


def test_same_route_of_a_type_is_listed_once(asgi_module: Any) -> None:
    routes = (path("ws/call/", call), re_path(r"^ws/call/?$", call))
    assert ws_endpoints_of(asgi_module, *routes) == {"call": "/ws/call/"}
    assert len(get_endpoints()) == 2


def test_setting_names_endpoints_that_were_not_found(
    asgi_module: Any, settings: Any
) -> None:
    settings.SOCKET_STATUS = {
        "ENDPOINTS": {
            "legacy": "wss://old.example.com/",
            "helpdesk": "/help/",
            "ws_call": "/ws/call/?archive",
        }
    }
    listed = ws_endpoints_of(
        asgi_module,
        path("ws/support/", SupportConsumer.as_asgi()),
        path("call/", call),
        path("ws/call/", call),
    )
    assert listed == {
        "helpdesk": "/help/",
        "call": "/call/",
        "ws_call": "/ws/call/?archive",
        "legacy": "wss://old.example.com/",
    }


def test_listed_endpoints_are_bounded_whatever_the_setting_names(
    asgi_module: Any, settings: Any
) -> None:
    settings.SOCKET_STATUS = {"ENDPOINTS": {str(number): "/" for number in range(2000)}}
    assert len(get_ws_endpoints()) == MAX_ENDPOINTS


def test_caller_may_change_the_answer(asgi_module: Any) -> None:
    get_ws_endpoints().clear()
    assert get_ws_endpoints()


# ASGI_APPLICATION


def test_application_is_walked_once(asgi_module: Any) -> None:
    found = get_endpoints()
    assert [endpoint.type for endpoint in found] == ["call", "stt_room", "helpdesk"]
    asgi_module.application = None
    assert get_endpoints() is found


def test_reset_and_settings_drop_what_was_walked(
    asgi_module: Any, settings: Any
) -> None:
    first = get_endpoints()
    reset()
    assert get_endpoints() is not first
    assert get_endpoints() == first
    settings.SOCKET_STATUS = {
        "TYPES": {"tests.support.applications.CallConsumer": "talk"}
    }
    assert get_endpoints()[0].type == "talk"
    settings.ASGI_APPLICATION = "tests.support.applications.global_router"
    assert [endpoint.pattern for endpoint in get_endpoints()] == ["/ws/call/"]


@pytest.mark.parametrize("value", [None, ""])
def test_project_without_an_application_has_no_endpoints(
    settings: Any, value: object
) -> None:
    settings.ASGI_APPLICATION = value
    assert get_endpoints() == ()
    assert get_ws_endpoints() == {}


def test_application_is_not_imported_before_django_is_ready(
    asgi_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints_module.apps, "ready", False)
    assert get_endpoints() == ()
    monkeypatch.setattr(endpoints_module.apps, "ready", True)
    assert get_endpoints()


def test_application_that_is_not_loaded_is_not_imported(
    settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs_code.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.ASGI_APPLICATION = "runs_code.application"
    for _ in range(2):
        assert get_endpoints() == ()
        assert get_ws_endpoints() == {}
        assert own_endpoints() is None
    assert "runs_code" not in sys.modules


def test_application_that_is_loaded_later_is_walked_then(
    asgi_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "project_asgi")
    assert own_endpoints() is None
    monkeypatch.setitem(sys.modules, "project_asgi", asgi_module)
    assert get_endpoints()


def test_module_with_dynamic_attributes_is_skipped(asgi_module: Any) -> None:
    asgi_module.__getattr__ = lambda name: pytest.fail(f"{name} was looked up")
    del asgi_module.application
    assert own_endpoints() is None


def test_module_that_is_lazy_is_not_loaded(
    settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lazy_asgi.py").write_text("raise SystemExit('loaded')")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = importlib.util.find_spec("lazy_asgi")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)  # type: ignore[arg-type]
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lazy_asgi", module)
    spec.loader.exec_module(module)
    settings.ASGI_APPLICATION = "lazy_asgi.application"
    assert own_endpoints() is None


def test_application_in_which_nothing_is_known_gives_no_answer(
    asgi_module: Any,
) -> None:
    asgi_module.application = echo
    assert own_endpoints() is None
    assert get_endpoints() == ()


@pytest.mark.parametrize(
    "dotted_path", ["nowhere", "nowhere.at.all", f"{__name__}.nothing", 3, "..", "a."]
)
def test_application_that_is_not_there_gives_nothing(
    settings: Any, dotted_path: object
) -> None:
    settings.ASGI_APPLICATION = dotted_path
    assert get_endpoints() == ()
    assert get_ws_endpoints() == {}


def test_module_that_reads_while_it_is_imported_gets_nothing_yet(
    settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asks_itself.py").write_text(
        "from django_socket_status.endpoints.loaded import own_endpoints\n"
        "from django.core.asgi import get_asgi_application\n"
        "application = get_asgi_application()\n"
        "early = own_endpoints()\n"
        "from tests.support.applications import global_router as application\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.ASGI_APPLICATION = "asks_itself.application"
    try:
        assert importlib.import_module("asks_itself").early is None
        assert [endpoint.pattern for endpoint in get_endpoints()] == ["/ws/call/"]
    finally:
        sys.modules.pop("asks_itself", None)


def test_application_without_routes_has_no_endpoints(settings: Any) -> None:
    settings.ASGI_APPLICATION = "tests.asgi.application"
    assert get_endpoints() == ()


# Which endpoint a path belongs to


def test_path_finds_its_endpoint_and_what_the_route_captures() -> None:
    rooms = URLRouter([path("<int:room>/", call), re_path(r"^(?P<name>[a-z]+)$", echo)])
    endpoints = walk(URLRouter([path("ws/<slug:org>/", rooms), path("echo/", echo)]))
    assert find_endpoint("/ws/acme/7/", endpoints) == (
        endpoints[0],
        {"org": "acme", "room": 7},
    )
    assert find_endpoint("ws/acme/seven", endpoints) == (
        endpoints[1],
        {"org": "acme", "name": "seven"},
    )
    assert find_endpoint("//echo/", endpoints) == (endpoints[2], {})
    assert find_endpoint("/echo/more/", endpoints) is None
    assert find_endpoint("/", endpoints) is None
    assert find_endpoint("/ws/acme/7/", ()) is None


def test_inner_route_wins_over_an_outer_one_with_the_same_name() -> None:
    inner = URLRouter([path("<int:room>/", call)])
    endpoints = walk(URLRouter([path("ws/<str:room>/", inner)]))
    assert find_endpoint("/ws/a/1/", endpoints) == (endpoints[0], {"room": 1})


def test_router_that_has_no_route_passes_on_to_the_next_one() -> None:
    first = URLRouter([path("a/", call)])
    second = URLRouter([path("b/", echo)])
    endpoints = walk(URLRouter([path("ws/", first), path("ws/", second)]))
    assert find_endpoint("/ws/b/", endpoints) == (endpoints[1], {})


@pytest.mark.parametrize("text", ["\x00", "\ud800", "/" * 100_000, "%", "🦑", "\n"])
def test_no_path_does_any_harm(text: str) -> None:
    application = URLRouter(
        [path("ws/<uuid:room>/", call), re_path(r"^ws/(?P<room>\d+)/$", call)]
    )
    for asked in (text, f"/ws/{text}/", f"/ws/1/{text}"):
        assert find_endpoint(asked, walk(application)) is None
    assert find_endpoint(None, walk(application)) is None  # type: ignore[arg-type]


def test_converter_that_raises_finds_nothing() -> None:
    class RudeConverter(StringConverter):
        def to_python(self, value: str) -> str:
            raise RuntimeError(value)

    register_converter(RudeConverter, "rude")
    endpoints = walk(URLRouter([path("ws/<rude:room>/", call)]))
    assert find_endpoint("/ws/a/", endpoints) is None


class Recorder:
    """An application that tells that the router chose it, and with what."""

    def __init__(self) -> None:
        self.kwargs: dict[str, object] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.kwargs = scope["url_route"]["kwargs"]


WORDS = ("ws/", "call", "/", "a", "<int:n>", "<str:s>/", "<path:p>", "<uuid:u>/", "")
REGEXES = ("^ws/", "ws", r"(?P<n>\d+)/", r"^(\w)/$", "a$", "/?", r"^(?P<s>[^/]*)", "")

routes_of_words = st.lists(st.sampled_from(WORDS), max_size=3, unique=True).map("".join)
routes_of_regexes = st.lists(
    st.sampled_from(REGEXES), min_size=1, max_size=2, unique=True
).map("".join)


def route_to(app: Any, text: str, regex: str | None) -> Any:
    return path(text, app) if regex is None else re_path(regex, app)


def routers(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    route = st.builds(route_to, inside, routes_of_words, st.none() | routes_of_regexes)
    wrappers = st.sampled_from([lambda router: router, closure, BaseMiddleware])
    router = st.lists(route, max_size=4).map(URLRouter)
    return st.builds(lambda wrap, router: wrap(router), wrappers, router)


applications = st.recursive(st.builds(Recorder), routers, max_leaves=8)
asked_paths = st.lists(
    st.sampled_from(["/", "ws/", "ws", "call", "a", "1", "42/", "x/", "\n", "é"]),
    max_size=6,
).map("".join)


def recorders_in(app: Any) -> list[Recorder]:
    if isinstance(app, Recorder):
        return [app]
    if isinstance(app, URLRouter):
        return [r for route in app.routes for r in recorders_in(route.callback)]
    inner = app.inner if isinstance(app, BaseMiddleware) else app.__closure__[0]
    return recorders_in(getattr(inner, "cell_contents", inner))


@hypothesis_settings(max_examples=as_many_as(200), deadline=None)
@given(routers(applications), st.lists(asked_paths, min_size=1, max_size=8))
def test_endpoint_found_is_the_one_that_the_real_router_picks(
    application: Any, paths: list[str]
) -> None:
    endpoints = walk(application)
    recorders = recorders_in(application)
    assert len(endpoints) == len(recorders)
    for asked in paths:
        for recorder in recorders:
            recorder.kwargs = None
        scope = {"type": "websocket", "path": f"/{asked}"}
        # A router without a route for it says so.
        with contextlib.suppress(ValueError):
            async_to_sync(application)(scope, None, None)
        expected = [
            (endpoint, recorder.kwargs)
            for endpoint, recorder in zip(endpoints, recorders, strict=True)
            if recorder.kwargs is not None
        ]
        found = find_endpoint(f"/{asked}", endpoints)
        assert ([found] if found else []) == expected
