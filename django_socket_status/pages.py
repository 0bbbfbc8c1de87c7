"""Open connections as workers report them and as readers list them, page by page.

The order of a list never changes while a connection is open: newest first, and by
worker and number where connections opened at the same instant. So a page can begin
after a *cursor*, the place of the last connection that was listed. Connections that
open or close meanwhile do not move the place, also if they include that connection.
"""

from __future__ import annotations

import base64
import bisect
import dataclasses
import datetime
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, overload

from django_socket_status.users import primary_key

__all__ = [
    "START",
    "ConnectionPage",
    "ConnectionQuery",
    "ConnectionRecord",
    "Cursor",
    "OpenedConnection",
    "connection_id",
    "instant",
]


class OpenedConnection(NamedTuple):
    """One accepted WebSocket as a report carries it, without its worker.

    A tuple costs a third of a dataclass, and one is made for every connection that is
    open for longer than a report interval.
    """

    number: int
    """Its number in this worker. A worker uses a number once."""
    type: str
    """What it is counted by."""
    endpoint: str
    """The pattern of its route; empty if not known."""
    user_id: str | None
    """The user's primary key as text; ``None`` for an anonymous connection."""
    labels: Mapping[str, str]
    """Its labels, by name."""
    opened_at: float
    """Seconds since the epoch, by the worker's wall clock."""


