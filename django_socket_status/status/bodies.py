"""Answers as dictionaries for JSON: what the views and the command line share."""

from __future__ import annotations

import datetime
from typing import Annotated, TypeAlias, TypedDict

from django_socket_status.activity.bodies import ConditionBody
from django_socket_status.records import (
    ConnectionPage,
    ConnectionRecord,
    Coverage,
    instant,
)
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.conditions import Workers

__all__ = [
    "ConnectionBody",
    "PageBody",
    "WorkerBody",
    "WorkersBody",
    "connection_body",
    "page_body",
    "worker_body",
    "workers_body",
]

#: An instant as JSON has it. ``schema/`` reads what an annotation is written from.
Instant: TypeAlias = Annotated[str, datetime.datetime]


class ConnectionBody(TypedDict):
    """One accepted WebSocket that is open."""

    connection_id: str
    type: str
    endpoint: str
    user_id: str | None
    labels: dict[str, str]
    connected_at: Instant
    worker_id: str


class PageBody(TypedDict):
    """A part of the list of connections, newest first."""

    connections: list[ConnectionBody]
    total: int | None
    limit: int
    offset: int | None
    """How many matching connections come before this page; null after a cursor."""
    next_offset: int | None
    """The offset of the next page; null on the last one, and after a cursor."""
    next_after: str | None
    """The cursor of the next page; null on the last one."""
    complete: bool


class WorkerBody(TypedDict):
    """A process that serves WebSockets."""

    worker_id: str
    host: str
    pid: int
    server: str
    started_at: Instant
    reported_at: Instant
    is_late: bool
    is_draining: bool
    total_sockets: int
    sockets_by_type: dict[str, int]
    complete: bool
    condition: ConditionBody | None


class WorkersBody(TypedDict):
    """The processes that serve WebSockets, oldest first."""

    workers: list[WorkerBody]
    """The processes, oldest first."""
    timestamp: Instant
    """When the backend was read: UTC."""
    coverage: Coverage
    """What the answer covers."""
    stale: bool
    """Whether the answer may be old."""


def page_body(page: ConnectionPage) -> PageBody:
    """Return a page of open connections."""
    return {
        "connections": [connection_body(connection) for connection in page],
        "total": page.total,
        "limit": page.limit,
        "offset": page.offset if page.after is None else None,
        "next_offset": page.next_offset,
        "next_after": page.next_after,
        "complete": page.complete,
    }


def connection_body(connection: ConnectionRecord) -> ConnectionBody:
    """Return one open connection."""
    return {
        "connection_id": connection.connection_id,
        "type": connection.type,
        "endpoint": connection.endpoint,
        "user_id": connection.user_id,
        "labels": dict(connection.labels),
        "connected_at": connection.connected_at.isoformat(),
        "worker_id": connection.worker_id,
    }


def workers_body(found: Workers) -> WorkersBody:
    """Return the workers of a reading, and what it covers."""
    reading = found.reading
    return {
        "workers": [worker_body(record) for record in found.records],
        "timestamp": instant(reading.taken_at).isoformat(timespec="microseconds"),
        "coverage": reading.coverage,
        "stale": reading.stale,
    }


def worker_body(record: WorkerRecord) -> WorkerBody:
    """Return one worker, with its condition if it is known."""
    condition = record.condition
    return {
        "worker_id": record.worker_id,
        "host": record.host,
        "pid": record.pid,
        "server": record.server,
        "started_at": record.started_at.isoformat(),
        "reported_at": record.reported_at.isoformat(),
        "is_late": record.is_late,
        "is_draining": record.is_draining,
        "total_sockets": record.total_sockets,
        "sockets_by_type": dict(record.sockets_by_type),
        "complete": record.complete,
        "condition": None if condition is None else condition.as_dict(),
    }
