"""Reads what the overview shows, from one read of each kind."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.utils import timezone

from django_socket_status.activity.totals import Totals
from django_socket_status.admin.figures.details import Details, read_details
from django_socket_status.admin.figures.shared import shared_histories
from django_socket_status.admin.figures.words import ABNORMAL
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.records import instant
from django_socket_status.status.answers import SummaryRecord, WorkerRecord
from django_socket_status.status.conditions import read_workers
from django_socket_status.status.history import Histories
from django_socket_status.status.history_records import History
from django_socket_status.status.summary import script_root, summarize
from django_socket_status.status.totals import Counted, TotalsRecord, read_counted

__all__ = ["Facts", "Flow", "flow_of", "read_facts"]

#: Samples of ten seconds in a minute.
MINUTE = 6
#: Counts that are older were not read for this answer.
OLD = datetime.timedelta(seconds=2)


class Flow(NamedTuple):
    """What happened in a span."""

    opened: int
    closed: Mapping[str, int]
    """By cause."""
    rejected: int

    @property
    def closed_total(self) -> int:
        """Return how many connections closed."""
        return sum(self.closed.values())

    @property
    def abnormal_share(self) -> float | None:
        """Return the share of abnormal closes; ``None`` if none closed."""
        if not self.closed_total:
            return None
        abnormal = sum(self.closed.get(cause, 0) for cause in ABNORMAL)
        return abnormal / self.closed_total


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known now, and of the last hour."""

    summary: SummaryRecord
    workers: Sequence[WorkerRecord]
    totals: TotalsRecord | None
    """``None`` if the backend keeps none, or they cannot be read now."""
    histories: Histories | None
    """Of the last hour; ``None`` as above."""
    as_of: datetime.datetime
    closed_by_worker: Mapping[str, Mapping[str, int]] = dataclasses.field(
        default_factory=dict
    )
    """Connections that closed, by ``worker_id`` and cause; empty as ``totals``."""
    details: Mapping[str, Details] = dataclasses.field(default_factory=dict)
    """By type; without those of which nothing is known."""

    @property
    def is_old(self) -> bool:
        """Return whether the counts are of an earlier read, as this one failed."""
        return self.summary.stale and timezone.now() - self.as_of > OLD

    @property
    def has_more_users(self) -> bool:
        """Return whether a type may have more users than were counted."""
        return not all(it.is_exact for it in self.details.values())

    @property
    def hour(self) -> History | None:
        """Return the history of all types of the last hour."""
        return None if self.histories is None else self.histories.total

    @property
    def last_minute(self) -> Flow | None:
        """Return what happened in the last minute; ``None`` if it is not known."""
        samples = self.hour.samples[-MINUTE:] if self.hour else ()
        since = self.as_of - datetime.timedelta(seconds=80)
        recent = [it for it in samples if it.at >= since]
        if not recent:
            return None
        return _sum((it.opened, it.closed, it.rejected) for it in recent)

    @property
    def last_hour(self) -> Flow | None:
        """Return what happened in the last hour; ``None`` if it is not known."""
        return None if self.hour is None else flow_of(self.hour)


def read_facts() -> Facts:
    """Return what is known now.

    Raises:
        StatusUnavailableError: the counts cannot be read.
    """
    workers = read_workers()
    reading = workers.reading
    summary = SummaryRecord.of(summarize(reading, script_root()))
    counted = _counted()
    return Facts(
        summary=summary,
        workers=workers.records,
        totals=counted and counted.totals,
        closed_by_worker=_by_cause(counted.by_worker if counted else {}),
        histories=_histories(),
        as_of=instant(reading.taken_at),
        details=read_details(summary),
    )


def _counted() -> Counted | None:
    try:
        return read_counted()
    except (NotKeptError, StatusUnavailableError):
        return None


def _by_cause(workers: Mapping[str, Totals]) -> Mapping[str, Mapping[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for worker_id, totals in workers.items():
        counts = found.setdefault(worker_id, {})
        for causes in totals.closed.values():
            for cause, count in causes.items():
                counts[cause] = counts.get(cause, 0) + count
    return found


def _histories() -> Histories | None:
    try:
        return shared_histories("1h").histories
    except (NotKeptError, StatusUnavailableError):
        return None


def flow_of(history: History) -> Flow | None:
    """Return what happened in a span; ``None`` if all of it is a gap."""
    known = [it for it in history.buckets if it.opened is not None]
    if not known:
        return None
    return _sum((it.opened or 0, it.closed or {}, it.rejected or 0) for it in known)


def _sum(flows: Iterable[tuple[int, Mapping[str, int], int]]) -> Flow:
    opened, rejected = 0, 0
    closed: dict[str, int] = {}
    for more, causes, refused in flows:
        opened += more
        rejected += refused
        for cause, count in causes.items():
            closed[cause] = closed.get(cause, 0) + count
    return Flow(opened, closed, rejected)
