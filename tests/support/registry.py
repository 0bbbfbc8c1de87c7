"""Plain records and events, for tests that drain the registry themselves."""

from __future__ import annotations

from collections.abc import Sequence

from django_socket_status.records import OpenedConnection
from django_socket_status.registry.lifecycle import Event, LiveConnection, Overrides


def describe(connection: LiveConnection) -> OpenedConnection:
    """Return the record of a connection from its scope and overrides."""
    scope = connection.scope or {}
    overrides = connection.overrides or Overrides()
    return OpenedConnection(
        connection.number,
        overrides.type or "call",
        "",
        scope.get("user"),
        dict(overrides.added or {}),  # type: ignore[arg-type]
        connection.opened_at,
    )


def events_of(events: Sequence[Event]) -> list[tuple[str, str | None]]:
    """Return the kind of each event, and the user of its connection."""
    return [(event.kind, event.connection.user_id) for event in events]
