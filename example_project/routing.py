"""The routes of the WebSockets."""

from __future__ import annotations

from django.urls import path

from django_socket_status.routing import (
    websocket_urlpatterns as live_status_urlpatterns,
)
from example_project import consumers

websocket_urlpatterns = [
    path("ws/call/<slug:room>/", consumers.CallConsumer.as_asgi()),
    path("ws/stt/", consumers.STTConsumer.as_asgi()),
    path("ws/stt/room/", consumers.STTRoomConsumer.as_asgi()),
    path("ws/stt/sales/", consumers.STTSalesConsumer.as_asgi()),
    path("ws/stt/admin/", consumers.STTAdminConsumer.as_asgi()),
    *live_status_urlpatterns,
]
