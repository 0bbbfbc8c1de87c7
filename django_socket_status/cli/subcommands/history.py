"""``history``: how many WebSockets were open, opened and closed, over time."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.cli.formats import counted, instant_text
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.notes import verify_covered
from django_socket_status.cli.tables import Column, Row, Table
from django_socket_status.services import SocketStatusService
from django_socket_status.status.history_records import (
    History,
    HistoryBucket,
    HistoryEvent,
)

__all__ = ["read"]

GAP = "-"
#: The length of the bar of the largest peak.
BAR = 16

COLUMNS = (
    # Never cut: instants that lose their ends look the same.
    Column(name="starts_at", title="FROM", is_whole=True),
    Column(name="open_average", title="OPEN", is_number=True),
    Column(name="open_peak", title="PEAK", is_number=True),
    Column(name="opened", title="OPENED", is_number=True),
    Column(name="closed", title="CLOSED", is_number=True),
    Column(name="rejected", title="REJECTED", is_number=True),
    Column(name="samples", title="SAMPLES", is_number=True),
    Column(name="bar", title="PLOT"),
)

EVENTS = (
    Column(name="at", title="AT"),
    Column(name="kind", title="EVENT"),
    Column(name="facts", title="FACTS"),
)


def read(options: Mapping[str, Any]) -> Answer:
    """Return the history of a span, newest first.

    The gap before the first sample is left out of the table.

    Raises:
        StatusUnavailableError: it cannot be read now, or the backend keeps none.
    """
    verify_covered(SocketStatusService.get_socket_info_summary())
    found = SocketStatusService.get_history(
        options.get("span") or "1h", type=options.get("type")
    )
    events = [_event(number, it) for number, it in enumerate(found.events)]
    tables = []
    if rows := list(_buckets(found)):
        tables.append(Table(name="buckets", columns=COLUMNS, rows=rows))
    if events:
        tables.append(Table(name="events", columns=EVENTS, rows=events[::-1]))
    return Answer(body=found.as_dict(), tables=tables, notes=list(_notes(found)))


def _buckets(found: History) -> Iterator[Row]:
    highest = max((it.open_peak or 0 for it in found.buckets), default=0)
    for bucket in reversed(_known(found)):
        at = _minute(bucket.starts_at)
        yield Row(at, _cells(bucket, at, highest))


def _known(found: History) -> Sequence[HistoryBucket]:
    """Return the buckets from the first one with a sample on."""
    buckets = found.buckets
    first = next((i for i, it in enumerate(buckets) if it.samples), len(buckets))
    return buckets[first:]


def _minute(at: datetime.datetime) -> str:
    return at.astimezone(datetime.timezone.utc).strftime("%m-%d %H:%MZ")


def _cells(bucket: HistoryBucket, at: str, highest: int) -> tuple[str, ...]:
    average, peak = bucket.open_average, bucket.open_peak
    return (
        at,
        GAP if average is None else f"{average:.1f}",
        _number(peak),
        _number(bucket.opened),
        _number(None if bucket.closed is None else sum(bucket.closed.values())),
        _number(bucket.rejected),
        f"{bucket.samples}/{bucket.expected_samples}",
        "#" * -(-BAR * peak // highest) if peak and highest else "",
    )


def _number(count: int | None) -> str:
    return GAP if count is None else str(count)


def _event(number: int, event: HistoryEvent) -> Row:
    at = instant_text(event.at)
    facts = " ".join(f"{name}={value}" for name, value in event.facts.items())
    return Row(f"{at} {number}", (at, event.kind, facts))


def _notes(found: History) -> Iterator[str]:
    if not found.complete:
        yield "The history is not complete: a part of it in the store is damaged."
    known = _known(found)
    if not known:
        yield "There is no sample in this span, so nothing is known of it."
    elif len(known) < len(found.buckets):
        yield f"Nothing is known before {instant_text(known[0].starts_at)}."
    if gaps := sum(not it.samples for it in known):
        yield f"{counted(gaps, 'part')} without a sample: nothing is known of it."
    if mixed := sum(not it.is_told_apart for it in known):
        yield (
            f"{counted(mixed, 'part')} in which the type is not told apart: it was not "
            "among the 20 largest."
        )
