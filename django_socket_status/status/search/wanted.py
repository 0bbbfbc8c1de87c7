"""What a search for connections looks for, and what it found."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

from django_socket_status.activity.ended_rows import EndedRow
from django_socket_status.activity.entries import ClosedConnection
from django_socket_status.backends.base import BaseBackend
from django_socket_status.endings import Cause
from django_socket_status.records import ConnectionQuery, ConnectionRecord, instant
from django_socket_status.status.list_types import AnyConnection, State

__all__ = ["EPOCH", "MICROSECOND", "Found", "Search", "happened_at"]

#: How exact a ``datetime`` is.
MICROSECOND = datetime.timedelta(microseconds=1)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which connections to find. What is ``None`` does not matter."""

    state: State = "open"
    """Which list."""
    query: ConnectionQuery = dataclasses.field(default_factory=ConnectionQuery)
    """Type, user, labels, ``anonymous``, ``worker_ids`` and ``number``."""
    endpoint: str | None = None
    """Only those of this route pattern."""
    from_at: datetime.datetime | None = None
    """Only those that opened, closed or were rejected at this instant or later."""
    until_at: datetime.datetime | None = None
    """Only those that did so at this instant or earlier."""
    release: str | None = None
    """Only ended ones whose worker ran this release."""
    cause: Cause | None = None
    """Only those that closed for this cause."""
    code: int | None = None
    """Only those that closed with this code, or were rejected with this status."""

    def matches(self, record: ConnectionRecord | EndedRow[Any]) -> bool:
        """Return whether a connection matches, as far as backends do not see to it."""
        query = self.query
        return (
            query.matches_worker(record.worker_id)
            and (self.endpoint is None or record.endpoint == self.endpoint)
            and (self.from_at is None or happened_at(record) >= self.from_at)
            and (self.until_at is None or happened_at(record) <= self.until_at)
            and (query.number is None or _number_of(record) == query.number)
            and (self.release is None or getattr(record, "release", "") == self.release)
        )

    def is_tried_on_each(self, backend: BaseBackend) -> bool:
        """Return whether a backend returns open connections that do not match."""
        query = self.query
        is_by_worker = query.worker_ids is not None or query.number is not None
        return (
            self.endpoint is not None
            or (self.until_at is not None and not backend.pages_after)
            or (is_by_worker and not backend.pages_of_workers)
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Some connections that match, newest first, and what is known of the others."""

    records: Sequence[AnyConnection]
    """The connections."""
    total: int | None
    """How many match in all; ``None`` if that is not known."""
    next_place: str | None
    """Where to go on, in a text that is safe in a URL; ``None`` at the end."""
    complete: bool
    """False if connections may be missing."""
    is_sample: bool = False
    """Whether the list of ended connections had no room for all."""
    looked_at: int | None = None
    """How many connections were looked at, if the search stopped before the end with
    fewer matches than were asked for."""


def happened_at(record: AnyConnection | EndedRow[Any]) -> datetime.datetime:
    """Return when a connection opened, or closed, or was rejected."""
    if isinstance(record, ConnectionRecord):
        return record.connected_at
    if isinstance(record, EndedRow):
        return instant(record.at)
    if isinstance(record, ClosedConnection):
        return record.closed_at
    return record.rejected_at


def _number_of(record: ConnectionRecord | EndedRow[Any]) -> int | None:
    """Return the number of a connection in its worker; a rejected one has none."""
    if isinstance(record, EndedRow):
        return record.number
    return int(record.connection_id.rpartition("-")[2], 16)
