"""URLs of the project: the status, and pages that have to do with event loops."""

from __future__ import annotations

from django.urls import include, path

from tests.servers.project.views import hold_loop, page

urlpatterns = [
    path("socket-status/", include("django_socket_status.urls")),
    path("accounts/", include("tests.servers.project.accounts")),
    path("loop/", hold_loop),
    path("page/", page),
]
