"""Counts what happened to the connections of this process: totals, and a short list.

Totals never fall. How many opened is the sum of those that closed and those that are
open, so the three agree, also after an exception interrupted a drain.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django_socket_status.activity.entries import EndedConnection, RejectedHandshake
from django_socket_status.activity.totals import (
    MAX_CODES,
    MAX_KINDS,
    MAX_STATUSES,
    OTHER,
    Totals,
)
from django_socket_status.endings import Cause
from django_socket_status.limits import bounded_text
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.causes import Causes
from django_socket_status.registry.counts import Counts
from django_socket_status.registry.ends import (
    ENTRY_LIMIT,
    End,
    OverflowedEnds,
    QueuedEnd,
)
from django_socket_status.registry.lifecycle import RawEnding

__all__ = ["ENTRY_LIMIT", "EntryList", "Tally", "status_of"]

#: Bytes of a close reason: RFC 6455, section 5.5.
MAX_REASON = 123

DescribeEnd = Callable[[End], OpenedConnection]


@dataclasses.dataclass(slots=True)
class EntryList:
    """The first ended connections since the last report, and how many more ended."""

    closed: list[EndedConnection] = dataclasses.field(default_factory=list)
    rejected: list[RejectedHandshake] = dataclasses.field(default_factory=list)
    closed_left_out: int = 0
    rejected_left_out: int = 0

    def clear(self) -> None:
        """Begin again."""
        self.closed, self.rejected = [], []
        self.closed_left_out = self.rejected_left_out = 0

    def add_closed(self, end: End, causes: Causes, describe: DescribeEnd) -> None:
        """List a closed connection, if there is room."""
        if len(self.closed) >= ENTRY_LIMIT or not end.is_described:
            self.closed_left_out += 1
            return
        _, at, code, reason, cause = causes.decide(end.ending)
        reason = bounded_text(reason, MAX_REASON)
        self.closed.append(EndedConnection(describe(end), at, cause, code, reason))

    def add_rejected(self, end: End, status: str, describe: DescribeEnd) -> None:
        """List a rejected handshake, if there is room."""
        if len(self.rejected) >= ENTRY_LIMIT or not end.is_described:
            self.rejected_left_out += 1
        else:
            self.rejected.append(RejectedHandshake(describe(end), status))


class _Settled(NamedTuple):
    """What was counted. One assignment replaces all of it."""

    totals: Totals
    """Without what opened."""
    batch: list[QueuedEnd]
    """The ends that were added last."""


class Tally:
    """The totals of one process. For one thread at a time."""

    def __init__(self) -> None:
        #: Taken out of the intake, to be counted.
        self._batch: list[QueuedEnd] = []
        self._settled = _Settled(Totals(), self._batch)
        #: The types that are told apart.
        self._types: set[str] = {OTHER}
        self.entries = EntryList()
        #: When the totals began to count, in seconds since the epoch.
        self.began_at = time.time()
        #: Reports that the backend did not take.
        self.report_failures = 0
        #: Whether the backend keeps such a list, as far as is known.
        self.lists_ends = True

    @property
    def is_empty(self) -> bool:
        """Return whether nothing has ended so far."""
        totals = self._settled.totals
        return not totals.closed and not totals.rejected

    def batch(self) -> list[QueuedEnd]:
        """Return the ends that were taken out of the intake and are not counted yet."""
        if self._settled.batch is self._batch:
            self._batch = []
        return self._batch

    def type_of(self, kind: str) -> str:
        """Return the name under which a type is counted: at most 50, and ``other``."""
        if kind not in self._types:
            if len(self._types) > MAX_KINDS:
                return OTHER
            self._types.add(kind)
        return kind

    def totals(self, counts: Counts) -> Totals:
        """Return the totals, with what is open. O(types)."""
        totals = self._settled.totals.copy()
        opened = {kind: sum(it.values()) for kind, it in totals.closed.items()}
        for kind, number in counts.opened_as.items():
            if number:
                opened[kind] = opened.get(kind, 0) + number
        totals.opened = opened
        totals.report_failures = self.report_failures
        return totals

    def add_accepts(self, seconds: Iterable[float]) -> None:
        """Count how long connections waited for their accept."""
        totals = self._settled.totals.copy()
        totals.accepts.add(seconds)
        self._settled = self._settled._replace(totals=totals)

    def add(
        self,
        ends: Sequence[End],
        causes: Causes,
        describe: DescribeEnd,
        kind_of: Callable[[End], str],
    ) -> None:
        """Count ends, and list the first ones. O(ends).

        Args:
            ends: Those of :meth:`batch`, in their order.
            causes: Decides the causes.
            describe: Returns the record of what ended.
            kind_of: Returns its type alone.
        """
        totals = self._settled.totals.copy()
        waits: list[float] = []
        durations: dict[str, list[float]] = {}
        for end in ends:
            kind = end.key.opened_as if end.key else self.type_of(kind_of(end))
            if end.is_rejected:
                self._add_rejected(totals, kind, end, describe)
                continue
            cause, code = causes.outcome(end.ending)
            _add_ending(totals, kind, cause, code, 1)
            durations.setdefault(kind, []).append(end.ending[1] - end.opened_at)
            if end.key is None and isinstance(end.counted_user, float):
                waits.append(end.opened_at - end.counted_user)
            if self.lists_ends:
                self.entries.add_closed(end, causes, describe)
        for kind, seconds in durations.items():
            totals.add_durations(kind, seconds)
        totals.accepts.add(waits)
        self._settled = _Settled(totals, self._batch)

    def _add_rejected(
        self, totals: Totals, kind: str, end: End, describe: DescribeEnd
    ) -> None:
        status = status_of(end.ending)
        _add_status(totals, kind, status, 1)
        if self.lists_ends:
            self.entries.add_rejected(end, status, describe)

    def add_overflowed(self, overflowed: OverflowedEnds, causes: Causes) -> None:
        """Count ends whose types were given up."""
        totals = self._settled.totals.copy()
        for is_rejected, ending, number in overflowed.ends:
            if is_rejected:
                _add_status(totals, OTHER, status_of(ending), number)
                self.entries.rejected_left_out += number
            else:
                _add_ending(totals, OTHER, *causes.outcome(ending), number)
                self.entries.closed_left_out += number
        totals.include_durations(OTHER, overflowed.durations)
        totals.accepts.include(overflowed.accepts)
        self._settled = self._settled._replace(totals=totals)


def status_of(ending: RawEnding) -> str:
    """Return the HTTP status of a rejected handshake, ``"gone"`` or ``"error"``.

    A close before the accept is answered with 403 (ASGI specification, "Close").
    ``"gone"``: the client left, or the server ended the application, before an answer.
    ``"error"``: the application ended without an answer, or the server's ``send``
    raised.
    """
    by, _, message = ending
    if by in ("client", "cancel"):
        return "gone"
    if by != "server" or message is None:
        return "error"
    if "status" not in message:
        return "403"
    status = message["status"]
    return str(status) if type(status) is int and 100 <= status <= 999 else "error"


def _add_ending(
    totals: Totals, kind: str, cause: Cause, code: int | None, number: int
) -> None:
    causes = totals.closed.setdefault(kind, {})
    causes[cause] = causes.get(cause, 0) + number
    if code is not None:
        _add(totals.codes, str(code), number, MAX_CODES)


def _add_status(totals: Totals, kind: str, status: str, number: int) -> None:
    statuses = totals.rejected.setdefault(kind, {})
    _add(statuses, status, number, MAX_STATUSES)


def _add(counts: dict[str, Any], name: str, number: int, limit: int) -> None:
    """Add to a counter; with so many of them, a new name is counted as ``other``."""
    if name not in counts and len(counts.keys() - _ALWAYS) >= limit:
        name = name if name in _ALWAYS else OTHER
    counts[name] = counts.get(name, 0) + number


_ALWAYS = frozenset({OTHER, "gone", "error"})
