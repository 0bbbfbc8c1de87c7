"""The answers for browsers and other programs, as JSON."""

from __future__ import annotations

from django_socket_status.views.api import connections, summary, workers

__all__ = ["connections", "summary", "workers"]
