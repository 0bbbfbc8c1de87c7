"""The ASGI application: consumers with the mixin, and one behind the middleware."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

http = get_asgi_application()

from django_socket_status.health import liveness  # noqa: E402
from django_socket_status.middleware import SocketStatusMiddleware  # noqa: E402
from django_socket_status.routing import websocket_urlpatterns  # noqa: E402
from django_socket_status.status.reader import status_reader  # noqa: E402
from tests.servers.project import diary, pulse  # noqa: E402
from tests.servers.project.consumers import (  # noqa: E402
    AsyncRoomConsumer,
    SyncRoomConsumer,
    bare_room,
)

if file := os.environ.get("PROJECT_DIARY"):
    diary.keep(file)
if file := os.environ.get("PROJECT_PULSE"):
    pulse.keep(file)
if seconds := os.environ.get("PROJECT_READ_SECONDS"):
    status_reader.read_seconds = float(seconds)

application = ProtocolTypeRouter(
    {
        "http": URLRouter([path("live/", liveness), re_path("", http)]),
        "websocket": URLRouter(
            [
                *websocket_urlpatterns,
                path("ws/async/<room>/", AsyncRoomConsumer.as_asgi()),
                path("ws/sync/<room>/", SyncRoomConsumer.as_asgi()),
                path("ws/bare/<room>/", SocketStatusMiddleware(bare_room)),
            ]
        ),
    }
)
