"""A consumer whose label is whatever a client writes into the URL."""

from __future__ import annotations

from channels.generic.websocket import AsyncWebsocketConsumer

from django_socket_status.consumers import SocketStatusMixin


class AnyConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    """Accept everything, and name the room."""
