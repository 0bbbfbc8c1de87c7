"""``summary``: how many WebSockets are open, of which type, and what that covers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils import timezone

from django_socket_status.cli.formats import age_in_seconds, duration_text
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.notes import summary_notes, verify_covered
from django_socket_status.cli.tables import Column, Row, Table
from django_socket_status.records import Summary
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord

__all__ = ["read"]

#: What a summary covers, for people.
COVERAGES = {
    "process": "this process",
    "host": "this host",
    "cluster": "all hosts",
}

TYPES = (
    Column(name="type", title="TYPE"),
    Column(name="open", title="OPEN", is_number=True),
    Column(name="endpoint", title="ENDPOINT"),
)


def read(options: Mapping[str, Any]) -> Answer:
    """Return the summary.

    Raises:
        StatusUnavailableError: it cannot be read, or covers nothing but this process.
    """
    summary = SocketStatusService.get_socket_info_summary()
    verify_covered(summary)
    if options.get("json"):
        return Answer(body=summary)
    workers = SocketStatusService.get_workers()
    now = timezone.now()
    tables = [_facts(summary, workers)]
    if types := list(_types(summary)):
        tables.append(Table(name="types", columns=TYPES, rows=types))
    return Answer(
        body=summary,
        tables=tables,
        notes=list(summary_notes(summary, now, reporting=len(workers))),
    )


def _facts(summary: Summary, workers: Sequence[WorkerRecord]) -> Table:
    users = summary["unique_users"]
    facts = {
        "open": str(summary["total_sockets"]),
        "users": "not known" if users is None else str(users),
        "anonymous": str(summary["anonymous_sockets"]),
        "workers": _workers(summary, workers),
        "coverage": COVERAGES.get(summary["coverage"], summary["coverage"]),
    }
    rows = [Row(name, (name, text)) for name, text in facts.items()]
    return Table(
        name="facts",
        columns=(
            Column(name="fact", title=""),
            Column(name="value", title=""),
        ),
        rows=[*rows, *_ages(summary, workers)],
        has_titles=False,
    )


def _workers(summary: Summary, workers: Sequence[WorkerRecord]) -> str:
    text = str(len(workers))
    if idle := len(workers) - summary["workers"]:
        text += f", {idle} idle"
    if late := sum(it.is_late for it in workers):
        text += f", {late} late"
    return text


def _types(summary: Summary) -> Iterator[Row]:
    """Yield a row for each type that is open or could be."""
    counts, endpoints = summary["sockets_by_type"], summary["ws_endpoints"]
    for kind in sorted({*counts, *endpoints}):
        count = counts.get(kind, 0)
        is_counted = count or kind not in summary["uncounted_endpoints"]
        shown = str(count) if is_counted else "not counted"
        yield Row(kind, (kind, shown, endpoints.get(kind, "")))


def _ages(summary: Summary, workers: Sequence[WorkerRecord]) -> Iterator[Row]:
    """Yield how old the oldest report is, which is how old the answer may be."""
    if workers:
        taken_at = datetime.datetime.fromisoformat(summary["timestamp"])
        waited = age_in_seconds(taken_at, timezone.now())
        age = max(it.age_seconds for it in workers) + waited
        text = f"{duration_text(age)} ago"
        yield Row("age", ("oldest report", text), is_volatile=True)
