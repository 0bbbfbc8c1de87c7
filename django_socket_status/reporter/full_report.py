"""Splits a full report into pieces, and lets the host run between two steps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from django_socket_status.records import OpenedConnection, Snapshot, WorkerStatus
from django_socket_status.registry.lifecycle import LiveConnection
from django_socket_status.registry.registry import Registry
from django_socket_status.reporter.describe import ConnectionDescriber
from django_socket_status.reporter.worker import this_worker

__all__ = [
    "GRAIN",
    "PIECE",
    "REST_SECONDS",
    "contents",
    "let_host_run",
    "own_snapshot",
    "pieces",
]

#: Connections in one piece of a full report.
PIECE = 200
#: Connections described before the reporter sleeps. It holds the interpreter lock that
#: the host's event loop needs; CPython would take it away only after 5 ms.
GRAIN = 50
#: Not zero: a thread that only releases the lock has it again before a waiting thread
#: wakes up.
REST_SECONDS = 0.0002

#: Connections and users that are counted.
Piece = tuple[Sequence[LiveConnection], Sequence[str]]


def pieces(registry: Registry, *, details: bool) -> Iterator[Piece]:
    """Yield the pieces of a full report: at least one, if need be without content.

    Args:
        registry: What to report.
        details: Whether the backend wants connections and users; otherwise the counts
            say everything.
    """
    found = registry.pieces(PIECE) if details else iter(())
    yield next(found, ((), ()))
    yield from found


def contents(
    registry: Registry, piece: Piece
) -> tuple[list[OpenedConnection], list[str]]:
    """Return the records and users of a piece that are still counted.

    Sleeps after each ``GRAIN`` connections, so that the host can run.
    """
    connections, names = piece
    describe = ConnectionDescriber()
    opened: list[OpenedConnection] = []
    users = registry.still_counted(describe, (), names)[1]
    for first in range(0, len(connections), GRAIN):
        some = connections[first : first + GRAIN]
        opened += registry.still_counted(describe, some, ())[0]
        let_host_run()
    return opened, users


def own_snapshot(registry: Registry, *, details: bool) -> Snapshot:
    """Return the status of this process alone."""
    status = WorkerStatus(
        worker=this_worker(),
        counts=dict(registry.counts),
        anonymous=registry.anonymous,
        age_seconds=0.0,
    )
    users = len(registry.users) if details else None
    return Snapshot(workers=(status,), unique_users=users)


def let_host_run() -> None:
    """Release the interpreter lock for long enough that another thread takes it."""
    time.sleep(REST_SECONDS)
