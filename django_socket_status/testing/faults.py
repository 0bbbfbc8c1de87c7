"""What may happen to this process and its backend, done to them by a test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django_socket_status.registry.registry import registry
from django_socket_status.reporter.sampler import Sampler
from django_socket_status.reporter.sender import NEVER
from django_socket_status.reporter.thread import reporter
from django_socket_status.reporter.worker import this_worker
from django_socket_status.testing.backend import KitBackend
from django_socket_status.testing.isolation import SETTLE_SECONDS, own_threads
from django_socket_status.tracking.connection import Connection

__all__ = [
    "advance",
    "backend_is_down",
    "finish_events",
    "flush_backend",
    "forget_worker",
    "frozen",
    "report_now",
]


def report_now() -> bool:
    """Report what this process holds, also if no report is due or the last failed."""
    sender = reporter.sender
    with sender._lock:
        sender._reported_at = sender._retry_at = NEVER
        return sender.flush()


def finish_events(seconds: float) -> bool:
    """Wait for the receivers of the signals; return whether all have returned."""
    events = reporter.sender._events
    thread = events._thread
    if thread is None or not thread.is_alive():
        return True
    # The thread ends after the queued events. The next event starts another thread.
    events.finish(seconds)
    return not thread.is_alive()


def forget_worker() -> None:
    """Make this process a new worker, as if another process had been killed.

    The backend keeps the reports of the old worker, whose connections end unobserved.
    """
    report_now()
    threads = [it for it in own_threads() if it.name.endswith("-reporter")]
    reporter.reset()
    for thread in threads:
        thread.join(SETTLE_SECONDS)
    intake = registry.intake
    waiting = {it for cell in intake.fresh for it in cell}
    for connection in {*intake.counted, *waiting, *intake.ended}:
        if isinstance(connection, Connection):
            connection.leave_out()
    registry.reset()


@contextlib.contextmanager
def frozen(backend: KitBackend) -> Iterator[None]:
    """Hold back the reports of this worker."""
    report_now()
    worker_id = this_worker().worker_id
    backend.frozen.add(worker_id)
    try:
        yield
    finally:
        backend.frozen.discard(worker_id)
        report_now()


@contextlib.contextmanager
def backend_is_down(backend: KitBackend) -> Iterator[None]:
    """Make each call of the backend fail; report again after the block."""
    backend.is_down = True
    try:
        yield
    finally:
        backend.is_down = False
        report_now()


def flush_backend(backend: KitBackend) -> None:
    """Empty the backend, which then knows nothing until the next heartbeat."""
    reporter.flush()
    backend.empty()


def advance(backend: KitBackend, seconds: float) -> None:
    """Let time pass for leases, retention and samples."""
    if backend.is_down:
        backend.clock.advance(seconds)
        report_now()
        return
    backend.advance(seconds, this_worker().worker_id)
    report_now()
    if backend.has_lost_workers:
        # The next sample would fold the counters, but a test may have no sampler.
        Sampler(backend.clock).take(backend)
