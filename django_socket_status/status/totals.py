"""Reads the counters: how many connections opened and closed, and why, since when."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, NamedTuple

from django_socket_status.activity.as_json import as_json
from django_socket_status.activity.totals import Histogram, Totals
from django_socket_status.backends.base import BaseBackend
from django_socket_status.records import instant
from django_socket_status.status.kept import kept
from django_socket_status.status.reader import status_reader
from django_socket_status.validation import valid_seconds

__all__ = [
    "Counted",
    "TotalsRecord",
    "aget_totals",
    "get_totals",
    "read_counted",
    "totals_of",
    "totals_record",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TotalsRecord:
    """What has happened since the totals began to count. No number ever falls."""

    since: datetime.datetime | None
    """Since when they count: aware, UTC. It changes only if the store has lost them.
    ``None`` before the first connection."""
    opened: Mapping[str, int]
    """Accepted connections, by type."""
    closed: Mapping[str, Mapping[str, int]]
    """Closed connections, by type and cause. ``opened`` less these are open."""
    rejected: Mapping[str, Mapping[str, int]]
    """Rejected handshakes, by type and HTTP status; ``gone`` if the client left before
    an answer, ``error`` if the application raised."""
    close_codes: Mapping[str, int]
    """Closed connections by close code; those without a code are left out."""
    durations: Histogram
    """How long closed connections were open, in seconds. Those of a lost worker are not
    known."""
    durations_by_type: Mapping[str, Histogram]
    """The same by type. ``other`` includes what older versions counted."""
    accept_seconds: Histogram
    """The time from the handshake to the accept, in seconds."""
    report_failures: int
    """Reports of workers that the backend did not take."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return {
            **as_json(self),
            "durations": self.durations.as_dict(),
            "durations_by_type": {
                kind: it.as_dict() for kind, it in self.durations_by_type.items()
            },
            "accept_seconds": self.accept_seconds.as_dict(),
        }


def get_totals() -> TotalsRecord:
    """Return what has happened in the whole deployment since the totals count.

    O(workers and types). A worker that is killed loses what it did after its last
    report; what it held is counted as closed by ``worker_lost``.

    Raises:
        StatusUnavailableError: they cannot be read now.
        NotKeptError: the backend keeps none.
    """
    return status_reader.ask(kept("totals", "totals", totals_of))


async def aget_totals() -> TotalsRecord:
    """Return the totals, as :meth:`get_totals`."""
    return await status_reader.aask(kept("totals", "totals", totals_of))


class Counted(NamedTuple):
    """The totals, and the part of them that is known by worker."""

    totals: TotalsRecord
    by_worker: Mapping[str, Totals]
    """What the workers whose lease has not ended counted, by ``worker_id``."""


def read_counted() -> Counted:
    """Return the totals, and those of each worker. Costs what the totals cost.

    Raises:
        StatusUnavailableError: they cannot be read now.
        NotKeptError: the backend keeps none.
    """
    return status_reader.ask(kept("totals", "totals", _counted_of))


def totals_of(backend: BaseBackend) -> TotalsRecord:
    """Return the totals that a backend has.

    Raises:
        BackendError: they are damaged.
    """
    return _counted_of(backend).totals


def _counted_of(backend: BaseBackend) -> Counted:
    stored = backend.read_totals()
    if stored is None:
        return Counted(totals_record(Totals(), None), {})
    since = instant(valid_seconds(stored.epoch))
    totals = Totals.from_text(stored.base)
    by_worker: dict[str, Totals] = {}
    for count in stored.counts:
        own = Totals.from_text(count.text)
        totals.include(own)
        if count.is_live:
            by_worker[count.worker_id] = own
    return Counted(totals_record(totals, since), by_worker)


def totals_record(totals: Totals, since: datetime.datetime | None) -> TotalsRecord:
    """Return the record of totals that count since an instant."""
    return TotalsRecord(
        since=since,
        opened=_sorted(totals.opened),
        closed={kind: _sorted(it) for kind, it in sorted(totals.closed.items())},
        rejected={kind: _sorted(it) for kind, it in sorted(totals.rejected.items())},
        close_codes=_sorted(totals.codes),
        durations=totals.durations,
        durations_by_type=dict(sorted(totals.durations_by_type.items())),
        accept_seconds=totals.accepts,
        report_failures=totals.report_failures,
    )


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
