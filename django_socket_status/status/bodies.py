"""Answers as dictionaries for JSON: what the views and the command line share."""

from __future__ import annotations

from typing import Any

from django_socket_status.records import ConnectionPage, ConnectionRecord, instant
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.conditions import Workers

__all__ = ["connection_body", "page_body", "worker_body", "workers_body"]


def page_body(page: ConnectionPage) -> dict[str, Any]:
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


def connection_body(connection: ConnectionRecord) -> dict[str, Any]:
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


def workers_body(found: Workers) -> dict[str, Any]:
    """Return the workers of a reading, and what it covers."""
    reading = found.reading
    return {
        "workers": [worker_body(record) for record in found.records],
        "timestamp": instant(reading.taken_at).isoformat(timespec="microseconds"),
        "coverage": reading.coverage,
        "stale": reading.stale,
    }


def worker_body(record: WorkerRecord) -> dict[str, Any]:
    """Return one worker, with its condition if it is known."""
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
        "condition": record.condition and record.condition.as_dict(),
    }
