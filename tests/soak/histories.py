"""What is wrong with a history: a gap is no zero, and no sample makes a gap."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from django_socket_status.status.history_records import History, HistoryBucket
from tests.soak.ledger import Range

BUCKETS = 60


def of_history(
    history: History, began: datetime.datetime, outages: Sequence[tuple[float, float]]
) -> Iterator[str]:
    """Yield what cannot be true of a history.

    Args:
        history: Of the last hour.
        began: Since when there are workers.
        outages: From when until when no worker could write.
    """
    if len(history.buckets) != BUCKETS:
        yield f"history: {len(history.buckets)} buckets"
    length = datetime.timedelta(seconds=history.bucket_seconds)
    for bucket in history.buckets:
        yield from _of_bucket(bucket)
        is_before = bucket.starts_at + length < began
        if is_before and (bucket.samples or not bucket.expected_samples):
            yield f"history: no worker could sample then: {bucket}"
    for sample in history.samples:
        at = sample.at.timestamp()
        for since, until in outages:
            # A sample is of a second, and may have been on its way for another.
            if since + 1 < at and at + 1 < until:
                yield f"history: nothing could be written from {since}: {sample}"
    ats = [it.at for it in history.samples]
    if ats != sorted(set(ats)):
        yield "history: samples are not in the order of time"


def _of_bucket(bucket: HistoryBucket) -> Iterator[str]:
    numbers = (bucket.open_average, bucket.open_peak, bucket.workers)
    if bucket.samples > bucket.expected_samples:
        yield f"history: more samples than there can be: {bucket}"
    if not bucket.samples and any(it is not None for it in numbers):
        yield f"history: numbers in a gap: {bucket}"
    if bucket.samples and (
        bucket.open_average is None
        or bucket.open_peak is None
        or not 0 <= bucket.open_average <= bucket.open_peak
    ):
        yield f"history: no peak above the average: {bucket}"


def of_flows(
    history: History, before: Mapping[str, int], totals: Mapping[str, int]
) -> Iterator[str]:
    """Yield where a history says more, or less, than the totals that it is made of.

    Args:
        history: Of the last hour, in which everything happened.
        before: Counters that a sample has seen for sure.
        totals: The counters now.
    """
    buckets = history.buckets
    found = {
        "opened": sum(it.opened or 0 for it in buckets),
        "closed": sum(sum((it.closed or {}).values()) for it in buckets),
        "rejected": sum(it.rejected or 0 for it in buckets),
    }
    for name, number in found.items():
        possible = Range(_sum(before, name), _sum(totals, name))
        if number not in possible:
            yield f"history: {number} {name}, and the totals say {possible}"


def _sum(counters: Mapping[str, int], name: str) -> int:
    return sum(it for key, it in counters.items() if key.startswith(f"{name} "))
