"""Sends a signal and a log line for each event of a socket.

A separate thread sends them from a bounded queue, so a receiver that sleeps or raises
delays no socket and no report.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import queue
import threading
from collections.abc import Iterator, Sequence

from django.db import close_old_connections

from django_socket_status.concurrency.threads import daemon_thread
from django_socket_status.limits import bounded_text
from django_socket_status.records import ConnectionRecord
from django_socket_status.registry.lifecycle import Event
from django_socket_status.signals import (
    socket_closed,
    socket_opened,
    socket_rejected,
)

__all__ = ["EventThread", "events_are_wanted"]

logger = logging.getLogger("django_socket_status")
#: One line at level ``INFO`` for each socket that opened, closed or was rejected, with
#: details in ``extra``.
socket_logger = logging.getLogger("django_socket_status.sockets")

QUEUE_LIMIT = 10_000
MAX_REASON = 123
"""Bytes of a close reason: RFC 6455, section 5.5."""

_Events = collections.deque[tuple[str, Event]]

_SIGNALS = {
    "opened": socket_opened,
    "closed": socket_closed,
    "rejected": socket_rejected,
}


def events_are_wanted() -> bool:
    """Return whether a receiver is connected, or the log lines are enabled."""
    return bool(
        socket_opened.receivers
        or socket_closed.receivers
        or socket_rejected.receivers
        or socket_logger.isEnabledFor(logging.INFO)
    )


class EventThread:
    """Sends events in order from a daemon thread, which the first event starts."""

    def __init__(self) -> None:
        self._signal: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._events: _Events = collections.deque()
        self.reset()

    def reset(self) -> None:
        """Begin with an empty queue and no thread, as in a forked child.

        The old thread ends after it has sent what is in the old queue.
        """
        self._signal.put(False)
        self._signal = queue.SimpleQueue()
        self._events = collections.deque(maxlen=QUEUE_LIMIT)
        self._thread: threading.Thread | None = None
        self._dropping = False

    def finish(self, seconds: float) -> None:
        """Send what is queued and end the thread. Waits ``seconds`` at most."""
        thread = self._thread
        if thread is not None:
            self._signal.put(False)
            thread.join(seconds)

    def send(self, worker_id: str, events: Sequence[Event]) -> None:
        """Queue events of this worker. Does not wait; may drop the oldest."""
        overflow = len(self._events) + len(events) > QUEUE_LIMIT
        if overflow and not self._dropping:
            logger.warning(
                "Receivers of the socket signals are slower than the sockets: events "
                "are dropped. Do less in a receiver, or hand the work to a task queue."
            )
        self._dropping = overflow
        self._events.extend((worker_id, event) for event in events)
        try:
            self._ensure_thread()
        except RuntimeError:
            # No thread is left, or the interpreter is ending: the next call tries.
            return
        self._signal.put(True)

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = daemon_thread(
                "django-socket-status-events", _run, self._signal, self._events
            )
            thread.start()
            self._thread = thread


def _run(signal: queue.SimpleQueue[bool], events: _Events) -> None:
    while signal.get():
        for worker_id, event in _taken(events):
            try:
                _send_event(worker_id, event)
            except Exception:
                # A log handler of the project may raise, also for this log line.
                with contextlib.suppress(Exception):
                    logger.exception("A socket event could not be sent.")
        # A receiver may have used the database: close connections as after a request.
        with contextlib.suppress(Exception):
            close_old_connections()


def _taken(events: _Events) -> Iterator[tuple[str, Event]]:
    while True:
        try:
            item = events.popleft()
        except IndexError:
            return
        yield item


def _send_event(worker_id: str, event: Event) -> None:
    connection = ConnectionRecord.of(worker_id, event.connection)
    facts: dict[str, object] = {}
    ending = event.ending
    if ending is not None:
        facts = {
            "close_code": ending.code,
            "close_reason": bounded_text(ending.reason, MAX_REASON),
            "ended_by": ending.by,
            "cause": ending.cause,
            "duration_seconds": max(0.0, ending.at - event.connection.opened_at),
        }
    socket_logger.info(
        "socket %s: %s %s%s",
        event.kind,
        connection.type,
        connection.connection_id,
        f" ({ending.cause})" if ending is not None else "",
        extra={
            "connection_id": connection.connection_id,
            "socket_type": connection.type,
            "endpoint": connection.endpoint,
            "user_id": connection.user_id,
            "labels": dict(connection.labels),
            "connected_at": connection.connected_at.isoformat(),
            **facts,
        },
    )
    # Django logs what a receiver raises.
    _SIGNALS[event.kind].send_robust(
        sender=event.source, connection=connection, **facts
    )
