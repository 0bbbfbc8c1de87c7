from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import wrapt
from channels.auth import AuthMiddlewareStack
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.endpoints.loaded import MAX_ENDPOINTS, find_endpoint, walk
from django_socket_status.middleware import SocketStatusMiddleware
from tests.support.applications import (
    WRAPPERS,
    CallConsumer,
    EventsConsumer,
    Holder,
    LivePushConsumer,
    SupportConsumer,
    by_agent,
    call,
    closure,
    echo,
    patterns,
    single,
)


def test_nested_routers_join_their_patterns() -> None:
    rooms = URLRouter([path("<int:room>/", call), path("", SupportConsumer.as_asgi())])
    org = URLRouter([path("call/", rooms), re_path(r"^talk/(?P<to>\w+)$", call)])
    application = URLRouter([re_path(r"^ws/(?P<org>\w+)/", org), path("echo/", echo)])
    assert patterns(application) == [
        "/ws/<org>/call/<room>/",
        "/ws/<org>/call/",
        "/ws/<org>/talk/<to>",
        "/echo/",
    ]


def test_outer_route_without_a_slash_at_its_end_gets_one() -> None:
    inner = URLRouter([path("call/", call), path("", call)])
    application = URLRouter([path("ws", inner)])
    assert patterns(application) == ["/ws/call/", "/ws"]
    assert find_endpoint("/ws/call/", walk(application))


def test_routers_inside_of_middlewares_join_their_patterns() -> None:
    inner = AuthMiddlewareStack(URLRouter([path("call/", call)]))
    assert patterns(URLRouter([re_path("^ws/", inner)])) == ["/ws/call/"]


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_wrapper_around_a_router_is_walked(wrap: Callable[[Any], Any]) -> None:
    application = wrap(URLRouter([path("ws/call/", call), path("ws/echo/", echo)]))
    assert patterns(application) == ["/ws/call/", "/ws/echo/"]
    assert patterns(ProtocolTypeRouter({"websocket": application})) == [
        "/ws/call/",
        "/ws/echo/",
    ]


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_wrapper_around_a_consumer_is_walked(wrap: Callable[[Any], Any]) -> None:
    endpoint = single(URLRouter([path("ws/<room>/", wrap(call))]))
    assert endpoint.consumer_class is CallConsumer
    assert endpoint.type == "call"
    assert endpoint.pattern == "/ws/<room>/"


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_wrapper_around_the_protocol_router_is_walked(
    wrap: Callable[[Any], Any],
) -> None:
    sockets = URLRouter([path("ws/call/", call)])
    assert patterns(wrap(ProtocolTypeRouter({"websocket": sockets}))) == ["/ws/call/"]


@pytest.mark.parametrize("name", sorted(WRAPPERS.keys() - {"ASGIStaticFilesHandler"}))
def test_wrapper_around_something_else_is_the_application_of_its_route(
    name: str,
) -> None:
    wrap = WRAPPERS[name]
    endpoint = single(URLRouter([path("ws/echo/", wrap(echo))]))
    assert endpoint.consumer_class is None
    assert endpoint.type == "ws_echo"


def test_only_the_websocket_entry_of_a_protocol_router_is_walked() -> None:
    sockets = URLRouter([path("ws/call/", call)])
    events = URLRouter([path("events/", EventsConsumer.as_asgi()), path("", call)])
    application = ProtocolTypeRouter({"http": events, "websocket": sockets})
    assert patterns(application) == ["/ws/call/"]
    assert walk(ProtocolTypeRouter({"http": events})) == ()


def test_protocol_router_inside_of_a_route_is_walked() -> None:
    inner = ProtocolTypeRouter({"http": echo, "websocket": call})
    http = ProtocolTypeRouter({"http": echo})
    application = URLRouter([path("ws/call/", inner), path("about/", http)])
    assert patterns(application) == ["/ws/call/"]


def test_channel_names_are_no_endpoints() -> None:
    worker = ChannelNameRouter({"thumbnails": call})
    assert walk(worker) == ()
    assert walk(ProtocolTypeRouter({"channel": worker})) == ()


