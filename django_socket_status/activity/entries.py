"""Closed connections and rejected handshakes: their records, and their stored form.

The entries of one report are one text: the worker, its release, and a list for each
entry. :mod:`.ended_rows` reads it.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.activity.as_json import as_json
from django_socket_status.activity.stored import Entries
from django_socket_status.records import OpenedConnection

__all__ = [
    "LEFT_OUT",
    "ClosedConnection",
    "EndedConnection",
    "RejectedConnection",
    "RejectedHandshake",
    "closed_text",
    "rejected_text",
]


class EndedConnection(NamedTuple):
    """A closed connection as a report carries it, without its worker."""

    connection: OpenedConnection
    closed_at: float | None
    """Seconds since the epoch. ``None``: it is open again, after its worker was taken
    for lost; the entry removes the one before it."""
    cause: str
    code: int | None
    reason: str


class RejectedHandshake(NamedTuple):
    """A rejected handshake as a report carries it, without its worker."""

    connection: OpenedConnection
    """``number`` is 0 and ``opened_at`` the time of the rejection."""
    status: str
    """The HTTP status, such as ``"403"``; ``"gone"`` if the client left before an
    answer, ``"error"`` if the application raised."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClosedConnection:
    """One WebSocket that was open."""

    connection_id: str
    """The worker's id and a number; no other connection ever has it."""
    type: str
    """What it was counted by."""
    endpoint: str
    """The pattern of its route; empty if unknown."""
    user_id: str | None
    """The user's primary key as text; ``None`` for an anonymous connection."""
    labels: Mapping[str, str]
    """Its labels when it closed, by name."""
    connected_at: datetime.datetime
    """When it was accepted, by the clock of its host: aware, UTC."""
    worker_id: str
    """The ``worker_id`` of its process."""
    cause: str
    """Why it closed: one of :data:`~django_socket_status.records.Cause`."""
    close_code: int | None
    """The close code; ``None`` if the connection ended without one."""
    close_reason: str
    """The close reason, at most 123 bytes; often empty."""
    closed_at: datetime.datetime
    """When it closed, by the clock of its host: aware, UTC. For ``worker_lost``: when
    its worker was taken for lost."""
    duration_seconds: float
    """How long it was open."""
    release: str
    """The release that its worker ran; empty if not known."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return as_json(self)  # type: ignore[no-any-return]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RejectedConnection:
    """One handshake that ended before the accept."""

    type: str
    """What it would have been counted by."""
    endpoint: str
    """The pattern of its route; empty if unknown."""
    user_id: str | None
    """The user's primary key as text; ``None`` without a user."""
    labels: Mapping[str, str]
    """Its labels, by name."""
    rejected_at: datetime.datetime
    """When it ended, by the clock of its host: aware, UTC."""
    worker_id: str
    """The ``worker_id`` of its process."""
    status: str
    """The HTTP status, ``"gone"`` or ``"error"``."""
    release: str
    """The release that its worker ran; empty if not known."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return as_json(self)  # type: ignore[no-any-return]


def closed_text(
    worker_id: str,
    release: str,
    ended: Iterable[EndedConnection],
    count_number: int = 0,
) -> str:
    """Return the stored form of closed connections. O(entries).

    Args:
        worker_id: Whose connections they were.
        release: The release that it ran.
        ended: The connections.
        count_number: See :attr:`.ClosedEntries.count_number`.
    """
    entries = [[*it[0], *it[1:]] for it in ended]
    more = {"count": count_number} if count_number else {}
    return _text(worker_id, release, entries, **more)


def rejected_text(
    worker_id: str, release: str, rejected: Iterable[RejectedHandshake]
) -> str:
    """Return the stored form of rejected handshakes. O(entries)."""
    return _text(worker_id, release, [[*it[0], *it[1:]] for it in rejected])


def _text(
    worker_id: str, release: str, entries: Sequence[Sequence[Any]], **more: int
) -> str:
    body = {"worker": worker_id, "release": release, **more, "entries": entries}
    return json.dumps(body, separators=(",", ":"))


#: Says that connections ended that are not listed; in either list.
LEFT_OUT = Entries(closed_text("", "", ()), 0, left_out=1)
