"""The five kinds of WebSocket of the site, sync and async.

The first three have ``SocketStatusMixin``. The last two are plain consumers:
``SocketStatusMiddleware`` in ``asgi.py`` counts them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from channels.exceptions import DenyConnection
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)

from django_socket_status.consumers import SocketStatusMixin


def transcript_of(speech: str | bytes) -> str:
    """Return what was said: a stand-in for the speech recognition of a real site."""
    if isinstance(speech, bytes):
        return f"({len(speech)} bytes of speech)"
    return speech.strip().capitalize()


class CallConsumer(SocketStatusMixin, AsyncJsonWebsocketConsumer):
    """A call: passes what one side sends on to everyone in the room."""

    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    @property
    def group(self) -> str:
        """The name of the room for the channel layer."""
        return f"call.{self.room}"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send(
            self.group, {"type": "call.signal", "content": content}
        )

    async def call_signal(self, event: dict[str, Any]) -> None:
        """Hand a signal of the room to this side of the call."""
        await self.send_json(event["content"])


class STTConsumer(SocketStatusMixin, WebsocketConsumer):
    """Speech to text for one person. Sync, as a recogniser that blocks would be."""

    def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        self.send(transcript_of(text_data or bytes_data or ""))


class STTRoomConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    """Speech to text in a room, as a customer or a consultant with a name."""

    ROLES = ("customer", "consultant")

    # The route does not know of the query string.
    socket_status_endpoint = "/ws/stt/room/?role=<role>&name=<name>"

    def get_socket_status_labels(self) -> dict[str, str]:
        """Show the role in the status, and not the name."""
        return {"role": self.role}

    def query(self, key: str) -> str:
        """Return one value of the query string, or nothing."""
        query_string: bytes = self.scope["query_string"]
        return parse_qs(query_string.decode("latin-1")).get(key, [""])[0]

    @property
    def role(self) -> str:
        """The role, of the two that there are: a client cannot invent another."""
        asked = self.query("role")
        return asked if asked in self.ROLES else "customer"

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        speech = transcript_of(text_data or bytes_data or "")
        await self.send(f"{self.query('name') or self.role}: {speech}")


class STTSalesConsumer(JsonWebsocketConsumer):
    """Speech to text for the sales team, who have to be logged in."""

    def connect(self) -> None:
        if not self.scope["user"].is_authenticated:
            raise DenyConnection
        self.accept()

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.send_json({"transcript": transcript_of(str(content))})


class STTAdminConsumer(AsyncWebsocketConsumer):
    """Speech to text under supervision: staff only."""

    async def connect(self) -> None:
        if not self.scope["user"].is_staff:
            raise DenyConnection
        await self.accept()

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        await self.send(transcript_of(text_data or bytes_data or ""))
