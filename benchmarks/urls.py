"""The summary, and the least that a JSON view can do."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import include, path


async def empty(request: HttpRequest) -> JsonResponse:
    """Answer with nothing."""
    return JsonResponse({})


urlpatterns = [
    path("empty/", empty),
    path("socket-status/", include("django_socket_status.urls")),
]
