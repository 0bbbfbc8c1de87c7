"""What the workers serve: the rooms of the tests' project, with users in them."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import parse_qs

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

http = get_asgi_application()

from django_socket_status.middleware import SocketStatusMiddleware  # noqa: E402
from tests.servers.project.consumers import (  # noqa: E402
    AsyncRoomConsumer,
    SyncRoomConsumer,
    bare_room,
)


@dataclasses.dataclass(frozen=True)
class User:
    """Somebody who is signed in, as far as anybody looks."""

    pk: str
    is_authenticated: bool = True


def with_users(application: Any) -> Any:
    """Believe what ``?user=`` says."""

    async def signed_in(scope: Any, receive: Any, send: Any) -> None:
        names = parse_qs(scope["query_string"].decode()).get("user")
        if names:
            scope = {**scope, "user": User(names[0])}
        await application(scope, receive, send)

    return signed_in


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": with_users(
            URLRouter(
                [
                    path("ws/async/<room>/", AsyncRoomConsumer.as_asgi()),
                    path("ws/sync/<room>/", SyncRoomConsumer.as_asgi()),
                    path("ws/bare/<room>/", SocketStatusMiddleware(bare_room)),
                ]
            )
        ),
    }
)
