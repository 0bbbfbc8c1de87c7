"""URLs of the project: the status, and nothing else."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("socket-status/", include("django_socket_status.urls"))]
