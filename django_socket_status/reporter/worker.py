"""Identifies this worker: one OS process that serves WebSockets."""

from __future__ import annotations

import datetime
import os
import secrets
import socket
import sys

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.records import Worker

__all__ = ["SERVERS", "code_age_seconds", "has_identity", "server_name", "this_worker"]

#: When this process, or its parent before a fork, loaded the code.
_LOADED_AT = monotonic()

#: In order of precedence. Gunicorn may run uvicorn's workers. Daphne, as an installed
#: app, is imported under every server.
SERVERS = ("granian", "gunicorn", "hypercorn", "uvicorn", "daphne")


#: Holds the identity of this process once one is made.
_made: dict[str, Worker] = {}


def this_worker() -> Worker:
    """Return the identity of this process, the same at each call.

    The id has 64 random bits. A recycled pid, or a restarted container with the same
    host name, therefore never looks like the worker before it.
    """
    # One step, so that threads which come first at the same time agree. A lock that
    # another thread holds during a fork would stay held in the child.
    return _made.get("") or _made.setdefault("", _new_worker())


def has_identity() -> bool:
    """Return whether :func:`this_worker` was called in this process."""
    return bool(_made)


def _new_worker() -> Worker:
    return Worker(
        worker_id=secrets.token_hex(8),
        host=socket.gethostname(),
        pid=os.getpid(),
        server=server_name(),
        started_at=datetime.datetime.now(tz=datetime.timezone.utc),
    )


def code_age_seconds() -> float:
    """Return how long ago this process loaded the code that it runs."""
    return monotonic() - _LOADED_AT


def forget_worker() -> None:
    """Make the next :func:`this_worker` return another identity, as after a fork."""
    _made.clear()


def server_name() -> str:
    """Return the name of the ASGI server that this process has imported, or ``""``."""
    return next((name for name in SERVERS if name in sys.modules), "")
