"""The lists of connections, the page of one connection, and exports."""

from __future__ import annotations

from django_socket_status.admin.lists.pages import ROUTES

__all__ = ["ROUTES"]
