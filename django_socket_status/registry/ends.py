"""What is kept of a WebSocket that ended until a drain counts it."""

from __future__ import annotations

import bisect
import collections
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.activity.totals import (
    ACCEPT_BOUNDS,
    DURATION_BOUNDS,
    Histogram,
)
from django_socket_status.asgi import Scope
from django_socket_status.registry.counts import CountKey
from django_socket_status.registry.lifecycle import (
    REJECTED,
    LiveConnection,
    Overrides,
    RawEnding,
)

__all__ = [
    "COUNTED_USER",
    "ENDING",
    "END_LIMIT",
    "ENTRY_LIMIT",
    "FACTS",
    "FACTS_AT",
    "IS_REJECTED",
    "KEY",
    "NUMBER",
    "OPENED_AT",
    "PLACE",
    "End",
    "Overflow",
    "OverflowedEnds",
    "PlainEnd",
    "QueuedEnd",
    "described_by",
    "plain_end",
    "plain_ends",
]

#: How many ends may wait for the next drain, of connections that no drain has counted.
#: Ends above this limit count without their type.
END_LIMIT = 10_000
#: With more counters, further close codes and statuses count as one.
_MAX_COUNTERS = 500


#: The most closed connections, and rejected handshakes, that one report lists.
ENTRY_LIMIT = 100
#: The keys of a scope that decide a connection's type, and those that describe it.
PLACE = ("path", "root_path", "path_remaining", "app_root_path")
FACTS = (*PLACE, "user", "url_route")

#: A queued end: the fields of an :class:`End`. For a counted connection: its key, these
#: fields, and the user and number that were counted. Plain tuples, since this is on the
#: socket's path.
PlainEnd = tuple[Any, ...]
QueuedEnd = tuple[Any, ...]
#: Where a plain end has its fields.
KEY, COUNTED_USER, NUMBER, OPENED_AT, ENDING, _, _, FACTS_AT, IS_REJECTED, _ = range(10)
_COUNTED_FIELDS = 3


class End(NamedTuple):
    """One connection or handshake that ended. It holds nothing of the server."""

    key: CountKey | None
    """What it was counted under; ``None`` if no drain has counted it."""
    counted_user: str | float | None
    """The user it was counted for, or the time of its handshake."""
    number: int
    opened_at: float
    """When it was accepted; when it was rejected, if it was."""
    ending: RawEnding
    source: Any
    overrides: Overrides | None
    facts: Sequence[Any] | None
    """The values of :data:`FACTS`, or the first of them; ``None`` if they cannot be
    read, or if the source alone gives the type."""
    is_rejected: bool
    connection: LiveConnection | None
    """The connection itself, while events are wanted."""

    def as_live(self) -> LiveConnection:
        """Return a connection that can be described as this one."""
        connection = LiveConnection()
        connection.source = self.source
        connection.scope = dict(zip(FACTS, self.facts or (), strict=False))
        connection.overrides = self.overrides
        connection.opened_at = self.opened_at
        connection.number = self.number
        return connection


def plain_ends(batch: Sequence[QueuedEnd]) -> list[PlainEnd]:
    """Return ends as they were queued, with the fields of an :class:`End`."""
    return [
        it
        if len(it) > _COUNTED_FIELDS
        and ((message := it[ENDING][2]) is None or type(message) is dict)
        else _plain(it)
        for it in batch
    ]


def _plain(queued: QueuedEnd) -> PlainEnd:
    if len(queued) == _COUNTED_FIELDS:
        key, plain, counted = queued
        queued = (key, *counted, *plain[3:])
    by, at, message = queued[ENDING]
    if message is None or type(message) is dict:
        return queued
    # A mapping of the host may do anything.
    ending = by, at, dict(_said(message))
    return (*queued[:ENDING], ending, *queued[ENDING + 1 :])


def described_by(scope: Scope | None) -> Scope | None:
    """Return what of a scope describes its connection. Must not raise."""
    if scope is None:
        return None
    try:
        return {name: scope.get(name) for name in FACTS}
    except Exception:  # noqa: BLE001 - a scope of the host may raise anything
        return {}


