"""The numbers that metrics are made of, read before anything is encoded."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from django_socket_status.activity.conditions import Condition
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import Coverage
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.conditions import conditions_of
from django_socket_status.status.own import OwnNumbers, aread_own, read_own
from django_socket_status.status.reader import status_reader
from django_socket_status.status.reading import Reading
from django_socket_status.status.summary import summarize, worker_records
from django_socket_status.status.totals import TotalsRecord, totals_of

__all__ = [
    "STATES",
    "Numbers",
    "Scope",
    "adeployment_numbers",
    "aworker_numbers",
    "deployment_numbers",
    "worker_numbers",
]

#: Whether numbers are those of all workers, or of this process.
Scope = Literal["deployment", "worker"]

#: The states of a worker. Each worker is in one: the first that applies.
STATES = ("draining", "late", "serving")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is exported at one instant. ``None`` is not exported."""

    scope: Scope
    coverage: Coverage
    connections: Mapping[str, int]
    """How many are open, by type."""
    anonymous: int
    totals: TotalsRecord | None
    users: int | None = None
    workers: Mapping[str, int] | None = None
    """How many there are, by state."""
    oldest_report_age_seconds: float | None = None
    loop_lag_seconds: float | None = None
    """That of the slowest event loop of the slowest worker."""
    sync_thread_wait_seconds: float | None = None
    """That of the slowest worker."""


def deployment_numbers() -> Numbers | None:
    """Return the numbers of all workers; ``None`` if they cannot be read, or are stale.

    Waits less than a second.
    """
    began = monotonic()
    try:
        reading = status_reader.read()
        if not _is_current(reading):
            return None
        used = monotonic() - began
        stored = status_reader.ask(_stored, used_seconds=used)
    except StatusUnavailableError:
        return None
    return _of_deployment(reading, stored)


async def adeployment_numbers() -> Numbers | None:
    """Return the numbers of all workers, as :func:`deployment_numbers`."""
    began = monotonic()
    try:
        reading = await status_reader.aread()
        if not _is_current(reading):
            return None
        used = monotonic() - began
        stored = await status_reader.aask(_stored, used_seconds=used)
    except StatusUnavailableError:
        return None
    return _of_deployment(reading, stored)


def worker_numbers() -> Numbers | None:
    """Return the numbers of this process; ``None`` if it counts all the time."""
    return _of_worker(read_own())


async def aworker_numbers() -> Numbers | None:
    """Return the numbers of this process, as :func:`worker_numbers`."""
    return _of_worker(await aread_own())


def _is_current(reading: Reading) -> bool:
    """Return whether a reading has the latest report of every worker."""
    return reading.whole and not reading.stale


#: The totals, ``None`` if the backend keeps none; and the conditions by worker.
_Stored = tuple[TotalsRecord | None, Mapping[str, Condition]]


def _stored(backend: BaseBackend) -> _Stored:
    totals = totals_of(backend) if "totals" in backend.keeps else None
    return totals, conditions_of(backend)


def _of_deployment(reading: Reading, stored: _Stored) -> Numbers:
    totals, conditions = stored
    summary = summarize(reading)
    workers = worker_records(reading, conditions)
    return Numbers(
        scope="deployment",
        coverage=reading.coverage,
        connections=summary["sockets_by_type"],
        users=summary["unique_users"],
        anonymous=summary["anonymous_sockets"],
        totals=totals,
        workers=_by_state(workers),
        oldest_report_age_seconds=max((it.age_seconds for it in workers), default=None),
        loop_lag_seconds=_max(it.max_loop_lag_seconds for it in conditions.values()),
        sync_thread_wait_seconds=_max(
            it.sync_thread_wait_seconds for it in conditions.values()
        ),
    )


def _of_worker(own: OwnNumbers | None) -> Numbers | None:
    if own is None:
        return None
    return Numbers(
        scope="worker",
        coverage="process",
        connections=own.counts,
        anonymous=own.anonymous,
        totals=own.totals,
        loop_lag_seconds=own.condition.max_loop_lag_seconds,
        sync_thread_wait_seconds=own.condition.sync_thread_wait_seconds,
    )


def _by_state(workers: Sequence[WorkerRecord]) -> Mapping[str, int]:
    found = Counter(map(_state_of, workers))
    return {state: found[state] for state in STATES}


def _state_of(worker: WorkerRecord) -> str:
    if worker.is_draining:
        return "draining"
    return "late" if worker.is_late else "serving"


def _max(values: Iterable[float | None]) -> float | None:
    return max((it for it in values if it is not None), default=None)
