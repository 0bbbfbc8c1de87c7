"""The routes of the actions."""

from __future__ import annotations

from collections.abc import Sequence

from django_socket_status.admin.routes import Route

__all__ = ["ROUTES"]

ROUTES: Sequence[Route] = ()
