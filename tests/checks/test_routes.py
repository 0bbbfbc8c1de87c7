from __future__ import annotations

from typing import Any

import pytest
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.middleware import BaseMiddleware
from channels.routing import URLRouter
from django.urls import path

from django_socket_status import checks
from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.routing import websocket_urlpatterns
from tests import asgi
from tests.support.checks import PREFIX


class TalkConsumer(AsyncWebsocketConsumer):
    pass


class CountedConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    pass


class TokenAuthMiddleware(BaseMiddleware):
    pass


class AuthorMiddleware(BaseMiddleware):
    pass


def found_in(settings: Any, monkeypatch: pytest.MonkeyPatch, app: Any) -> list[Any]:
    """Return what ``check --deploy`` says of an application."""
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}
    monkeypatch.setattr(asgi, "application", app)
    return [it for it in checks.check_deployment() if it.id > f"{PREFIX}W019"]


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """An application that is no consumer."""


def test_each_route_that_is_not_counted_is_named_with_the_fix(settings, monkeypatch):
    routes = [
        path("ws/talk/<room>/", TalkConsumer.as_asgi()),
        path("ws/plain/", plain),
        path("ws/counted/", CountedConsumer.as_asgi()),
        path("ws/behind/", SocketStatusMiddleware(plain)),
        *websocket_urlpatterns,
    ]
    told = found_in(settings, monkeypatch, URLRouter(routes))
    assert [(it.id, it.msg) for it in told] == [
        (f"{PREFIX}W020", "WebSockets on the route /ws/talk/<room>/ are not counted."),
        (f"{PREFIX}W020", "WebSockets on the route /ws/plain/ are not counted."),
    ]
    assert f"SocketStatusMixin first in the bases of {__name__}.TalkConsumer" in (
        told[0].hint
    )
    assert "SocketStatusMiddleware around" in told[1].hint
    wrapped = SocketStatusMiddleware(AuthorMiddleware(URLRouter(routes)))
    assert found_in(settings, monkeypatch, wrapped) == []


@pytest.mark.parametrize("authenticate", [AuthMiddlewareStack, TokenAuthMiddleware])
def test_middleware_outside_of_the_authentication_is_a_warning(
    settings, monkeypatch, authenticate
):
    router = URLRouter(
        [
            path("ws/talk/", TalkConsumer.as_asgi()),
            path("ws/counted/", CountedConsumer.as_asgi()),
        ]
    )
    outside = SocketStatusMiddleware(authenticate(router))
    (told,) = found_in(settings, monkeypatch, outside)
    assert told.id == f"{PREFIX}W021"
    # The mixin sees the user all the same.
    assert told.msg.endswith(": /ws/talk/.")
    for right in (
        authenticate(SocketStatusMiddleware(router)),
        SocketStatusMiddleware(authenticate(SocketStatusMiddleware(router))),
    ):
        assert found_in(settings, monkeypatch, right) == []
