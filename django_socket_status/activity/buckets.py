"""The buckets of the history, and the samples that fill them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django_socket_status.activity.limits import SAMPLE_SECONDS
from django_socket_status.activity.totals import OTHER, Totals
from django_socket_status.validation import (
    damaged,
    valid_count,
    valid_counts,
    valid_seconds,
)

__all__ = [
    "EVENTS",
    "RECENT",
    "RINGS",
    "Flow",
    "Ring",
    "Sample",
    "include",
    "new_bucket",
    "sum_of",
    "verify_bucket",
    "verify_flow",
]

#: The types that a bucket distinguishes: the largest ones when it began.
MAX_TYPES = 20


class Ring(NamedTuple):
    """A number of buckets of equal length; a new one replaces the oldest."""

    name: str
    seconds: int
    length: int


#: The last hour, sample by sample, without types.
RECENT = Ring("10s", round(SAMPLE_SECONDS), 360)
#: Each ring of 60 buckets, by the span that it covers.
RINGS = {
    "1h": Ring("1h", 60, 60),
    "6h": Ring("6h", 360, 60),
    "1d": Ring("1d", 1440, 60),
    "7d": Ring("7d", 10_080, 60),
}
#: Single events; their number is a time in milliseconds.
EVENTS = Ring("events", 0, 500)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The state of the deployment at one instant."""

    at: float
    """Seconds since the epoch, by the backend's clock."""
    open: Mapping[str, int]
    """Open connections by type."""
    users: int | None
    workers: int
    """Processes that hold sockets."""
    stale: bool
    """Whether a report was missing, so that the numbers may be too small."""
    epoch: float
    """Since when the totals count."""
    totals: Totals


class Flow(NamedTuple):
    """What happened to the connections of one type between two samples."""

    opened: int
    closed: dict[str, int]
    rejected: int


def new_bucket(number: int) -> dict[str, Any]:
    """Return a bucket without samples."""
    return {
        "number": number,
        # Samples with a value; samples that a missing report made stale.
        "samples": 0,
        "stale": 0,
        "users": 0,
        "users_samples": 0,
        "workers": 0,
        "total": _new_series(),
        "types": {},
        "other": None,
    }


def _new_series() -> dict[str, Any]:
    return {
        "open": 0,
        "peak": None,
        "peak_at": None,
        "opened": 0,
        "closed": {},
        "rejected": 0,
    }


def include(bucket: dict[str, Any], sample: Sample, flows: Mapping[str, Flow]) -> None:
    """Add a sample to a bucket. O(types)."""
    if sample.stale:
        bucket["stale"] += 1
    else:
        bucket["samples"] += 1
        bucket["workers"] = max(bucket["workers"], sample.workers)
        if sample.users is not None:
            bucket["users"] += sample.users
            bucket["users_samples"] += 1
    types = bucket["types"]
    kinds = sorted({*sample.open, *flows}, key=lambda it: -sample.open.get(it, 0))
    for kind in kinds:
        if kind not in types and len(types) < MAX_TYPES and kind != OTHER:
            types[kind] = _new_series()
    rest = [kind for kind in {*kinds, *types} if kind not in types]
    if rest and bucket["other"] is None:
        bucket["other"] = _new_series()
    for kind, series in types.items():
        _add(series, sample, sample.open.get(kind, 0), [flows.get(kind)])
    if bucket["other"] is not None:
        count = sum(sample.open.get(kind, 0) for kind in rest)
        _add(bucket["other"], sample, count, [flows.get(kind) for kind in rest])
    _add(bucket["total"], sample, sum(sample.open.values()), list(flows.values()))


def _add(
    series: dict[str, Any], sample: Sample, count: int, flows: list[Flow | None]
) -> None:
    if not sample.stale:
        series["open"] += count
        if series["peak"] is None or count > series["peak"]:
            series["peak"], series["peak_at"] = count, round(sample.at, 3)
    for flow in flows:
        if flow is not None:
            series["opened"] += flow.opened
            series["rejected"] += flow.rejected
            series["closed"] = sum_of((series["closed"], flow.closed))


def sum_of(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of counts, by name."""
    total: dict[str, int] = {}
    for some in counts:
        for name, number in some.items():
            total[name] = total.get(name, 0) + number
    return total


def verify_bucket(bucket: Mapping[str, Any]) -> None:
    """Verify that a bucket has what :func:`include` adds to, and nothing negative.

    A newer version may have added more.

    Raises:
        BackendError: a value has another type or range.
        KeyError, TypeError, AttributeError: the shape is another one.
    """
    for name in ("samples", "stale", "users", "users_samples", "workers"):
        valid_count(bucket[name])
    given = [bucket["total"], *bucket["types"].values()]
    for series in given if bucket["other"] is None else [*given, bucket["other"]]:
        verify_flow(series)
        valid_count(series["open"])
        if series["peak"] is not None:
            valid_count(series["peak"])
            valid_seconds(series["peak_at"])
        elif series["peak_at"] is not None:
            raise damaged("the history")


def verify_flow(flow: Mapping[str, Any]) -> None:
    """Verify what opened, closed and was rejected, as :func:`verify_bucket`."""
    valid_count(flow["opened"])
    valid_count(flow["rejected"])
    valid_counts(flow["closed"])
