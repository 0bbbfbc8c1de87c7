"""Live push, as a route for the project's ``URLRouter``.

Add it to the routes of the project::

    URLRouter([*websocket_urlpatterns, path("ws/call/<room>/", ...)])
"""

from __future__ import annotations

from django.urls import path

from django_socket_status.live.application import live_status

__all__ = ["websocket_urlpatterns"]

websocket_urlpatterns = [
    path("ws/socket-status/", live_status, name="socket-status-live"),  # type: ignore[arg-type]
]
