"""Reads the reply of the script that returns every live report."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.backends.redis_packing import pack, unpack
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report, Worker

__all__ = [
    "FIRST",
    "Counts",
    "Found",
    "Index",
    "Live",
    "identity_of",
    "pack_counts",
    "project_of",
    "read_index",
    "read_live",
    "read_worker",
]

#: What the index of workers says of itself: since when it exists, if it is the first or
#: took the place of one that was lost; and since when somebody reports to it again,
#: after all fell silent.
FIRST, AGAIN, SILENT = b"first", b"again", b"silent"


class Counts(NamedTuple):
    """What a summary needs of a worker. The same bytes until something changes."""

    complete: bool
    anonymous: int
    #: Whether its connections and users can be asked for.
    detailed: bool
    by_type: Mapping[str, int]


class Live(NamedTuple):
    """A worker whose lease is alive, as Redis tells of it."""

    worker_id: str
    generation: str
    #: How many users it has; none where it tells of none.
    users: int
    #: By the server's clock, in milliseconds.
    reported_at: int
    counts: Counts
    #: The same, as it is kept.
    packed: bytes


#: What the class itself does, at half of the cost.
_new_live = functools.partial(tuple.__new__, Live)


class Index(NamedTuple):
    """What the index of workers says, at a moment of the server's clock."""

    #: In milliseconds.
    now: int
    #: When the index was begun, ``None`` if there is none.
    since: float | None
    #: Whether it took the place of one that was lost.
    replaces: bool
    #: When somebody reported again after nobody did for a lease.
    revived_at: float | None
    #: How many workers' leases ended without a goodbye, and not long ago.
    late: int
    #: How many are alive.
    alive: int
    #: Whose turn it was to ask, among the threads that share a reader.
    asked: int = 0


class Found(NamedTuple):
    """What one read of every live report found."""

    workers: Index
    live: Sequence[Live]
    #: How many different users there are, -1 if it takes longer to count.
    unique_users: int
    #: What was counted last in that case, and when somebody should count again.
    counted: tuple[int, int] | None
    #: Whether something that was reported is gone.
    lost: bool


def pack_counts(report: Report, *, detailed: bool) -> bytes:
    """Return what is kept of a report for summaries."""
    counts = dict(report.counts)
    return pack([report.complete, report.anonymous, detailed, counts])


def read_live(reply: Sequence[Any], last: Sequence[Live] = (), asked: int = 0) -> Found:
    """Return what the script ``READ`` found. O(workers).

    Args:
        reply: Its reply.
        last: The workers that were read before.
        asked: Whose turn it was.
    """
    now, begun, late, ids, reports, users, counted, lost = reply
    live = tuple(_workers(ids, reports, {it.packed: it.counts for it in last}))
    return Found(
        workers=read_index(now, begun, late, len(live), asked),
        live=live,
        unique_users=users,
        counted=_counted(counted),
        lost=bool(lost) or len(live) < len(ids),
    )


def read_index(
    now: int, begun: Sequence[bytes], late: int, alive: int, asked: int = 0
) -> Index:
    """Return what a script found in the index of workers."""
    times = {name: -float(at) for name, at in zip(begun[::2], begun[1::2], strict=True)}
    return Index(
        now=now,
        since=times.get(AGAIN, times.get(FIRST)),
        replaces=AGAIN in times,
        revived_at=times.get(SILENT),
        late=late,
        alive=alive,
        asked=asked,
    )


def _counted(fields: Sequence[bytes | None] | None) -> tuple[int, int] | None:
    if not fields or None in fields:
        return None
    count, due = (int(field or 0) for field in fields)
    return count, due


def _workers(
    ids: Sequence[bytes], reports: Sequence[bytes | None], known: dict[bytes, Counts]
) -> Iterator[Live]:
    for worker_id, report in zip(ids, reports, strict=True):
        if report is None:
            continue
        _, generation, users, at, packed = report.split(b":", 4)
        counts = known.get(packed)
        if counts is None:
            try:
                counts = known[packed] = Counts(*unpack(packed))
            except (BackendError, TypeError):
                # Damaged: it counts as lost until its worker reports again.
                continue
        yield _new_live(
            (
                worker_id.decode(errors="replace"),
                generation.decode(),
                int(users),
                int(at),
                counts,
                packed,
            )
        )


def identity_of(worker: Worker, project: str) -> bytes:
    """Return who a worker is, and of which project, as it is kept."""
    started_at = worker.started_at.isoformat()
    return pack([worker.host, worker.pid, worker.server, started_at, project])


def read_worker(worker_id: str, identity: bytes) -> Worker:
    """Return who a worker is."""
    host, pid, server, started_at, _ = unpack(identity)
    return Worker(
        worker_id=worker_id,
        host=host,
        pid=pid,
        server=server,
        started_at=datetime.datetime.fromisoformat(started_at),
    )


def project_of(identity: bytes) -> tuple[str, str]:
    """Return the host of a worker, and its project.

    Raises:
        BackendError: somebody else has written it.
    """
    try:
        host, *_, project = unpack(identity)
    except (TypeError, ValueError):
        raise BackendError("What was reported to Redis is damaged.") from None
    return host, project
