"""``totals``: how many connections opened, closed and were rejected, since when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils import timezone

from django_socket_status.activity.totals import Histogram
from django_socket_status.cli.formats import (
    age_in_seconds,
    duration_text,
    instant_text,
)
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.notes import verify_covered
from django_socket_status.cli.tables import Column, Row, Table
from django_socket_status.services import SocketStatusService
from django_socket_status.status.totals import TotalsRecord

__all__ = ["read"]

NOTHING = "No worker has reported totals yet."


def read(options: Mapping[str, Any]) -> Answer:
    """Return the totals since they began to count.

    Raises:
        StatusUnavailableError: they cannot be read now, or the backend keeps none.
    """
    verify_covered(SocketStatusService.get_socket_info_summary())
    found = SocketStatusService.get_totals()
    tables = [
        _types(found),
        _counts("causes", "CAUSE", "CLOSED", _sum(found.closed)),
        _counts("codes", "CODE", "CLOSED", found.close_codes),
        _counts("durations", "LASTED", "CLOSED", _buckets(found.durations)),
        _counts("statuses", "STATUS", "REJECTED", _sum(found.rejected)),
        _counts("accepts", "ACCEPTED IN", "OPENED", _buckets(found.accept_seconds)),
    ]
    return Answer(
        body=found.as_dict(),
        tables=[*_since(found), *(table for table in tables if table.rows)],
        notes=[NOTHING] if found.since is None else [],
    )


def _since(found: TotalsRecord) -> Iterator[Table]:
    if found.since is not None:
        age = duration_text(age_in_seconds(found.since, timezone.now()))
        columns = (
            Column(name="fact", title=""),
            Column(name="value", title=""),
            Column(name="age", title="", is_volatile=True),
        )
        row = Row("since", ("since", instant_text(found.since), f"{age} ago"))
        yield Table(name="since", columns=columns, rows=[row], has_titles=False)


def _types(found: TotalsRecord) -> Table:
    rows = []
    for kind in sorted({*found.opened, *found.closed, *found.rejected}):
        closed = sum(found.closed.get(kind, {}).values())
        rejected = sum(found.rejected.get(kind, {}).values())
        counts = (found.opened.get(kind, 0), closed, rejected)
        rows.append(Row(kind, (kind, *map(str, counts))))
    columns = (
        Column(name="type", title="TYPE"),
        Column(name="opened", title="OPENED", is_number=True),
        Column(name="closed", title="CLOSED", is_number=True),
        Column(name="rejected", title="REJECTED", is_number=True),
    )
    return Table(name="types", columns=columns, rows=rows)


def _counts(name: str, title: str, what: str, counts: Mapping[str, int]) -> Table:
    columns = (
        Column(name=name, title=title),
        Column(name="count", title=what, is_number=True),
    )
    rows = [Row(it, (it, str(count))) for it, count in counts.items() if count]
    return Table(name=name, columns=columns, rows=rows)


def _sum(counts: Mapping[str, Mapping[str, int]]) -> Mapping[str, int]:
    """Return the counts of all types together, the largest first."""
    total: Counter[str] = Counter()
    for numbers in counts.values():
        total.update(numbers)
    return dict(total.most_common())


def _buckets(histogram: Histogram) -> Mapping[str, int]:
    bounds: Sequence[float] = histogram.bounds
    names = [f"up to {_bound(it)}" for it in bounds] + [f"over {_bound(bounds[-1])}"]
    return dict(zip(names, histogram.buckets, strict=True))


def _bound(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    return f"{seconds:g} s" if seconds < 60 else duration_text(seconds)