def test_consumer_without_a_router_answers_at_the_root_and_everywhere() -> None:
    for application in (call, ProtocolTypeRouter({"websocket": closure(call)})):
        endpoint = single(application)
        assert (endpoint.pattern, endpoint.url) == ("/", "/")
        assert (endpoint.type, endpoint.routes) == ("call", ())
        assert find_endpoint("/any/where/", [endpoint]) == (endpoint, {})


def test_other_application_without_a_router_answers_at_the_root() -> None:
    endpoint = single(ProtocolTypeRouter({"websocket": closure(echo)}))
    assert (endpoint.pattern, endpoint.type) == ("/", "websocket")
    assert endpoint.consumer_class is None


def test_consumer_served_as_an_instance_is_known() -> None:
    endpoint = single(URLRouter([path("ws/call/", CallConsumer())]))
    assert endpoint.consumer_class is CallConsumer


def test_class_served_as_an_application_is_known() -> None:
    class EchoEndpoint:
        """As Starlette's are: its instance is awaited."""

    application = URLRouter([path("ws/echo/", EchoEndpoint)])
    assert single(application).consumer_class is EchoEndpoint
    assert single(application).type == "echo_endpoint"


def test_subclasses_of_the_routers_are_walked() -> None:
    class Protocols(ProtocolTypeRouter):
        pass

    class Routes(URLRouter):
        pass

    routes = Routes((path("ws/call/", call),))
    assert patterns(Protocols({"websocket": routes})) == ["/ws/call/"]


def test_fallback_of_a_middleware_is_not_taken_for_what_it_wraps() -> None:
    application = Holder(denied=LivePushConsumer.as_asgi(), other=echo, inner=call)
    assert single(URLRouter([path("ws/call/", application)])).type == "call"
    denied = SupportConsumer.as_asgi()
    application = Holder(denied=denied, inner=closure(call))
    assert single(URLRouter([path("ws/call/", application)])).type == "call"


def test_every_application_behind_a_dispatcher_is_listed() -> None:
    application = Holder(version_1=call, version_2=SupportConsumer.as_asgi())
    found = walk(URLRouter([path("ws/", application)]))
    assert [endpoint.type for endpoint in found] == ["call", "helpdesk"]


def test_order_of_the_routes_is_kept() -> None:
    names = [f"ws/{number}/" for number in range(20)]
    application = URLRouter([path(name, call) for name in names])
    assert patterns(application) == [f"/{name}" for name in names]


def test_application_of_this_package_is_left_out() -> None:
    push = LivePushConsumer.as_asgi()
    function = closure(echo)
    function.socket_status_internal = True

    class Push:
        socket_status_internal = True

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            raise NotImplementedError

    apps = [push, function, Push(), Holder(socket_status_internal=True, app=call)]
    routes = [path(f"ws/{number}/", app) for number, app in enumerate(apps)]
    routes.append(path("ws/wrapped/", AuthMiddlewareStack(push)))
    assert patterns(URLRouter([*routes, path("ws/call/", call)])) == ["/ws/call/"]
    for app in apps:
        assert walk(ProtocolTypeRouter({"websocket": app})) == ()


def test_applications_that_serve_http_only_are_left_out() -> None:
    application = URLRouter(
        [
            path("events/", EventsConsumer.as_asgi()),
            path("ws/call/", call),
            re_path(r"", get_asgi_application()),
        ]
    )
    assert patterns(application) == ["/ws/call/"]
    assert walk(get_asgi_application()) == ()
    assert walk(ASGIStaticFilesHandler(get_asgi_application())) == ()


@pytest.mark.parametrize(
    "application",
    [
        None,
        3,
        "tests.asgi.application",
        object(),
        [call],
        echo,
        len,
        CallConsumer,
        Holder(),
        Holder(routes=3),
        Holder(routes=[1, 2]),
        Holder(application_mapping=[("websocket", call)]),
        Holder(application_mapping={"websocket": "chat.asgi.application"}),
        Holder(by_kind={"websocket": True}),
        functools.partial(echo),
        mock.Mock(),
        mock.MagicMock(),
        mock.AsyncMock(),
        mock.create_autospec(URLRouter),
        URLRouter([]),
        ProtocolTypeRouter({}),
        ProtocolTypeRouter({"websocket": URLRouter([])}),
    ],
    ids=lambda application: type(application).__name__,
)
def test_what_is_no_application_with_routes_has_no_endpoints(
    application: object,
) -> None:
    assert walk(application) == ()


