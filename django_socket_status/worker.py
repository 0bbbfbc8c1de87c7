"""Who this process is, as a worker: one OS process that serves WebSockets."""

from __future__ import annotations

import datetime
import functools
import os
import secrets
import socket
import sys

from django_socket_status.records import Worker

__all__ = ["this_worker"]

#: Gunicorn before uvicorn, whose workers it may run; Daphne last, since as an installed
#: app it is imported under every server.
_SERVERS = ("granian", "gunicorn", "hypercorn", "uvicorn", "daphne")


@functools.lru_cache(maxsize=1)
def this_worker() -> Worker:
    """Return this process's identity, made at the first call and kept for life.

    The id has 64 random bits, so that neither a recycled pid nor a restarted container
    with the same host name is taken for its predecessor.
    """
    return Worker(
        worker_id=secrets.token_hex(8),
        host=socket.gethostname(),
        pid=os.getpid(),
        server=_server(),
        started_at=datetime.datetime.now(tz=datetime.timezone.utc),
    )


def begin_anew() -> None:
    """Become another worker: a forked child, or whoever forgot what it reported."""
    this_worker.cache_clear()


def _server() -> str:
    """Return which ASGI server this process seems to run under, by what it imported."""
    return next((name for name in _SERVERS if name in sys.modules), "")
