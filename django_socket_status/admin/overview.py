"""The overview: what is open, what needs attention, and what happened."""

from __future__ import annotations

from collections.abc import Sequence

from django.http.response import HttpResponseBase
from django.utils.translation import gettext

from django_socket_status.admin.page import Page
from django_socket_status.admin.routes import Route
from django_socket_status.services import SocketStatusService

__all__ = ["ROUTES"]


def overview(page: Page) -> HttpResponseBase:
    """Answer with the overview."""
    summary = SocketStatusService.get_summary()
    return page.render(
        "overview.html", gettext("WebSocket connections"), summary=summary
    )


ROUTES: Sequence[Route] = (
    Route(name="changelist", path="", view=overview, needs=("view_status",)),
)
