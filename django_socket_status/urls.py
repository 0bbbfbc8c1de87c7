"""``path("socket-status/", include("django_socket_status.urls"))``."""

from __future__ import annotations

from django.urls import path

from django_socket_status.views import connections, summary, workers

__all__ = ["urlpatterns"]

app_name = "socket_status"

urlpatterns = [
    path("", summary, name="summary"),
    path("connections/", connections, name="connections"),
    path("workers/", workers, name="workers"),
]
