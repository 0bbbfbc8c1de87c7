"""Makes metric families of numbers. Every name and label is written here."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from django_socket_status import __version__
from django_socket_status.activity.totals import OTHER, Histogram
from django_socket_status.contrib.outcomes import causes_of, results_of
from django_socket_status.contrib.prometheus.numbers import Numbers
from django_socket_status.status.totals import TotalsRecord

__all__ = ["PREFIX", "families"]

PREFIX = "django_socket_status"

#: The close codes that RFC 6455 and its registry name. They are always distinguished.
KNOWN_CODES = frozenset(map(str, range(1000, 1016)))
#: A client may send any of 2,000 other codes: above so many, all are ``other``.
MAX_CODES = 32

Rows = Iterable[tuple[Sequence[str], float]]


def families(numbers: Numbers | None, scope: str, backend: str) -> Iterator[Metric]:
    """Yield the families of numbers; with ``None``, that they are stale, and no number.

    Args:
        numbers: What to export.
        scope: ``"deployment"`` or ``"worker"``.
        backend: The name of the backend's class.
    """
    facts = {"version": __version__, "backend": backend, "scope": scope}
    if numbers is not None:
        facts["coverage"] = numbers.coverage
    yield InfoMetricFamily(PREFIX, "What these metrics cover.", facts)
    yield _gauge(
        "stale",
        "1 if the status cannot be read, or a report is missing; no number follows.",
        float(numbers is None),
    )
    if numbers is not None:
        yield from _now(numbers)
        if numbers.totals is not None and numbers.totals.since is not None:
            yield from _so_far(numbers.totals, numbers.totals.since.timestamp())


def _now(numbers: Numbers) -> Iterator[Metric]:
    idle = {} if numbers.totals is None else dict.fromkeys(numbers.totals.opened, 0)
    connections = sorted({**idle, **numbers.connections}.items())
    yield _gauges("connections", "Open WebSockets.", ["type"], _rows(connections))
    yield _gauge(
        "anonymous_connections",
        "Open WebSockets without a signed-in user.",
        numbers.anonymous,
    )
    if numbers.users is not None:
        yield _gauge("users", "Different users with an open WebSocket.", numbers.users)
    if numbers.workers is not None:
        rows = _rows(numbers.workers.items())
        yield _gauges("workers", "Processes that serve WebSockets.", ["state"], rows)
    for name, help_text, value in _times(numbers):
        if value is not None:
            yield _gauge(name, help_text, value)


def _times(numbers: Numbers) -> Sequence[tuple[str, str, float | None]]:
    return (
        (
            "oldest_report_age_seconds",
            "Seconds since the last report of the worker that is silent the longest.",
            numbers.oldest_report_age_seconds,
        ),
        (
            "loop_lag_seconds",
            "How long the slowest event loop let a callback wait.",
            numbers.loop_lag_seconds,
        ),
        (
            "sync_thread_wait_seconds",
            "How long sync consumers and queries wait for their one thread.",
            numbers.sync_thread_wait_seconds,
        ),
    )


def _so_far(totals: TotalsRecord, created: float) -> Iterator[Metric]:
    yield _counter(
        "connections_opened", "Accepted WebSockets.", ["type"], created, _opened(totals)
    )
    yield _counter(
        "connections_closed",
        "Closed WebSockets, by what ended them.",
        ["type", "cause"],
        created,
        _nested(causes_of(totals)),
    )
    yield _counter(
        "close_codes",
        "Closed WebSockets by close code.",
        ["code"],
        created,
        _rows(_codes(totals.close_codes).items()),
    )
    yield _counter(
        "handshakes",
        "Handshakes of WebSockets, by their result.",
        ["type", "result"],
        created,
        _nested(results_of(totals)),
    )
    failures: Rows = [((), totals.report_failures)]
    yield _counter(
        "report_failures", "Reports that were not taken.", [], created, failures
    )
    yield _histogram(
        "handshake_duration_seconds",
        "Seconds from the handshake to the accept.",
        [],
        created,
        [((), totals.accept_seconds)],
    )
    yield _histogram(
        "connection_duration_seconds",
        "Seconds for which closed WebSockets were open.",
        ["type"],
        created,
        [((kind,), it) for kind, it in totals.durations_by_type.items()],
    )


def _opened(totals: TotalsRecord) -> Rows:
    return _rows(totals.opened.items())


def _codes(codes: Mapping[str, int]) -> Mapping[str, int]:
    if len(codes.keys() - KNOWN_CODES - {OTHER}) <= MAX_CODES:
        return codes
    known = {code: count for code, count in codes.items() if code in KNOWN_CODES}
    return {**known, OTHER: sum(codes.values()) - sum(known.values())}


def _rows(items: Iterable[tuple[str, float]]) -> Rows:
    return [((name,), value) for name, value in items]


def _nested(counts: Mapping[str, Mapping[str, int]]) -> Rows:
    return [
        ((outer, inner), count)
        for outer, its in sorted(counts.items())
        for inner, count in sorted(its.items())
    ]


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", help_text, value)


def _gauges(name: str, help_text: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", help_text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _counter(
    name: str, help_text: str, labels: Sequence[str], created: float, rows: Rows
) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", help_text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value, created)
    return family


def _histogram(
    name: str,
    help_text: str,
    labels: Sequence[str],
    created: float,
    rows: Iterable[tuple[Sequence[str], Histogram]],
) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}_{name}", help_text, labels=labels)
    for values, histogram in rows:
        family.add_metric(values, _buckets(histogram), histogram.sum_seconds)
        named = dict(zip(labels, values, strict=True))
        family.add_sample(f"{family.name}_created", named, created)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus has them: each includes those before it."""
    bounds = [*map(str, map(float, histogram.bounds)), "+Inf"]
    sums = itertools.accumulate(histogram.buckets)
    return [(bound, float(it)) for bound, it in zip(bounds, sums, strict=True)]
