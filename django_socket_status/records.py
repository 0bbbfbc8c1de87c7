"""The values that travel from a socket to a reader.

All are frozen: a record is made once, by the process that owns the socket, and every
backend and reader passes it on as it is.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypedDict, overload

from django_socket_status.conf import get_settings

__all__ = [
    "ConnectionPage",
    "ConnectionQuery",
    "ConnectionRecord",
    "Coverage",
    "EndedBy",
    "OpenedConnection",
    "Report",
    "Snapshot",
    "Summary",
    "Worker",
    "WorkerStatus",
]

#: What an answer covers: one process, every process of a host, or every host.
Coverage = Literal["process", "host", "cluster"]

#: Who ended a connection: the peer, the application by a close message, a ``send``
#: that raised, or the way in which the application ended without closing.
EndedBy = Literal["client", "server", "send", "return", "error", "cancel"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One OS process that serves WebSockets, in one incarnation.

    A process keeps its ``worker_id`` for life; a fork has another one.
    """

    worker_id: str
    host: str
    pid: int
    server: str
    started_at: datetime.datetime


class OpenedConnection(NamedTuple):
    """One accepted WebSocket as a report carries it, short of its worker.

    A tuple and not a dataclass: one is made for every connection that outlives a
    report interval, at a third of the cost.
    """

    number: int
    type: str
    endpoint: str
    user_id: str | None
    labels: Mapping[str, str]
    opened_at: float
    """Seconds since the epoch, by the worker's wall clock."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker tells its backend, under its lease.

    A report whose ``full`` is true replaces everything that is known of the worker.
    Any other one continues the report with the sequence number before it: ``opened``
    adds connections or replaces those with the same number (labels changed),
    ``closed`` are numbers, the users are those whose first connection of this worker
    opened and whose last one closed. ``counts`` and ``anonymous`` are always whole.

    A full report of many connections comes in pieces; ``complete`` is false until
    the last of them.
    """

    worker: Worker
    sequence: int
    lease_seconds: float
    counts: Mapping[str, int]
    anonymous: int
    full: bool = False
    complete: bool = True
    opened: Sequence[OpenedConnection] = ()
    closed: Sequence[int] = ()
    users_joined: Sequence[str] = ()
    users_left: Sequence[str] = ()


class WorkerStatus(NamedTuple):
    """What a backend knows of one worker whose lease is alive.

    A tuple and not a dataclass, as a summary is made of one for each worker.
    """

    worker: Worker
    counts: Mapping[str, int]
    anonymous: int
    age_seconds: float
    """Seconds since its last report, by the clock of the backend."""
    complete: bool = True
    """False while the worker is still telling which connections it holds."""

    @property
    def total_sockets(self) -> int:
        """Return how many connections the worker holds."""
        return sum(self.counts.values())

    @property
    def is_late(self) -> bool:
        """Return whether it missed a report: its lease is about to end."""
        return self.age_seconds >= 2 * get_settings().heartbeat_seconds


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Every live report, read in one go."""

    workers: Sequence[WorkerStatus]
    unique_users: int | None
    """How many different users; ``None`` where users are not reported."""
    complete: bool = True
    """False while workers may be about to report to a store that was replaced."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionQuery:
    """Which connections to list, and which part of the list."""

    type: str | None = None
    user_id: str | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    limit: int = 100
    offset: int = 0

    def matches(self, opened: OpenedConnection) -> bool:
        """Return whether a connection is one of those to list."""
        return (
            (self.type is None or opened.type == self.type)
            and (self.user_id is None or opened.user_id == self.user_id)
            and all(opened.labels.get(key) == it for key, it in self.labels.items())
        )

    def page_of(self, found: list[tuple[str, OpenedConnection]]) -> ConnectionPage:
        """Return the page of all that match, each with the id of its worker."""
        found.sort(key=_newest_first)
        page = found[self.offset : self.offset + self.limit]
        return ConnectionPage(
            connections=tuple(ConnectionRecord.of(*item) for item in page),
            total=len(found),
            limit=self.limit,
            offset=self.offset,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRecord:
    """One accepted WebSocket that is open."""

    connection_id: str
    type: str
    endpoint: str
    """The pattern of its route, as ``/ws/call/<room>/``; empty when not known."""
    user_id: str | None
    """The user's primary key as a string; ``None`` for an anonymous connection."""
    labels: Mapping[str, str]
    connected_at: datetime.datetime
    worker_id: str

    @classmethod
    def of(cls, worker_id: str, opened: OpenedConnection) -> ConnectionRecord:
        """Return the public record of a connection that a worker reported."""
        return cls(
            connection_id=connection_id(worker_id, opened.number),
            type=opened.type,
            endpoint=opened.endpoint,
            user_id=opened.user_id,
            # A copy: connections may share theirs, and whoever gets it may change it.
            labels=dict(opened.labels),
            connected_at=instant(opened.opened_at),
            worker_id=worker_id,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPage(Sequence[ConnectionRecord]):
    """A part of the list of connections, newest first; itself a sequence."""

    connections: Sequence[ConnectionRecord]
    total: int
    """How many connections match, on all pages."""
    limit: int
    offset: int
    complete: bool = True
    """False while connections may be missing that are about to be reported again."""

    @overload
    def __getitem__(self, index: int) -> ConnectionRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ConnectionRecord]: ...
    def __getitem__(
        self, index: int | slice
    ) -> ConnectionRecord | Sequence[ConnectionRecord]:
        return self.connections[index]

    def __len__(self) -> int:
        return len(self.connections)

    @property
    def next_offset(self) -> int | None:
        """Return the offset of the next page, ``None`` on the last one."""
        end = self.offset + len(self.connections)
        return end if self.connections and end < self.total else None


class Summary(TypedDict):
    """The answer of the status endpoint: counts and route patterns, nothing else."""

    active: bool
    total_sockets: int
    sockets_by_type: dict[str, int]
    timestamp: str
    ws_endpoints: dict[str, str]
    unique_users: int | None
    anonymous_sockets: int
    workers: int
    coverage: Coverage
    stale: bool


def connection_id(worker_id: str, number: int) -> str:
    """Return the public id of a worker's connection: unique over all workers."""
    return f"{worker_id}-{number:x}"


def _newest_first(found: tuple[str, OpenedConnection]) -> tuple[float, str, int]:
    worker_id, opened = found
    return (-opened.opened_at, worker_id, opened.number)


def instant(seconds: float) -> datetime.datetime:
    """Return the aware UTC instant of ``seconds`` since the epoch."""
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)
