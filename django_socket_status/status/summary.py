"""Makes the summary and the list of workers from what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.urls import get_script_prefix

from django_socket_status.activity.conditions import Condition
from django_socket_status.conf import get_settings
from django_socket_status.records import Summary, instant
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.reading import Reading

__all__ = ["script_root", "summarize", "worker_records"]


def script_root() -> str:
    """Return the root path of the current request, or else of the settings."""
    root = get_script_prefix().rstrip("/")
    return root or (settings.FORCE_SCRIPT_NAME or "").rstrip("/")


def summarize(reading: Reading, root: str = "") -> Summary:
    """Return the summary of a reading. O(workers, types and endpoints).

    Args:
        reading: The reading.
        root: The root path of the server, a prefix of each endpoint.
    """
    served = reading.served
    given = get_settings().endpoints
    workers = reading.snapshot.workers
    counts = _counts_by_type(reading)
    total = sum(counts.values())
    return {
        "active": total > 0,
        "total_sockets": total,
        "sockets_by_type": counts,
        "timestamp": instant(reading.taken_at).isoformat(timespec="microseconds"),
        "ws_endpoints": {} if served is None else served.urls_below(root, given),
        "unique_users": reading.snapshot.unique_users,
        "anonymous_sockets": sum(status.anonymous for status in workers),
        "workers": sum(status.total_sockets > 0 for status in workers),
        "coverage": reading.coverage,
        "stale": reading.stale,
        "endpoints_known": served is not None,
        "uncounted_endpoints": (
            {} if served is None else served.uncounted_below(root, given)
        ),
    }


def worker_records(
    reading: Reading, conditions: Mapping[str, Condition]
) -> Sequence[WorkerRecord]:
    """Return the workers of a reading, oldest first."""
    records = [
        WorkerRecord.of(
            status,
            taken_at=reading.taken_at,
            condition=conditions.get(status.worker.worker_id),
        )
        for status in reading.snapshot.workers
    ]
    return sorted(records, key=lambda it: (it.started_at, it.worker_id))


def _counts_by_type(reading: Reading) -> dict[str, int]:
    counts: dict[str, int] = {}
    for status in reading.snapshot.workers:
        for kind, count in status.counts.items():
            counts[kind] = counts.get(kind, 0) + count
    return dict(sorted(counts.items()))
