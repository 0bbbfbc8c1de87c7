"""Filters as people write them: an age, a host, a release."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence

from django_socket_status.status.answers import WorkerRecord

__all__ = ["age_in_text", "instant_ago", "worker_ids_of"]

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_AGE = re.compile(r"([0-9]{1,9}) ?(s|min|h|d)")


def age_in_text(text: str) -> int | None:
    """Return the seconds of ``30s``, ``10min``, ``2h`` or ``1d``; ``None`` for else."""
    match = _AGE.fullmatch(text)
    return None if match is None else int(match[1]) * UNITS[match[2]]


def instant_ago(seconds: int, now: datetime.datetime) -> datetime.datetime:
    """Return the instant so many seconds ago, the first one there is if need be."""
    try:
        return now - datetime.timedelta(seconds=seconds)
    except OverflowError:
        return datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)


def worker_ids_of(
    workers: Callable[[], Sequence[WorkerRecord]],
    *,
    worker: str | None = None,
    host: str | None = None,
    release: str | None = None,
) -> frozenset[str] | None:
    """Return the workers that are selected, ``None`` for any.

    Args:
        workers: Returns the workers that report; called for a host or a release.
        worker: The id of the only one.
        host: Only those of this host.
        release: Only those with this release.
    """
    if host is None and release is None:
        return None if worker is None else frozenset({worker})
    return frozenset(
        it.worker_id
        for it in workers()
        if worker in (None, it.worker_id)
        and host in (None, it.host)
        and release in (None, it.condition.release if it.condition else "")
    )