class Cursor(NamedTuple):
    """The place of one connection in the order of every list."""

    opened_at: float
    """As in :class:`OpenedConnection`."""
    worker_id: str
    """The ``worker_id`` of its process."""
    number: int
    """As in :class:`OpenedConnection`."""

    @classmethod
    def of(cls, worker_id: str, opened: OpenedConnection) -> Cursor:
        """Return the place of a connection that a worker reported."""
        return cls(opened.opened_at, worker_id, opened.number)

    @property
    def rank(self) -> tuple[float, str, int]:
        """Return what the connections of a list are sorted by."""
        return (-self.opened_at, self.worker_id, self.number)

    @property
    def text(self) -> str:
        """Return the cursor as text that is safe in a URL."""
        packed = _PACKED.pack(self.opened_at, self.number)
        packed += self.worker_id.encode(errors="replace")
        return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Return the cursor that a text stands for.

        Raises:
            ValueError: it stands for none.
        """
        padded = text + "=" * (-len(text) % 4)
        try:
            packed = base64.b64decode(padded, altchars=b"-_", validate=True)
            opened_at, number = _PACKED.unpack_from(packed)
            worker_id = packed[_PACKED.size :].decode()
        except (ValueError, struct.error) as error:
            raise ValueError("The text is no cursor.") from error
        if not 0 <= opened_at < math.inf or number > MAX_NUMBER:
            raise ValueError("The text is no cursor.")
        return cls(opened_at, worker_id, number)


#: The place before the first connection of every list. It has no text.
START = Cursor(math.inf, "", -1)

#: ``opened_at`` and ``number`` of a cursor; the worker's id follows.
_PACKED = struct.Struct("!dQ")

#: The largest number that SQLite and JavaScript read exactly.
MAX_NUMBER = 2**53 - 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionQuery:
    """Which connections to list, and which part of the list."""

    type: str | None = None
    """Only connections of this type; ``None`` for all."""
    user_id: str | None = None
    """Only connections of this user; ``None`` for all."""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Only connections that have all of these labels."""
    anonymous: bool = False
    """Whether to list only connections without a user."""
    limit: int = 100
    """The most connections to return."""
    offset: int = 0
    """How many matching connections to skip; 0 with ``after``."""
    after: Cursor | None = None
    """List only connections that come after this place; ``None`` for all."""
    worker_ids: frozenset[str] | None = None
    """Only connections of these workers; ``None`` for all. Readers set it only if the
    backend has ``pages_of_workers``."""
    number: int | None = None
    """Only connections with this number, as ``worker_ids``."""

    def matches_worker(self, worker_id: str) -> bool:
        """Return whether connections of a worker may be among those to list."""
        return self.worker_ids is None or worker_id in self.worker_ids

    def matches(self, opened: OpenedConnection) -> bool:
        """Return whether a connection is one of those to list."""
        return (
            (self.type is None or opened.type == self.type)
            and (self.number is None or opened.number == self.number)
            and (self.user_id is None or opened.user_id == self.user_id)
            and not (self.anonymous and opened.user_id is not None)
            and all(opened.labels.get(key) == it for key, it in self.labels.items())
        )

    def reaches(self, worker_id: str, opened_at: float, number: int) -> bool:
        """Return whether a place comes after the cursor, if there is one."""
        after = self.after
        if after is None:
            return True
        if opened_at != after.opened_at:
            return opened_at < after.opened_at
        return (after.worker_id, after.number) < (worker_id, number)

    def page_of(self, found: list[tuple[str, OpenedConnection]]) -> ConnectionPage:
        """Return the page of all that match, each with the id of its worker.

        Leave out no match: ``total`` is their number, wherever the page begins.
        """
        found.sort(key=_rank)
        first = self.offset
        if self.after is not None:
            first += bisect.bisect_right(found, self.after.rank, key=_rank)
        end = first + self.limit
        page = found[first:end]
        return ConnectionPage(
            connections=tuple(ConnectionRecord.of(*item) for item in page),
            total=len(found),
            limit=self.limit,
            offset=self.offset,
            after=self.after,
            next_cursor=Cursor.of(*page[-1]) if end < len(found) else None,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRecord:
    """One accepted WebSocket that is open."""

    connection_id: str
    """The worker's id and a number; no other connection ever has it."""
    type: str
    """What it is counted by."""
    endpoint: str
    """The pattern of its route, such as ``/ws/call/<room>/``; empty if unknown."""
    user_id: str | None
    """The user's primary key as text; ``None`` for an anonymous connection."""
    labels: Mapping[str, str]
    """Its labels, by name."""
    connected_at: datetime.datetime
    """When it was accepted, by the clock of its host: aware, UTC."""
    worker_id: str
    """The ``worker_id`` of its process."""

    @property
    def user_pk(self) -> Any:
        """Return the user's primary key as ``AUTH_USER_MODEL`` has it: an int, a UUID.

        The same text as ``user_id`` if the user model cannot have this key; ``None``
        for an anonymous connection.
        """
        return None if self.user_id is None else primary_key(self.user_id)

    @classmethod
    def of(cls, worker_id: str, opened: OpenedConnection) -> ConnectionRecord:
        """Return the public record of a connection that a worker reported."""
        return cls(
            connection_id=connection_id(worker_id, opened.number),
            type=opened.type,
            endpoint=opened.endpoint,
            user_id=opened.user_id,
            # A copy: connections may share a dictionary, and a caller may change it.
            labels=dict(opened.labels),
            connected_at=instant(opened.opened_at),
            worker_id=worker_id,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPage(Sequence[ConnectionRecord]):
    """A part of the list of connections, newest first; itself a sequence."""

    connections: Sequence[ConnectionRecord]
    """The connections of this page, newest first."""
    total: int | None
    """The number of matching connections on all pages. After a cursor, it may be
    ``None``: the counts of the workers do not say it, and a search would have to read
    all that match."""
    limit: int
    """The most connections on a page."""
    offset: int
    """How many matching connections come before this page; 0 after a cursor."""
    complete: bool = True
    """False while connections may be missing because workers have to report again."""
    after: Cursor | None = None
    """The place that the page comes after; ``None`` if it was found by its offset."""
    next_cursor: Cursor | None = None
    """The place that the next page comes after; ``None`` on the last page, and if the
    backend has ``pages_after = False``."""

    @overload
    def __getitem__(self, index: int) -> ConnectionRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ConnectionRecord]: ...
    def __getitem__(
        self, index: int | slice
    ) -> ConnectionRecord | Sequence[ConnectionRecord]:
        return self.connections[index]

    def __len__(self) -> int:
        return len(self.connections)

    @property
    def next_offset(self) -> int | None:
        """Return the offset of the next page, ``None`` on the last one.

        Always ``None`` on a page after a cursor.
        """
        if self.after is not None or self.total is None:
            return None
        end = self.offset + len(self.connections)
        return end if self.connections and end < self.total else None

    @property
    def next_after(self) -> str | None:
        """Return what the next page is asked for with: ``after=page.next_after``.

        ``None`` on the last page. With a backend whose ``pages_after`` is false, always
        ``None``: such a backend has ``next_offset`` alone.
        """
        return None if self.next_cursor is None else self.next_cursor.text


def connection_id(worker_id: str, number: int) -> str:
    """Return the public id of a worker's connection: unique over all workers."""
    return f"{worker_id}-{number:x}"


def _rank(found: tuple[str, OpenedConnection]) -> tuple[float, str, int]:
    worker_id, opened = found
    return (-opened.opened_at, worker_id, opened.number)


def instant(seconds: float) -> datetime.datetime:
    """Return the aware UTC instant of ``seconds`` since the epoch."""
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)
