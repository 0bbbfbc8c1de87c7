"""The page "WebSocket connections" of Django's admin, which imports this package."""

from __future__ import annotations

from django.contrib import admin

from django_socket_status.admin.model_admin import SocketStatusAdmin
from django_socket_status.conf import get_settings
from django_socket_status.models import SocketStatus

__all__ = ["SocketStatusAdmin"]

if get_settings().admin:
    admin.site.register(SocketStatus, SocketStatusAdmin)
