"""The rows of the overview's tables."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import NamedTuple

from django.utils.translation import gettext as _

from django_socket_status.admin.figures.attention import name_of
from django_socket_status.admin.figures.details import Details
from django_socket_status.admin.figures.facts import Facts, Flow, flow_of
from django_socket_status.admin.figures.words import cause_text, code_text, status_text
from django_socket_status.admin.page import Page
from django_socket_status.conf import get_settings
from django_socket_status.endings import CAUSES
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.wording import decimal_text

__all__ = [
    "CountRow",
    "EndpointRow",
    "TypeRow",
    "WorkerRow",
    "cause_rows",
    "code_rows",
    "endpoint_rows",
    "rejected_rows",
    "release_rows",
    "type_rows",
    "worker_rows",
]


class TypeRow(NamedTuple):
    """A type with open connections."""

    name: str
    url: str
    open: int
    share: int
    """In percent."""
    details: Details | None
    """``None`` if not known."""
    opened_per_minute: str
    """In the last hour; empty if not known."""
    abnormal: int | None
    """The share of abnormal closes in the last hour, in percent."""


def type_rows(page: Page, facts: Facts) -> list[TypeRow]:
    """Return the types with open connections, the largest first."""
    counts = sorted(facts.summary.sockets_by_type.items(), key=lambda it: (-it[1], it))
    histories = facts.histories.by_type if facts.histories else {}
    flows = {kind: flow_of(history) for kind, history in histories.items()}
    return [
        _type_row(page, facts, kind, count, flows.get(kind))
        for kind, count in counts
        if count
    ]


def _type_row(
    page: Page, facts: Facts, kind: str, count: int, flow: Flow | None
) -> TypeRow:
    share = None if flow is None else flow.abnormal_share
    return TypeRow(
        name=kind,
        url=page.link("open", type=kind),
        open=count,
        share=round(100 * count / facts.summary.total_sockets),
        details=facts.details.get(kind),
        opened_per_minute="" if flow is None else decimal_text(flow.opened / 60),
        abnormal=None if share is None else round(100 * share),
    )


class EndpointRow(NamedTuple):
    """A URL that serves WebSockets."""

    name: str
    path: str
    open: int
    is_counted: bool


def endpoint_rows(facts: Facts) -> list[EndpointRow]:
    """Return the endpoints without an open connection, or that are not counted."""
    counts, uncounted = facts.summary.sockets_by_type, facts.summary.uncounted_endpoints
    rows = [
        EndpointRow(kind, path, counts.get(kind, 0), kind not in uncounted)
        for kind, path in sorted(facts.summary.ws_endpoints.items())
    ]
    return [row for row in rows if not (row.open and row.is_counted)]


class CountRow(NamedTuple):
    """How often something happened."""

    name: str
    text: str
    url: str
    number: int
    share: int
    """In percent."""


def cause_rows(page: Page, facts: Facts) -> list[CountRow]:
    """Return why connections closed, since the totals count."""
    counts: dict[str, int] = {}
    for causes in facts.totals.closed.values() if facts.totals else ():
        _add(counts, causes)
    return [
        CountRow(
            cause,
            cause_text(cause),
            page.link("closed", cause=cause) if cause in CAUSES else "",
            *more,
        )
        for cause, *more in _ordered(counts)
    ]


def code_rows(page: Page, facts: Facts) -> list[CountRow]:
    """Return the close codes, since the totals count."""
    counts = facts.totals.close_codes if facts.totals else {}
    return [
        CountRow(
            code,
            code_text(code),
            page.link("closed", code=code) if code.isdecimal() else "",
            *more,
        )
        for code, *more in _ordered(counts)
    ]


def rejected_rows(page: Page, facts: Facts) -> list[CountRow]:
    """Return rejected handshakes by type and status, since the totals count."""
    counts: dict[str, int] = {}
    for kind, statuses in facts.totals.rejected.items() if facts.totals else ():
        _add(counts, {f"{kind}\n{status}": it for status, it in statuses.items()})
    rows = []
    for key, *more in _ordered(counts):
        kind, _separator, status = key.rpartition("\n")
        query = {"code": status} if status.isdecimal() else {}
        url = page.link("rejected", type=kind, **query)
        rows.append(CountRow(kind, status_text(status), url, *more))
    return rows


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """Return keys, counts and shares in percent, the most frequent first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda it: (-it[1], it[0]))
    return [(key, count, round(100 * count / total)) for key, count in ordered if count]


class WorkerRow(NamedTuple):
    """A process that serves WebSockets."""

    key: str
    name: str
    url: str
    server: str
    release: str
    started_at: datetime.datetime
    reported_at: datetime.datetime | None
    """Only of a late worker, or if it is old: otherwise each report changes it."""
    is_late: bool
    is_complete: bool
    is_draining: bool
    open: int
    lag: str
    wait: str


def worker_rows(page: Page, facts: Facts) -> list[WorkerRow]:
    """Return the workers, oldest first."""
    return [_worker_row(page, it, is_old=facts.is_old) for it in facts.workers]


def _worker_row(page: Page, worker: WorkerRecord, *, is_old: bool) -> WorkerRow:
    condition = worker.condition
    return WorkerRow(
        key=worker.worker_id,
        name=name_of(worker),
        url=page.link("open", worker=worker.worker_id),
        server=worker.server,
        release=condition.release if condition else "",
        started_at=worker.started_at,
        reported_at=worker.reported_at if worker.is_late or is_old else None,
        is_late=worker.is_late,
        is_complete=worker.complete,
        # An older release, which cannot drain, reports no such flag.
        is_draining=worker.is_draining,
        open=worker.total_sockets,
        lag=_waited(condition.max_loop_lag_seconds if condition else None),
        wait=_waited(condition.sync_thread_wait_seconds if condition else None),
    )


def _waited(seconds: float | None) -> str:
    """Return a wait in words: the number only from a tenth of the limit on.

    A number that changes with each report would change the page each time.
    """
    if seconds is None:
        return _("not known")
    floor = get_settings().slow_seconds / 10
    if seconds < floor:
        return _("under %(seconds)s s") % {"seconds": decimal_text(floor, 2)}
    return _("%(seconds)s s") % {"seconds": decimal_text(seconds)}


def release_rows(facts: Facts) -> list[CountRow]:
    """Return the releases that run, if there are several: open connections of each."""
    counts: dict[str, int] = {}
    for worker in facts.workers:
        release = worker.condition.release if worker.condition else ""
        _add(counts, {release: worker.total_sockets})
    if len(counts) < 2:
        return []
    total = sum(counts.values())
    return [
        CountRow(name, "", "", count, round(100 * count / total) if total else 0)
        for name, count in sorted(counts.items())
    ]
