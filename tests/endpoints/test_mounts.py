from __future__ import annotations

from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.endpoints import loaded as endpoints
from django_socket_status.endpoints.catalog import find_endpoint, walk
from django_socket_status.live import hub
from django_socket_status.live.application import LiveStatus
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.routing import websocket_urlpatterns
from django_socket_status.services import SocketStatusService
from tests.support.applications import call, echo, patterns
from tests.support.asgi_driver import CONNECT, Books, Server, open_books, scope_of
from tests.support.live_push import Visitor, listening
from tests.test_consumers import accepted


class RoomConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    pass


django_project = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter(
            [
                *websocket_urlpatterns,
                path("ws/call/<int:room>/", call),
                path("ws/room/<room>/", RoomConsumer.as_asgi()),
                path("ws/room/<room>/<side>/", RoomConsumer.as_asgi()),
            ]
        ),
    }
)

ROOMS = ["/ws/call/<room>/", "/ws/room/<room>/", "/ws/room/<room>/<side>/"]


async def handler(websocket: Any) -> None:
    """Serve a WebSocket of Starlette."""


async def page(request: Any) -> Any:
    return PlainTextResponse("page")


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    return open_books(monkeypatch)


def test_applications_that_are_mounted_are_listed_behind_their_path(tmp_path):
    application = Starlette(
        routes=[
            Route("/", page),
            WebSocketRoute("/chat/{room:int}", handler, name="chat"),
            Mount("/app", app=django_project),
            Mount("/static", StaticFiles(directory=tmp_path)),
            Mount("/org/{org}", routes=[WebSocketRoute("/x", handler)]),
            Host("api.example.com", app=Router([WebSocketRoute("/h", handler)])),
            Mount("/bare", app=SocketStatusMiddleware(echo)),
            Mount("/", get_asgi_application()),
        ]
    )
    found = walk(application)
    assert [it.pattern for it in found] == [
        "/chat/<room>",
        *(f"/app{room}" for room in ROOMS),
        "/org/<org>/x",
        "/h",
        "/bare",
    ]
    assert [it.type for it in found][:2] == ["chat", "call"]
    assert [it.pattern for it in found if it.counted] == [
        "/app/ws/room/<room>/",
        "/app/ws/room/<room>/<side>/",
        "/bare",
    ]
    for asked, endpoint, captured in [
        ("/chat/7", found[0], {"room": "7"}),
        ("/app/ws/call/7/", found[1], {"room": 7}),
        ("/org/acme/x", found[4], {"org": "acme"}),
    ]:
        assert find_endpoint(asked, found) == (endpoint, captured)
    assert find_endpoint("/ws/call/7/", found) is None


def test_routers_and_mounts_of_fastapi_are_listed():
    application = FastAPI()
    router = APIRouter(prefix="/v1")
    application.websocket("/chat/{room}")(handler)
    router.websocket("/talk/{name}")(handler)
    application.include_router(router, prefix="/api/{org}")
    application.mount("/dj", django_project)
    expected = [
        "/chat/<room>",
        "/api/<org>/v1/talk/<name>",
        *(f"/dj{room}" for room in ROOMS),
    ]
    assert patterns(application) == expected
    assert patterns(SocketStatusMiddleware(application)) == expected
    found = find_endpoint("/api/acme/v1/talk/ada", walk(application))
    assert found is not None
    assert found[1] == {"org": "acme", "name": "ada"}


def test_middleware_in_the_list_of_an_application_counts():
    application = Starlette(
        routes=[WebSocketRoute("/chat", handler)],
        middleware=[Middleware(SocketStatusMiddleware)],
    )
    assert [it.counted for it in walk(application)] == [True]


def test_application_without_a_route_is_known_to_have_none(as_project):
    as_project(Starlette())
    served = endpoints.own_endpoints()
    assert served is not None
    assert served.urls == {}


@pytest.mark.parametrize("root", ["", "/app", "/site", "/site/app"])
def test_mount_and_root_path_are_both_in_the_summary(as_project, client, root):
    """A request that came through the mount has it in its root path."""
    as_project(Starlette(routes=[Mount("/app", app=django_project)]))
    answer = client.get("/socket-status/", SCRIPT_NAME=root)
    listed = answer.json()["ws_endpoints"]
    prefix = "/site" if root.startswith("/site") else ""
    assert listed["call"] == f"{prefix}/app/ws/call/<room>/"
    live = answer.headers["Socket-Status-Live"]
    assert live == f"{prefix}/app/ws/socket-status/"
    assert "call" in SocketStatusService.get_socket_info_summary()["ws_endpoints"]


@pytest.mark.parametrize("outside_is_the_project", [True, False])
async def test_connection_below_a_mount_has_its_route(
    as_project, books, outside_is_the_project
):
    application = Starlette(routes=[Mount("/app", app=django_project)])
    as_project(application if outside_is_the_project else django_project)
    mount = "/app" if outside_is_the_project else ""
    scope = scope_of("/app/ws/room/blue/left/")
    async with accepted(application, Server(CONNECT), scope):
        it = books.only
        assert (it.type, it.endpoint) == ("room", f"{mount}/ws/room/<room>/<side>/")
        assert it.labels == {"room": "blue", "side": "left"}


@pytest.mark.parametrize(
    ("server", "prefix"), [("uvicorn", "/site"), ("daphne", "")], ids=str
)
async def test_live_push_sends_the_root_path_of_the_server(
    as_project, monkeypatch, server, prefix
):
    """Under Daphne, a header of a client may give it."""
    monkeypatch.setattr(hub, "server_name", lambda: server)
    as_project(Starlette(routes=[Mount("/app", app=django_project)]))
    visitor = Visitor(root_path="/site")
    async with listening(LiveStatus(), visitor):
        await visitor.is_told(0)
    (told,) = (it["summary"] for it in visitor.heard if "summary" in it)
    assert told["ws_endpoints"]["call"] == f"{prefix}/app/ws/call/<room>/"