def test_cycles_and_crowds_come_to_an_end() -> None:
    myself = Holder()
    myself.inner = myself  # type: ignore[attr-defined]
    left, right = Holder(), Holder()
    left.other, right.other = right, left  # type: ignore[attr-defined]
    deep: Any = URLRouter([path("ws/", call)])
    for _ in range(10_000):
        deep = Holder(app=deep)
    diamond: Any = echo
    for _ in range(40):
        diamond = Holder(one=diamond, two=closure(diamond), three=Holder(x=diamond))
    wide = Holder(**{f"callback_{number}": closure(echo) for number in range(50_000)})
    endless = Holder()
    endless.again = closure(endless)  # type: ignore[attr-defined]
    for application in (myself, left, deep, diamond, wide, endless):
        assert walk(application) == ()
        endpoint = single(URLRouter([path("ws/", application)]))
        assert endpoint.consumer_class is None


def test_middleware_that_holds_itself_is_walked_on() -> None:
    holder = Holder()
    holder.itself = holder  # type: ignore[attr-defined]
    holder.method = holder.__call__  # type: ignore[attr-defined]
    holder.other = URLRouter([path("ws/call/", call)])  # type: ignore[attr-defined]
    assert patterns(holder) == ["/ws/call/"]


def test_router_inside_of_itself_is_left_out() -> None:
    routes = [path("ws/call/", call)]
    router = URLRouter(routes)
    routes.append(path("again/", router))
    routes.append(path("ws/echo/", echo))
    assert patterns(router) == ["/ws/call/", "/ws/echo/"]


def test_number_of_endpoints_is_bounded() -> None:
    inner = URLRouter([path(f"{number}/", call) for number in range(400)])
    outer = URLRouter([path(f"ws/{number}/", inner) for number in range(400)])
    assert len(walk(outer)) == MAX_ENDPOINTS


@pytest.mark.slow
def test_number_of_objects_looked_at_is_bounded() -> None:
    crowd = {
        f"group_{group}": Holder(
            **{f"callback_{number}": closure(echo) for number in range(900)}
        )
        for group in range(50)
    }
    routes = [path("ws/crowd/", Holder(**crowd)), path("ws/call/", call)]
    assert patterns(URLRouter(routes)) == ["/ws/crowd/"]
    assert patterns(URLRouter(routes[::-1])) == ["/ws/call/", "/ws/crowd/"]
    assert walk(Holder(**crowd, last=URLRouter([path("ws/call/", call)]))) == ()


def test_what_is_left_out_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unreadable:
        def __str__(self) -> str:
            raise RuntimeError("not today")

    broken = path("ws/broken/", echo)
    broken.pattern = Unreadable()  # type: ignore[assignment]
    application = Holder(routes=[broken, "ws/", path("ws/call/", call), object()])
    with caplog.at_level(logging.DEBUG, "django_socket_status"):
        assert patterns(application) == ["/ws/call/"]
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("django_socket_status", logging.DEBUG)
    assert "RuntimeError" in record.getMessage()
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "django_socket_status"):
        walk(URLRouter([path("ws/call/", call)]))
    assert not caplog.records


class CountedConsumer(SocketStatusMixin, CallConsumer):
    pass


def test_consumer_whose_call_an_agent_has_wrapped_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    route = path("ws/", CountedConsumer.as_asgi())
    assert single(URLRouter([route])).counted
    monkeypatch.setattr(CountedConsumer, "__call__", by_agent(CountedConsumer.__call__))
    assert single(URLRouter([route])).counted


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_wrapper_around_the_middleware_is_counted(wrap: Callable[[Any], Any]) -> None:
    router = URLRouter([path("ws/call/", call)])
    assert single(wrap(SocketStatusMiddleware(router))).counted
    assert single(SocketStatusMiddleware(wrap(router))).counted
    assert single(wrap(router)).counted is (wrap is SocketStatusMiddleware)


def test_proxy_that_makes_what_it_wraps_is_skipped() -> None:
    lazy = wrapt.LazyObjectProxy(lambda: pytest.fail("made"))
    assert patterns(ProtocolTypeRouter({"websocket": closure(lazy)})) == ["/"]
