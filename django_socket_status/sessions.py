"""Tell which session keeps its connections when a password changes."""

from __future__ import annotations

from django_socket_status.operations.keeping import keep_session

__all__ = ["keep_session"]