def plain_end(connection: LiveConnection, listened: bool, is_listed: bool) -> PlainEnd:
    """Return what stays of a connection that ended. Must not raise.

    Args:
        connection: The connection.
        listened: Whether the connection itself stays, for its events.
        is_listed: Whether all that describes it stays, and not only its type.
    """
    scope, source = connection.scope, connection.source
    facts: tuple[Any, ...] | None = None
    try:
        if scope is None:
            pass
        elif is_listed:
            facts = (
                scope.get("path"),
                scope.get("root_path"),
                scope.get("path_remaining"),
                scope.get("app_root_path"),
                scope.get("user"),
                scope.get("url_route"),
            )
        elif type(source) is not type:
            # Else a consumer class, whose type is the same on every path.
            if "path_remaining" not in scope and not scope.get("root_path"):
                # Then the path alone leads to the route.
                facts = (scope["path"],)
            else:
                facts = (
                    scope.get("path"),
                    scope.get("root_path"),
                    scope.get("path_remaining"),
                    scope.get("app_root_path"),
                )
    except Exception:  # noqa: BLE001
        # A scope of the host, or no room for a call. The end counts in any case.
        facts = None
    return (
        None,
        connection.counted_user,
        connection.number,
        connection.opened_at,
        connection.ending,
        source,
        connection.overrides,
        facts,
        connection.state == REJECTED,
        connection if listened else None,
    )


class OverflowedEnds(NamedTuple):
    """What an :class:`Overflow` counted since it was asked last."""

    ends: Sequence[tuple[bool, RawEnding, int]]
    """Whether they were rejected, how they ended, and how many did so."""
    durations: Histogram
    accepts: Histogram


class Overflow:
    """Counts ends without a lock, in a fixed amount of memory.

    Each counter is an :class:`itertools.count`, whose ``next()`` CPython completes
    before another thread runs. A reader calls ``next()`` as well, so it subtracts its
    own calls.
    """

    def __init__(self) -> None:
        self._counters: dict[tuple[Any, ...], Iterator[int]] = {}
        #: What each counter said last, and how often it was asked.
        self._asked: collections.Counter[tuple[Any, ...]] = collections.Counter()
        self._seen: dict[tuple[Any, ...], int] = {}

    def __bool__(self) -> bool:
        """Return whether anything was ever counted."""
        return bool(self._counters)

    def counter(self, ending: RawEnding, *, is_rejected: bool) -> Iterator[int]:
        """Return what counts an end, once, with ``next()``."""
        by, _, message = ending
        said = _said(message) if len(self._counters) < _MAX_COUNTERS else ()
        return self._counter("end", is_rejected, by, said)

    def add_times(self, handshake_at: object, opened_at: float, at: float) -> None:
        """Count how long a connection that was open waited and lasted."""
        self._add_time("duration", DURATION_BOUNDS, at - opened_at)
        if isinstance(handshake_at, float):
            self._add_time("accept", ACCEPT_BOUNDS, opened_at - handshake_at)

    def _add_time(self, name: str, bounds: tuple[float, ...], seconds: float) -> None:
        next(self._counter(name, "bucket", bisect.bisect_left(bounds, seconds)))
        # A sum that needs no lock: how often each bit of the milliseconds was set.
        milliseconds = max(0, round(seconds * 1000))
        for bit in range(milliseconds.bit_length()):
            if milliseconds >> bit & 1:
                next(self._counter(name, "bit", bit))

    def _counter(self, *key: Any) -> Iterator[int]:
        found = self._counters.get(key)
        return found or self._counters.setdefault(key, itertools.count())

    def take(self, now: float) -> OverflowedEnds:
        """Return what was counted since the last call. For one thread at a time.

        Args:
            now: Seconds since the epoch, for when they ended.
        """
        ends: list[tuple[bool, RawEnding, int]] = []
        times = {
            "duration": Histogram(DURATION_BOUNDS),
            "accept": Histogram(ACCEPT_BOUNDS),
        }
        for key in [*self._counters]:
            more = self._more(key)
            kind, *rest = key
            if not more:
                continue
            if kind == "end":
                is_rejected, by, said = rest
                ends.append((is_rejected, (by, now, dict(said)), more))
            elif rest[0] == "bucket":
                times[kind].buckets[rest[1]] += more
            else:
                times[kind].sum_seconds += more * 2 ** rest[1] / 1000
        return OverflowedEnds(ends, times["duration"], times["accept"])

    def _more(self, key: tuple[Any, ...]) -> int:
        count = next(self._counters[key]) - self._asked[key]
        self._asked[key] += 1
        more = count - self._seen.get(key, 0)
        self._seen[key] = count
        return more


def _said(message: Mapping[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    """Return what of a message decides the cause, the code and the status."""
    try:
        found = (
            []
            if message is None
            else [
                (name, message[name] if type(message[name]) is int else None)
                for name in ("code", "status")
                if name in message
            ]
        )
        if message is not None and "reason" in message:
            found.append(("reason", ""))
        return tuple(found)
    except Exception:  # noqa: BLE001 - a mapping of the host may raise anything
        return ()
