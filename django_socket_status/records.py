"""The values that go from a socket to a reader.

All are frozen. The process that serves the socket makes a record once; every backend
and reader passes it on unchanged.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, TypedDict

from django_socket_status.activity.stored import Activity
from django_socket_status.conf import get_settings
from django_socket_status.endings import Cause, EndedBy
from django_socket_status.pages import (
    ConnectionPage,
    ConnectionQuery,
    ConnectionRecord,
    Cursor,
    OpenedConnection,
)
from django_socket_status.pages import connection_id as connection_id
from django_socket_status.pages import instant as instant

__all__ = [
    "Cause",
    "ConnectionPage",
    "ConnectionQuery",
    "ConnectionRecord",
    "Coverage",
    "Cursor",
    "EndedBy",
    "OpenedConnection",
    "Report",
    "Snapshot",
    "Summary",
    "UserCount",
    "Worker",
    "WorkerStatus",
]

#: What an answer covers: one process, every process of a host, or every host.
Coverage = Literal["process", "host", "cluster"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One OS process that serves WebSockets.

    A process keeps its ``worker_id``; a forked child has another one.
    """

    worker_id: str
    """16 hexadecimal digits that no other process has."""
    host: str
    """The name of its host; in a container usually the container's id."""
    pid: int
    """Its process id, as the process itself sees it."""
    server: str
    """Its ASGI server, such as ``uvicorn``; empty if not known."""
    started_at: datetime.datetime
    """When the process became a worker: aware, UTC."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker sends to its backend. It also renews the worker's lease.

    A full report replaces everything that the backend has of the worker, and may come
    in pieces. Any other one continues the report with the sequence number before it.
    """

    worker: Worker
    """The worker that reports."""
    sequence: int
    """One more than that of the worker's last report."""
    lease_seconds: float
    """How long the worker counts after this report."""
    counts: Mapping[str, int]
    """How many connections are open, by type: always all of them."""
    anonymous: int
    """How many of them have no user."""
    full: bool = False
    """Whether it replaces everything that is known of the worker."""
    complete: bool = True
    """False on all pieces of a full report but the last."""
    opened: Sequence[OpenedConnection] = ()
    """Connections to add, or to replace by their number if their labels changed."""
    closed: Sequence[int] = ()
    """The numbers of connections to remove."""
    users_joined: Sequence[str] = ()
    """Users who have their first connection to this worker."""
    users_left: Sequence[str] = ()
    """Users whose last connection to this worker closed."""
    activity: Activity | None = None
    """What a backend may keep beside; ``None`` if it keeps nothing of it."""


class UserCount(NamedTuple):
    """How many users some connections have."""

    number: int
    """How many there are, or at least are."""
    is_exact: bool
    """False if not all connections were looked at."""


class WorkerStatus(NamedTuple):
    """What a backend has of one worker whose lease has not ended.

    A tuple, because a summary needs one for each worker.
    """

    worker: Worker
    """The worker."""
    counts: Mapping[str, int]
    """How many connections are open, by type."""
    anonymous: int
    """How many of them have no user."""
    age_seconds: float
    """Seconds since its last report, by the clock of the backend."""
    complete: bool = True
    """False until the last piece of the worker's full report has arrived."""

    @property
    def total_sockets(self) -> int:
        """Return the number of connections that the worker holds."""
        return sum(self.counts.values())

    @property
    def is_late(self) -> bool:
        """Return whether the worker missed a report, so that its lease may end soon."""
        return self.age_seconds >= 2 * get_settings().heartbeat_seconds


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The latest report of every live worker, as of one moment."""

    workers: Sequence[WorkerStatus]
    """Every worker whose lease has not ended."""
    unique_users: int | None
    """The number of different users; ``None`` if users are not reported."""
    complete: bool = True
    """False after the store was replaced, until all workers can have reported."""


class Summary(TypedDict):
    """The answer of the status endpoint: counts and route patterns, nothing else."""

    active: bool
    total_sockets: int
    sockets_by_type: dict[str, int]
    timestamp: Annotated[str, datetime.datetime]
    ws_endpoints: dict[str, str]
    unique_users: int | None
    anonymous_sockets: int
    workers: int
    """The number of processes that hold sockets: 0 on an idle site."""
    coverage: Coverage
    stale: bool
    endpoints_known: bool
    uncounted_endpoints: dict[str, str]
