"""URLs with an admin site of the project's own, at another place, and no other one."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import path

from django_socket_status.admin import SocketStatusAdmin
from django_socket_status.models import SocketStatus

PLACE = "/back/office/"

site = AdminSite(name="operations")
site.register([User, LogEntry])
site.register(SocketStatus, SocketStatusAdmin)

urlpatterns = [path(PLACE[1:], site.urls)]
