"""Registers the page: its URLs, and who sees the link to it."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import URLPattern

from django_socket_status.admin import actions, lists, overview
from django_socket_status.admin.access import access_of
from django_socket_status.admin.page import Admin
from django_socket_status.admin.routes import url_of

__all__ = ["SocketStatusAdmin"]


class SocketStatusAdmin(Admin):
    """The page "WebSocket connections". It has no rows, so nothing is added or changed.

    To show it on an admin site of your own:
    ``site.register(SocketStatus, SocketStatusAdmin)``.
    """

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of all pages."""
        routes = [*overview.ROUTES, *lists.ROUTES, *actions.ROUTES]
        return [url_of(route, self) for route in routes]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the user sees the link on the index."""
        return access_of(request).view_status

    def has_view_permission(
        self, request: HttpRequest, obj: object | None = None
    ) -> bool:
        """Return whether the user may see the overview, to which the link leads."""
        return access_of(request).view_status

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return false: a connection is not added by hand."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: object | None = None
    ) -> bool:
        """Return false: there are no rows."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: object | None = None
    ) -> bool:
        """Return false: connections are disconnected, and not deleted."""
        return False
