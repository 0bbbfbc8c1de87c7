"""The applications that are tracked, and the ways to track them, ours not included."""

from __future__ import annotations

import threading
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.cache import cache
from django.urls import path

from benchmarks.models import OpenSocket
from django_socket_status.asgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
)
from django_socket_status.consumers import SocketStatusMixin

CACHE_KEY = "open-sockets"


class Echo:
    """An ASGI application in ten lines: the base of what is called raw."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept, and echo until the peer is gone."""
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            await send({"type": "websocket.send", "text": message["text"]})

    @classmethod
    def as_asgi(cls) -> Any:
        """Return an application that makes an instance for each scope."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await cls()(scope, receive, send)

        app.consumer_class = cls  # type: ignore[attr-defined]
        return app


class TrackedEcho(SocketStatusMixin, Echo):
    """The same, with our mixin."""


class Sender(Echo):
    """Accepts, and sends as many messages as it is asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send messages until the peer is gone."""
        await receive()
        await send({"type": "websocket.accept"})
        message: Message = {"type": "websocket.send", "text": "how are you?"}
        while (asked := await receive())["type"] != "websocket.disconnect":
            for _ in range(int(asked["text"])):
                await send(message)


class TrackedSender(SocketStatusMixin, Sender):
    """The same, with our mixin."""


class Receiver(Echo):
    """Accepts, and only listens."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive messages until the peer is gone."""
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


class TrackedReceiver(SocketStatusMixin, Receiver):
    """The same, with our mixin."""


class EchoConsumer(AsyncWebsocketConsumer):
    """The same over Channels."""

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        """Echo a message."""
        await self.send(text_data=text_data)


class TrackedEchoConsumer(SocketStatusMixin, EchoConsumer):
    """The same over Channels, with our mixin."""


class RowConsumer(EchoConsumer):
    """Keeps a row for each connection, as most answers to this question advise."""

    async def connect(self) -> None:
        """Add the row, then accept."""
        self.row = await database_sync_to_async(OpenSocket.objects.create)(
            type="echo", path=self.scope["path"], user_id=str(self.scope["user"].pk)
        )
        await super().connect()

    async def disconnect(self, code: int) -> None:
        """Remove the row."""
        await database_sync_to_async(self.row.delete)()


class CacheConsumer(EchoConsumer):
    """Keeps a counter in Django's cache."""

    async def connect(self) -> None:
        """Count up, then accept."""
        await cache.aincr(CACHE_KEY)
        await super().connect()

    async def disconnect(self, code: int) -> None:
        """Count down."""
        await cache.adecr(CACHE_KEY)


class PassThrough:
    """A middleware that does nothing: what any middleware costs."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        await self.app(scope, receive, send)


class Floor:
    """The floor: a middleware with a dict, a lock and a counter, and nothing else.

    The least that a straightforward counter does. It knows no type and no user, and
    learns of an end only when the application returns.
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.live: dict[int, tuple[str, str]] = {}
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and count its connection from the accept on."""
        key = id(scope)
        registered = False

        async def counting_send(message: Message) -> None:
            nonlocal registered
            if message["type"] == "websocket.accept":
                with self.lock:
                    self.live[key] = ("websocket", scope["path"])
                    self.count += 1
                registered = True
            await send(message)

        try:
            await self.app(scope, receive, counting_send)
        finally:
            if registered:
                with self.lock:
                    del self.live[key]
                    self.count -= 1


# What tells ours the route of a connection. One class each, as the mixin finds its own.
application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                path("ws/raw/<int:room>/", Echo.as_asgi()),
                path("ws/raw-mixin/<int:room>/", TrackedEcho.as_asgi()),
                path("ws/raw-send/<int:room>/", TrackedSender.as_asgi()),
                path("ws/raw-receive/<int:room>/", TrackedReceiver.as_asgi()),
                path("ws/channels/<int:room>/", EchoConsumer.as_asgi()),
                path("ws/channels-mixin/<int:room>/", TrackedEchoConsumer.as_asgi()),
            ]
        )
    }
)
