"""Judges readiness and health by what the workers reported."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from django_socket_status.conf import get_settings
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.health.answers import Health, HealthDetails, State
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.conditions import (
    Workers,
    aread_workers,
    read_workers,
)

__all__ = [
    "aread_health",
    "aread_readiness",
    "judge_health",
    "judge_readiness",
    "read_health",
    "read_readiness",
]

#: What is known while the backend cannot be read.
UNREADABLE = Health(checks={"backend": "failed", "workers": "unknown"})


def read_readiness() -> Health:
    """Return whether this host should get new connections. Waits less than a second.

    While the backend cannot be read, the checks are ``unknown``: an outage of the
    status must not take the site out of its load balancer.
    """
    try:
        return judge_readiness(read_workers().records, socket.gethostname())
    except StatusUnavailableError:
        return judge_readiness(None, "")


async def aread_readiness() -> Health:
    """Return whether this host is ready, as :func:`read_readiness`."""
    try:
        found = await aread_workers()
    except StatusUnavailableError:
        return judge_readiness(None, "")
    return judge_readiness(found.records, socket.gethostname())


def read_health() -> Health:
    """Return how the status of the deployment does. Waits less than a second."""
    try:
        return judge_health(read_workers())
    except StatusUnavailableError:
        return UNREADABLE


async def aread_health() -> Health:
    """Return how the status does, as :func:`read_health`."""
    try:
        return judge_health(await aread_workers())
    except StatusUnavailableError:
        return UNREADABLE


def judge_readiness(workers: Sequence[WorkerRecord] | None, host: str) -> Health:
    """Return whether a host should get new connections.

    All workers of the host count, because a probe reaches any of them: every process of
    a host gives the same answer, also one that serves no WebSockets.

    Args:
        workers: The workers of the deployment; ``None`` if they cannot be read.
        host: The name of the host.
    """
    limit = get_settings().ready_seconds
    names = ("drain", "sync_thread") if limit else ("drain",)
    if workers is None:
        return Health(checks=dict.fromkeys(names, "unknown"))
    own = [worker for worker in workers if worker.host == host]
    failing = {
        "drain": any(map(is_draining, own)),
        "sync_thread": any(_waits_longer(worker, limit) for worker in own),
    }
    return Health(checks={it: "failed" if failing[it] else "ok" for it in names})


def judge_health(found: Workers) -> Health:
    """Return how the status does, with its details."""
    reading, records = found
    late = sum(worker.is_late for worker in records)
    backend: State = "warning" if reading.stale else "ok"
    return Health(
        checks={"backend": backend, "workers": "warning" if late else "ok"},
        details=HealthDetails(
            coverage=reading.coverage,
            stale=reading.stale,
            workers=len(records),
            late_workers=late,
            draining_workers=sum(map(is_draining, records)),
            oldest_report_seconds=max(
                (round(worker.age_seconds, 3) for worker in records), default=None
            ),
        ),
    )


def is_draining(worker: WorkerRecord) -> bool:
    """Return whether a worker closes its connections because it will end."""
    return worker.is_draining


def _waits_longer(worker: WorkerRecord, limit: float) -> bool:
    condition = worker.condition
    wait = None if condition is None else condition.sync_thread_wait_seconds
    return wait is not None and wait > limit
