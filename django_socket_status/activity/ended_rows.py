"""Reads the stored form of ended connections, without making a record of each.

A list has up to 10,000 entries and shows 100 of them. So each entry is validated, and
stays as it was stored until a reader asks for its record.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from django_socket_status.activity.entries import ClosedConnection, RejectedConnection
from django_socket_status.exceptions import BackendError
from django_socket_status.records import OpenedConnection, connection_id, instant
from django_socket_status.validation import (
    damaged,
    valid_count,
    valid_opened,
    valid_seconds,
    valid_text,
)

__all__ = [
    "ClosedEntries",
    "ClosedRow",
    "EndedRow",
    "RejectedRow",
    "read_closed",
    "read_rejected",
]

R = TypeVar("R", ClosedConnection, RejectedConnection)

#: What reading a value of another type or range raises.
_DAMAGE = (BackendError, LookupError, ValueError, TypeError, OverflowError)


class EndedRow(Generic[R]):
    """One valid entry: what lists are filtered and sorted by.

    Args:
        worker_id: Whose connection it was.
        release: The release that this worker ran.
        entry: An :class:`.OpenedConnection` and what ended it, as stored.

    Raises:
        BackendError: the entry is damaged; or another error of ``_DAMAGE``.
    """

    __slots__ = ("at", "entry", "release", "worker_id")

    def __init__(self, worker_id: str, release: str, entry: Sequence[Any]) -> None:
        self.worker_id, self.release, self.entry = worker_id, release, entry
        valid_opened(OpenedConnection(*entry[:6]))
        #: When the connection ended, in seconds since the epoch.
        self.at = self._ended_at()

    def _ended_at(self) -> float:
        """Validate how the connection ended, and return when."""
        raise NotImplementedError

    def record(self) -> R:
        """Return the public record."""
        raise NotImplementedError

    @property
    def number(self) -> int | None:
        """Return the number in its worker; ``None`` for a rejected handshake."""
        return None

    @property
    def type(self) -> str:
        """Return what it was counted by."""
        return self.entry[1]  # type: ignore[no-any-return]

    @property
    def endpoint(self) -> str:
        """Return the pattern of its route."""
        return self.entry[2]  # type: ignore[no-any-return]

    @property
    def user_id(self) -> str | None:
        """Return the user's primary key as text."""
        return self.entry[3]  # type: ignore[no-any-return]

    @property
    def labels(self) -> Mapping[str, str]:
        """Return its labels."""
        return self.entry[4]  # type: ignore[no-any-return]


class ClosedRow(EndedRow[ClosedConnection]):
    """One closed connection."""

    __slots__ = ()

    def _ended_at(self) -> float:
        closed_at, cause, code, reason = self.entry[6:10]
        valid_text(cause)
        valid_text(reason)
        if code is not None:
            valid_count(code)
        return valid_seconds(closed_at)

    @property
    def number(self) -> int:
        """Return its number in its worker."""
        return self.entry[0]  # type: ignore[no-any-return]

    @property
    def connection_id(self) -> str:
        """Return its public id."""
        return connection_id(self.worker_id, self.number)

    @property
    def cause(self) -> str:
        """Return why it closed."""
        return self.entry[7]  # type: ignore[no-any-return]

    @property
    def close_code(self) -> int | None:
        """Return the close code."""
        return self.entry[8]  # type: ignore[no-any-return]

    def record(self) -> ClosedConnection:
        """Return the public record."""
        opened_at = self.entry[5]
        return ClosedConnection(
            connection_id=self.connection_id,
            type=self.type,
            endpoint=self.endpoint,
            user_id=self.user_id,
            labels=self.labels,
            connected_at=instant(opened_at),
            worker_id=self.worker_id,
            cause=self.cause,
            close_code=self.close_code,
            close_reason=self.entry[9],
            closed_at=instant(self.at),
            duration_seconds=max(0.0, self.at - opened_at),
            release=self.release,
        )


class RejectedRow(EndedRow[RejectedConnection]):
    """One rejected handshake."""

    __slots__ = ()

    def _ended_at(self) -> float:
        valid_text(self.status)
        return self.entry[5]  # type: ignore[no-any-return]

    @property
    def status(self) -> str:
        """Return how it was rejected."""
        return self.entry[6]  # type: ignore[no-any-return]

    def record(self) -> RejectedConnection:
        """Return the public record."""
        return RejectedConnection(
            type=self.type,
            endpoint=self.endpoint,
            user_id=self.user_id,
            labels=self.labels,
            rejected_at=instant(self.at),
            worker_id=self.worker_id,
            status=self.status,
            release=self.release,
        )


class ClosedEntries(NamedTuple):
    """What one text has of closed connections."""

    rows: list[ClosedRow]
    """Oldest first."""
    returned: list[str]
    """The ids of connections that are open again."""
    is_whole: bool
    """Whether every entry could be read."""
    count_number: int = 0
    """The count of the worker that a store folded, after which connections were listed
    as lost, or came back. So a list tells the two apart in whatever order they came."""


def read_closed(text: str) -> ClosedEntries:
    """Return the closed connections of a text.

    Raises:
        BackendError: the text is damaged as a whole.
    """
    worker_id, release, entries, count_number = _body(text)
    returned: list[str] = []

    def row(entry: Sequence[Any]) -> ClosedRow | None:
        if entry[6] is not None:
            return ClosedRow(worker_id, release, entry)
        returned.append(connection_id(worker_id, valid_count(entry[0])))
        return None

    rows, is_whole = _rows(row, entries)
    return ClosedEntries(rows, returned, is_whole, count_number)


def read_rejected(text: str) -> tuple[list[RejectedRow], bool]:
    """Return the rejected handshakes of a text, oldest first, and whether that is all.

    Raises:
        BackendError: the text is damaged as a whole.
    """
    worker_id, release, entries, _ = _body(text)
    return _rows(lambda entry: RejectedRow(worker_id, release, entry), entries)


_Row = TypeVar("_Row", ClosedRow, RejectedRow)


def _rows(
    make: Callable[[Sequence[Any]], _Row | None], entries: Sequence[Any]
) -> tuple[list[_Row], bool]:
    """Return the rows of the entries that can be read, and whether those are all."""
    found: list[_Row] = []
    is_whole = True
    for entry in entries:
        try:
            row = make(entry)
        except _DAMAGE:
            is_whole = False
            continue
        if row is not None:
            found.append(row)
    return found, is_whole


def _body(text: str) -> tuple[str, str, Sequence[Any], int]:
    try:
        body = json.loads(text, parse_constant=lambda name: math.nan)
        worker_id, release = valid_text(body["worker"]), valid_text(body["release"])
        entries, count_number = body["entries"], valid_count(body.get("count", 0))
    except (*_DAMAGE, AttributeError, RecursionError):
        raise damaged("ended connections") from None
    if not isinstance(entries, list):
        raise damaged("ended connections")
    return worker_id, release, entries, count_number
