"""``workers``: the processes that serve WebSockets, and how they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils import timezone

from django_socket_status.cli.columns import Field, chosen, sort_key
from django_socket_status.cli.formats import (
    age_in_seconds,
    counted,
    duration_text,
    instant_text,
)
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.notes import NO_WORKER, verify_covered
from django_socket_status.cli.subcommands.lists import UNKNOWN, table_of
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.bodies import workers_body
from django_socket_status.status.conditions import Workers, read_workers

__all__ = ["FIELDS", "read"]


def _state(record: WorkerRecord) -> str:
    if record.is_late:
        return "late"
    if record.is_draining:
        return "draining"
    return "ok" if record.complete else "reporting"


def _release(record: WorkerRecord) -> str:
    return (record.condition and record.condition.release) or UNKNOWN


def _loop_lag(record: WorkerRecord) -> float | None:
    condition = record.condition
    return None if condition is None else condition.max_loop_lag_seconds


def _sync_wait(record: WorkerRecord) -> float | None:
    condition = record.condition
    return None if condition is None else condition.sync_thread_wait_seconds


def _sync_runs(record: WorkerRecord) -> str:
    return (record.condition and record.condition.sync_thread_runs) or UNKNOWN


def _loop_runs(record: WorkerRecord) -> str:
    return (record.condition and record.condition.loop_runs) or UNKNOWN


def _types(record: WorkerRecord) -> str:
    counts = sorted(record.sockets_by_type.items())
    return " ".join(f"{kind}={count}" for kind, count in counts) or UNKNOWN


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f} s"


def _up(record: WorkerRecord) -> str:
    return duration_text(age_in_seconds(record.started_at, timezone.now()))


_Field = Field[WorkerRecord]

#: The columns by name: what ``--columns`` and ``--sort`` take.
FIELDS: Mapping[str, Field[WorkerRecord]] = {
    it.name: it
    for it in (
        _Field("worker_id", "WORKER", lambda it: it.worker_id),
        _Field("host", "HOST", lambda it: it.host),
        _Field("pid", "PID", lambda it: str(it.pid), is_number=True),
        _Field("server", "SERVER", lambda it: it.server or UNKNOWN),
        _Field(
            "total_sockets", "OPEN", lambda it: str(it.total_sockets), is_number=True
        ),
        _Field("sockets_by_type", "TYPES", _types),
        _Field("state", "STATE", _state),
        _Field(
            "age",
            "REPORT",
            lambda it: duration_text(it.age_seconds),
            is_number=True,
            is_volatile=True,
            sort_by=lambda it: it.age_seconds,
        ),
        _Field(
            "up",
            "UP",
            _up,
            is_number=True,
            is_volatile=True,
            sort_by=lambda it: -it.started_at.timestamp(),
        ),
        _Field("started_at", "STARTED", lambda it: instant_text(it.started_at)),
        _Field("release", "RELEASE", _release),
        _Field(
            "loop_lag_seconds",
            "LOOP",
            lambda it: _seconds(_loop_lag(it)),
            is_number=True,
            sort_by=_loop_lag,
        ),
        _Field(
            "sync_thread_wait_seconds",
            "SYNC",
            lambda it: _seconds(_sync_wait(it)),
            is_number=True,
            sort_by=_sync_wait,
        ),
        _Field("sync_thread_runs", "RUNS", _sync_runs),
        _Field("loop_runs", "LOOP RUNS", _loop_runs),
    )
}

DEFAULT = (
    "host",
    "pid",
    "total_sockets",
    "state",
    "age",
    "up",
    "sync_thread_wait_seconds",
    "loop_lag_seconds",
    "server",
    "release",
)


def read(options: Mapping[str, Any]) -> Answer:
    """Return the workers, oldest first or as ``--sort`` says.

    Raises:
        StatusUnavailableError: they cannot be read, or the backend covers nothing but
            this process.
    """
    verify_covered(SocketStatusService.get_socket_info_summary())
    fields = chosen(options.get("columns"), FIELDS, DEFAULT)
    found = read_workers()
    if name := options.get("sort"):
        key = sort_key(name, FIELDS)
        records = sorted(found.records, key=key)
        found = Workers(found.reading, records)
    if options.get("reverse"):
        found = Workers(found.reading, list(found.records)[::-1])
    return Answer(
        body=workers_body(found),
        tables=table_of("workers", fields, found.records, lambda it: it.worker_id),
        notes=list(_notes(found)),
    )


def _notes(found: Workers) -> Iterator[str]:
    if not found.records:
        yield NO_WORKER
    if late := sum(it.is_late for it in found.records):
        yield (
            f"{counted(late, 'worker')} missed a report: its lease ends soon, unless "
            "it reports again."
        )
    if reporting := sum(not it.complete for it in found.records):
        yield f"{counted(reporting, 'worker')} has not reported all connections yet."
