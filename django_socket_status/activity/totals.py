"""Counters of what happened to connections: they only grow.

A worker adds to its own :class:`Totals`. The store keeps one text for each worker; a
reader adds them.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django_socket_status.activity.bodies import HistogramBody
from django_socket_status.activity.newer import added, unknown
from django_socket_status.exceptions import BackendError

__all__ = [
    "ACCEPT_BOUNDS",
    "DURATION_BOUNDS",
    "MAX_CODES",
    "MAX_KINDS",
    "MAX_STATUSES",
    "OTHER",
    "Histogram",
    "Totals",
]

#: How many types, close codes and rejection statuses one worker distinguishes. All
#: others count as :data:`OTHER`.
MAX_KINDS, MAX_CODES, MAX_STATUSES = 50, 32, 16
OTHER = "other"

#: Upper bounds in seconds, inclusive as in OpenMetrics; the last bucket has none.
DURATION_BOUNDS = (0.1, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400, 604_800)
ACCEPT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

#: The largest number that JavaScript reads exactly (ECMA-262, MAX_SAFE_INTEGER).
_MAX = 2**53 - 1
#: More names than any worker distinguishes: the sum of all workers may have more.
_MAX_NAMES = 20_000

T = TypeVar("T")


@dataclasses.dataclass(slots=True)
class Histogram:
    """How many values fell into each bucket, and their sum in seconds."""

    bounds: tuple[float, ...]
    """The upper bound of each bucket but the last, in seconds, inclusive."""
    buckets: list[int] = dataclasses.field(default_factory=list)
    """How many values are in each bucket; one more than there are bounds."""
    sum_seconds: float = 0.0
    """The sum of all values."""

    def __post_init__(self) -> None:
        self.buckets = self.buckets or [0] * (len(self.bounds) + 1)

    def add(self, values: Iterable[float]) -> None:
        """Count values; one below zero, after a clock was set back, is zero."""
        values = [*values]
        found = map(bisect.bisect_left, itertools.repeat(self.bounds), values)
        for bucket, number in collections.Counter(found).items():
            self.buckets[bucket] += number
        self.sum_seconds += sum([it for it in values if it > 0])

    def include(self, other: Histogram, sign: int = 1) -> None:
        """Add another histogram, or subtract it."""
        self.buckets = [
            mine + sign * its
            for mine, its in zip(self.buckets, other.buckets, strict=True)
        ]
        # The rounding of a subtraction must not make a sum negative.
        self.sum_seconds = max(0.0, self.sum_seconds + sign * other.sum_seconds)

    def copy(self) -> Histogram:
        """Return a histogram of the same numbers that changes on its own."""
        return Histogram(self.bounds, list(self.buckets), self.sum_seconds)

    @property
    def count(self) -> int:
        """Return how many values there are."""
        return sum(self.buckets)

    def as_dict(self) -> HistogramBody:
        """Return the histogram as JSON has it; the last bucket has no bound."""
        return {
            "bounds_seconds": list(self.bounds),
            "buckets": list(self.buckets),
            "count": self.count,
            "sum_seconds": self.sum_seconds,
        }


def _durations() -> Histogram:
    return Histogram(DURATION_BOUNDS)


def _accepts() -> Histogram:
    return Histogram(ACCEPT_BOUNDS)


@dataclasses.dataclass(slots=True)
class Totals:
    """The counters of one worker, or the sum of several."""

    opened: dict[str, int] = dataclasses.field(default_factory=dict)
    """Accepted connections, by type."""
    closed: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """Closed connections, by type and cause."""
    rejected: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """Rejected handshakes, by type and HTTP status; also ``gone`` and ``error``."""
    codes: dict[str, int] = dataclasses.field(default_factory=dict)
    """Closed connections by close code (RFC 6455, section 7.4)."""
    durations: Histogram = dataclasses.field(default_factory=_durations)
    """How long closed connections were open."""
    durations_by_type: dict[str, Histogram] = dataclasses.field(default_factory=dict)
    """The same by type: :meth:`add_durations` adds to both."""
    accepts: Histogram = dataclasses.field(default_factory=_accepts)
    """The time from the handshake to the accept, of accepted connections."""
    report_failures: int = 0
    """Reports that the backend did not take."""
    newer: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What a newer version counted, as stored: see :mod:`.newer`."""

    def add_durations(self, kind: str, seconds: Sequence[float]) -> None:
        """Count how long connections of a type were open."""
        added = _durations()
        added.add(seconds)
        self.include_durations(kind, added)

    def include_durations(self, kind: str, other: Histogram) -> None:
        """Add a histogram of how long connections of a type were open."""
        self.durations.include(other)
        _include_histograms(self.durations_by_type, {kind: other}, 1)

    def include(self, other: Totals, sign: int = 1) -> None:
        """Add other totals, or subtract earlier ones of the same worker."""
        _include(self.opened, other.opened, sign)
        _include_nested(self.closed, other.closed, sign)
        _include_nested(self.rejected, other.rejected, sign)
        _include(self.codes, other.codes, sign)
        self.durations.include(other.durations, sign)
        _include_histograms(self.durations_by_type, other.durations_by_type, sign)
        self.accepts.include(other.accepts, sign)
        self.report_failures += sign * other.report_failures
        self.newer = added(self.newer, other.newer, sign)

    def copy(self) -> Totals:
        """Return totals of the same numbers that change on their own. O(types)."""
        return Totals(
            opened=dict(self.opened),
            closed={kind: dict(it) for kind, it in self.closed.items()},
            rejected={kind: dict(it) for kind, it in self.rejected.items()},
            codes=dict(self.codes),
            durations=self.durations.copy(),
            durations_by_type={
                kind: it.copy() for kind, it in self.durations_by_type.items()
            },
            accepts=self.accepts.copy(),
            report_failures=self.report_failures,
            newer=self.newer,
        )

    def open(self) -> dict[str, int]:
        """Return how many connections opened and did not close, by type."""
        found = {
            kind: count - sum(self.closed.get(kind, {}).values())
            for kind, count in self.opened.items()
        }
        return {kind: count for kind, count in found.items() if count}

    def close_open(self, cause: str) -> dict[str, int]:
        """Count all that is open as closed by one cause; return how many, by type.

        No code and no duration is counted: neither is known.
        """
        found = self.open()
        for kind, count in found.items():
            causes = self.closed.setdefault(kind, {})
            causes[cause] = causes.get(cause, 0) + count
        return found

    def to_text(self) -> str:
        """Return the totals as JSON, ASCII."""
        body = {
            **self.newer,
            "opened": self.opened,
            "closed": self.closed,
            "rejected": self.rejected,
            "codes": self.codes,
            "durations": _stored(self.durations),
            "durations_by_type": {
                kind: _stored(it) for kind, it in self.durations_by_type.items()
            },
            "accepts": _stored(self.accepts),
            "report_failures": self.report_failures,
        }
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Totals:
        """Return the totals of a text; an empty one is nothing.

        An older version wrote no ``durations_by_type``: its durations are those of
        :data:`OTHER`.

        Raises:
            BackendError: the text is damaged.
        """
        if not text:
            return cls()
        try:
            body = json.loads(text)
            by_type = body.get("durations_by_type", {OTHER: body["durations"]})
            return cls(
                opened=_counts(body["opened"]),
                closed={key: _counts(it) for key, it in body["closed"].items()},
                rejected={key: _counts(it) for key, it in body["rejected"].items()},
                codes=_counts(body["codes"]),
                durations=_histogram(body["durations"], DURATION_BOUNDS),
                durations_by_type=_histograms(by_type, DURATION_BOUNDS),
                accepts=_histogram(body["accepts"], ACCEPT_BOUNDS),
                report_failures=_counts({"": body.get("report_failures", 0)})[""],
                newer=unknown(body, cls.__slots__),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            msg = "The backend returned damaged data: the totals."
            raise BackendError(msg) from None


def _include(mine: dict[str, int], its: Mapping[str, int], sign: int) -> None:
    for name, number in its.items():
        total = mine.get(name, 0) + sign * number
        if total:
            mine[name] = total
        else:
            mine.pop(name, None)


def _include_nested(
    mine: dict[str, dict[str, int]], its: Mapping[str, Mapping[str, int]], sign: int
) -> None:
    for name, numbers in its.items():
        inner = mine.setdefault(name, {})
        _include(inner, numbers, sign)
        if not inner:
            del mine[name]


def _include_histograms(
    mine: dict[str, Histogram], its: Mapping[str, Histogram], sign: int
) -> None:
    for name, histogram in its.items():
        total = mine.setdefault(name, Histogram(histogram.bounds))
        total.include(histogram, sign)
        if not total.count:
            del mine[name]


def _stored(histogram: Histogram) -> list[float]:
    return [histogram.sum_seconds, *histogram.buckets]


def _histograms(value: Any, bounds: tuple[float, ...]) -> dict[str, Histogram]:
    if len(value) > _MAX_NAMES:
        raise ValueError
    found = {name: _histogram(it, bounds) for name, it in value.items()}
    return {name: it for name, it in found.items() if it.count}


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > _MAX_NAMES:
        raise ValueError
    for number in value.values():
        if type(number) is not int or not 0 <= number <= _MAX:
            raise ValueError
    return value


def _histogram(value: Any, bounds: tuple[float, ...]) -> Histogram:
    sum_seconds, *buckets = value
    if type(sum_seconds) not in (int, float) or not 0 <= sum_seconds < float("inf"):
        raise ValueError
    if len(buckets) != len(bounds) + 1:
        raise ValueError
    _counts(dict(enumerate(buckets)))
    return Histogram(bounds, buckets, float(sum_seconds))
