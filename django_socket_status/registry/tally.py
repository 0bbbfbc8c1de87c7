"""Counts what happened to the connections of this process: totals, and a short list.

Totals never fall. How many opened is the sum of those that closed and those that are
open, so the three agree, also after an exception interrupted a drain.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.activity.totals import (
    MAX_CODES,
    MAX_KINDS,
    MAX_STATUSES,
    OTHER,
    Totals,
)
from django_socket_status.endings import Cause
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.causes import SERVICE_RESTART, Causes
from django_socket_status.registry.counts import Counts
from django_socket_status.registry.ends import (
    COUNTED_USER,
    ENDING,
    NUMBER,
    OPENED_AT,
    PLACE,
    End,
    OverflowedEnds,
    PlainEnd,
    QueuedEnd,
)
from django_socket_status.registry.entry_list import (
    DescribeEnd,
    EntryList,
    status_of,
)

__all__ = ["Tally"]

#: So many of the facts give a connection its type.
PLACED = len(PLACE)


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
        #: The types that are distinguished.
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
        ends: Sequence[PlainEnd],
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
        listed = self.entries.described(ends, describe) if self.lists_ends else []
        records = {id(end): record for end, record in listed}
        rejected = 0
        for (kind, by, said), alike in self._alike(ends, records, kind_of).items():
            if by is None:
                rejected += len(alike)
                _add_status(totals, kind, said, len(alike))
                continue
            _add_ending(totals, kind, *causes.outcome(alike[0][ENDING]), len(alike))
            totals.add_durations(kind, [it[ENDING][1] - it[OPENED_AT] for it in alike])
            totals.accepts.add(
                it[OPENED_AT] - it[COUNTED_USER]
                for it in alike
                # With a number, a drain has added it already.
                if not it[NUMBER] and isinstance(it[COUNTED_USER], float)
            )
        if self.lists_ends:
            closed = len(ends) - rejected
            self.entries.add(listed, causes, closed=closed, rejected=rejected)
        self._settled = _Settled(totals, self._batch)

    def _alike(
        self,
        ends: Sequence[PlainEnd],
        records: Mapping[int, OpenedConnection],
        kind_of: Callable[[End], str],
    ) -> dict[tuple[Any, ...], list[PlainEnd]]:
        """Return ends by their type, what ended them, and what the message said.

        Rejected ones: by their type, ``None``, and their status.
        """
        found: dict[tuple[Any, ...], list[PlainEnd]] = {}
        kinds: dict[Any, str] = {}
        for end in ends:
            key, _, _, _, ending, source, overrides, facts, is_rejected, _ = end
            by, _, message = ending
            said: Any = None
            if is_rejected:
                by, said = None, status_of(ending)
            elif message is not None:
                code = message.get("code")
                if code is None or (type(code) is int and code != SERVICE_RESTART):
                    said = code, "reason" in message
                else:
                    # It is not like any other, or may have no hash.
                    said = id(end)
            if key is not None:
                kind = key.opened_as
            else:
                where = (id(source), *facts[:PLACED]) if facts else id(source)
                try:
                    kind = kinds[where] if overrides is None else ""
                except (KeyError, TypeError):
                    # A path that is no text may have no hash.
                    kind = ""
                if not kind:
                    record = records.get(id(end))
                    kind = self.type_of(record.type if record else kind_of(End(*end)))
                    if overrides is None:
                        with contextlib.suppress(TypeError):
                            kinds[where] = kind
            alike = found.get((kind, by, said))
            if alike is None:
                alike = found[kind, by, said] = []
            alike.append(end)
        return found

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
