"""Reads the history: what was open, opened, closed and rejected, over time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.activity.buckets import (
    EVENTS,
    RECENT,
    RINGS,
    Ring,
    verify_bucket,
    verify_flow,
)
from django_socket_status.activity.history import last_event
from django_socket_status.activity.limits import SAMPLE_SECONDS
from django_socket_status.activity.stored import Bucket
from django_socket_status.backends.base import BaseBackend
from django_socket_status.exceptions import BackendError
from django_socket_status.records import instant
from django_socket_status.status.arguments import choice_of, type_of
from django_socket_status.status.history_records import (
    SPANS,
    History,
    HistoryBucket,
    HistoryEvent,
    HistorySample,
    Span,
)
from django_socket_status.status.kept import kept
from django_socket_status.status.reader import status_reader
from django_socket_status.validation import (
    valid_count,
    valid_seconds,
    valid_text,
)

__all__ = ["Histories", "aget_history", "get_histories", "get_history"]

#: What reading a value of another type or range raises.
_DAMAGE = (
    BackendError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
)

#: What a bucket has of a type of which nothing was open, opened, closed or rejected.
_NOTHING = {"open": 0, "peak": 0, "peak_at": None, "opened": 0, "rejected": 0}


def get_history(span: Span = "1h", type: str | None = None) -> History:
    """Return the history of the last hour, six hours, day or week.

    Args:
        span: ``"1h"``, ``"6h"``, ``"1d"`` or ``"7d"``: 60 buckets of a 60th of it.
        type: Only connections of this type. Each bucket distinguishes the 20 largest
            types.

    Raises:
        ValueError: there is no such span.
        TypeError: an argument is not a string.
        StatusUnavailableError: it cannot be read now.
        NotKeptError: the backend keeps none.
    """
    return status_reader.ask(_question(span, type))


async def aget_history(span: Span = "1h", type: str | None = None) -> History:
    """Return the history, as :meth:`get_history`."""
    return await status_reader.aask(_question(span, type))


class Histories(NamedTuple):
    """The history of all types together, and that of each type, from one read."""

    total: History
    by_type: Mapping[str, History]


def get_histories(span: Span = "1h") -> Histories:
    """Return the history of all types, as :func:`get_history`, and of each type.

    The types are those that at least one bucket distinguishes.
    """
    choice_of("span", span, SPANS)

    def ask(backend: BaseBackend) -> Histories:
        stored = _stored(backend, span, with_samples=span == "1h")
        total = stored.history(None)
        return Histories(total, {kind: stored.history(kind) for kind in total.types})

    return status_reader.ask(kept("history", "history", ask))


def _question(span: Span, type: str | None) -> Callable[[BaseBackend], History]:
    choice_of("span", span, SPANS)
    kind = type_of(type)
    return kept("history", "history", lambda backend: _read(backend, span, kind))


def _read(backend: BaseBackend, span: Span, kind: str | None) -> History:
    with_samples = span == "1h" and kind is None
    return _stored(backend, span, with_samples=with_samples).history(kind)


def _stored(backend: BaseBackend, span: Span, *, with_samples: bool) -> _Stored:
    ring = RINGS[span]
    stored = backend.read_totals()
    now = time.time() if stored is None else valid_seconds(stored.now)
    newest = int(now // ring.seconds)
    first = newest - ring.length + 1
    since = first * ring.seconds
    wanted = {ring.name: first, EVENTS.name: since * 1000}
    if with_samples:
        wanted[RECENT.name] = int(since // RECENT.seconds)
    found = _Found(backend.read_buckets(wanted))
    if stored is not None:
        found.expect(EVENTS, last_event(stored.carry), since * 1000)
    return _Stored(span, found, first, now)


class _Stored:
    """What was read for a span."""

    def __init__(self, span: Span, found: _Found, first: int, now: float) -> None:
        self._span, self._ring, self._now = span, RINGS[span], now
        self._numbers = range(first, first + self._ring.length)
        self._bodies = dict(found.read(self._ring, _verified_bucket))
        self._samples = [it for _, it in found.read(RECENT, _sample)]
        self._events = [it for _, it in found.read(EVENTS, _event)]
        self._is_whole = found.is_whole

    def history(self, kind: str | None) -> History:
        """Return the history of a type, or of all types."""
        bodies = self._bodies
        return History(
            span=self._span,
            type=kind,
            types=sorted({it for body in bodies.values() for it in body["types"]}),
            bucket_seconds=self._ring.seconds,
            buckets=[
                _bucket(bodies.get(number), self._ring, number, kind, self._now)
                for number in self._numbers
            ],
            samples=self._samples if kind is None else [],
            events=self._events,
            complete=self._is_whole,
        )


class _Found:
    """The buckets that were read, and whether all of them could be."""

    def __init__(self, buckets: Sequence[Bucket]) -> None:
        self._buckets = sorted(buckets, key=lambda it: it.number)
        self.is_whole = True

    def expect(self, ring: Ring, number: int, since: int) -> None:
        """Note that a bucket was written, and so is there unless its ring was lost."""
        known = {it.number for it in self._buckets if it.ring == ring.name}
        self.is_whole = self.is_whole and (number < since or number in known)

    def read(
        self, ring: Ring, record: Callable[[int, Any], Any]
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number and the record of each bucket of a ring, oldest first."""
        for bucket in self._buckets:
            if bucket.ring != ring.name:
                continue
            try:
                body = json.loads(bucket.text, parse_constant=_refuse)
                yield bucket.number, record(valid_count(bucket.number), body)
            except _DAMAGE:
                self.is_whole = False


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _bucket(
    body: Any, ring: Ring, number: int, kind: str | None, now: float
) -> HistoryBucket:
    starts_at = number * ring.seconds
    passed = min(now - starts_at, ring.seconds)
    expected = max(0, int(passed // SAMPLE_SECONDS))
    if body is None:
        return HistoryBucket(
            starts_at=instant(starts_at), samples=0, expected_samples=expected
        )
    samples = body["samples"]
    series = _series_of(body, kind)
    users = body["users_samples"]
    return HistoryBucket(
        starts_at=instant(starts_at),
        samples=samples,
        expected_samples=max(samples, expected),
        is_told_apart=series is not None,
        users_average=body["users"] / users if users else None,
        workers=body["workers"] if samples else None,
        **({} if series is None else _numbers(series, samples)),
    )


def _series_of(body: Any, kind: str | None) -> Mapping[str, Any] | None:
    """Return what is known of a type; ``None`` if the type may be among the others."""
    if kind is None:
        return body["total"]  # type: ignore[no-any-return]
    if kind in body["types"]:
        return body["types"][kind]  # type: ignore[no-any-return]
    return {**_NOTHING, "closed": {}} if body["other"] is None else None


def _numbers(series: Mapping[str, Any], samples: int) -> dict[str, Any]:
    peak_at = series["peak_at"]
    return {
        "open_average": series["open"] / samples if samples else None,
        # Without a peak, the type occurred in samples alone that are stale.
        "open_peak": series["peak"] or 0 if samples else None,
        "peak_at": None if peak_at is None else instant(peak_at),
        "opened": series["opened"],
        "closed": series["closed"],
        "rejected": series["rejected"],
    }


def _verified_bucket(number: int, body: Any) -> Any:
    verify_bucket(body)
    return body


def _sample(number: int, body: Any) -> HistorySample:
    verify_flow(body)
    for name in ("open", "users"):
        if body[name] is not None:
            valid_count(body[name])
    return HistorySample(
        at=instant(valid_seconds(number * RECENT.seconds)),
        open=body["open"],
        users=body["users"],
        workers=valid_count(body["workers"]),
        opened=body["opened"],
        closed=body["closed"],
        rejected=body["rejected"],
        # Older versions did not say.
        seconds=valid_count(body.get("seconds", RECENT.seconds)),
    )


def _event(number: int, body: Any) -> HistoryEvent:
    return HistoryEvent(
        at=instant(valid_seconds(number / 1000)),
        kind=valid_text(body["kind"]),
        facts={name: value for name, value in body.items() if name != "kind"},
    )
