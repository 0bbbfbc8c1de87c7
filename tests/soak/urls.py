"""What the workers answer over HTTP, in each version of the package."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("socket-status/", include("django_socket_status.urls"))]
