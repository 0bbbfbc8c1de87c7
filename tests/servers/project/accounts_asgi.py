"""The project with consumers that know the session and the user."""

from __future__ import annotations

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from tests.servers.project.asgi import http
from tests.servers.project.consumers import AsyncRoomConsumer

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AuthMiddlewareStack(
            URLRouter([path("ws/user/<room>/", AsyncRoomConsumer.as_asgi())])
        ),
    }
)
