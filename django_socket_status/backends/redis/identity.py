"""How a worker's identity, host, process and project, is packed in Redis."""

from __future__ import annotations

import datetime

from django_socket_status.backends.redis.codec import pack, unpack
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Worker
from django_socket_status.validation import damaged, valid_worker

__all__ = ["identity_of", "project_of", "read_worker"]


def identity_of(worker: Worker, project: str) -> bytes:
    """Return a worker and the name of its project, packed."""
    started_at = worker.started_at.isoformat()
    return pack([worker.host, worker.pid, worker.server, started_at, project])


def read_worker(worker_id: str, identity: bytes) -> Worker:
    """Return a worker from its packed identity.

    Raises:
        BackendError: the identity is damaged.
    """
    try:
        host, pid, server, started_at, _ = unpack(identity)
        worker = Worker(
            worker_id=worker_id,
            host=host,
            pid=pid,
            server=server,
            started_at=datetime.datetime.fromisoformat(started_at),
        )
    except (TypeError, ValueError) as error:
        raise damaged("a worker") from error
    return valid_worker(worker)


def project_of(identity: bytes) -> tuple[str, str]:
    """Return the host and the project of a worker from its packed identity.

    Raises:
        BackendError: the identity is damaged.
    """
    try:
        host, *_, project = unpack(identity)
    except (TypeError, ValueError):
        raise BackendError("What was reported to Redis is damaged.") from None
    return host, project
