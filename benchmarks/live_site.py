"""A site whose sockets are counted, and two ways to tell others how many there are."""

from __future__ import annotations

import json
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

http = get_asgi_application()

from django_socket_status.asgi import Receive, Scope, Send  # noqa: E402
from django_socket_status.consumers import SocketStatusMixin  # noqa: E402
from django_socket_status.routing import websocket_urlpatterns  # noqa: E402
from django_socket_status.services import SocketStatusService  # noqa: E402

GROUP = "status"


class Counted(SocketStatusMixin):
    """A socket whose coming and going is what there is to tell."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept, and stay until the peer is gone."""
        await serve_silently(scope, receive, send)


async def serve_silently(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, and say nothing: what any socket costs."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def serve_counted(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a socket that is counted."""
    await Counted()(scope, receive, send)


class Echo(SocketStatusMixin):
    """A socket that is counted, and answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send back what comes."""
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": message["text"]})


async def serve_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve an echo that is counted."""
    await Echo()(scope, receive, send)


async def serve_announced(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a socket that is counted, and tell the group as it comes and goes."""
    await announce()
    await Counted()(scope, receive, send)
    await announce()


async def announce() -> None:
    """Send the summary to the group, as projects do that build this themselves."""
    summary = await SocketStatusService.aget_socket_info_summary()
    message = {"type": "status.changed", "text": json.dumps(summary)}
    layer: Any = get_channel_layer()
    await layer.group_send(GROUP, message)


class GroupConsumer(AsyncWebsocketConsumer):
    """Hears what the group is told."""

    groups = (GROUP,)

    async def status_changed(self, message: dict[str, str]) -> None:
        """Pass it on."""
        await self.send(text_data=message["text"])


async def empty(request: HttpRequest) -> HttpResponse:
    """Answer with nothing: what any view costs."""
    # As CommonMiddleware adds it: without, the server sends chunks.
    return HttpResponse(headers={"Content-Length": "0"})


urlpatterns = [
    path("empty/", empty),
    path("socket-status/", include("django_socket_status.urls")),
]

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter(
            [
                *websocket_urlpatterns,
                path("ws/silent/", serve_silently),
                path("ws/group/", GroupConsumer.as_asgi()),
                path("ws/counted/", serve_counted),
                path("ws/echo/", serve_echo),
                path("ws/announced/", serve_announced),
            ]
        ),
    }
)
