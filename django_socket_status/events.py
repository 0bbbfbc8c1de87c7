"""Tells those who asked what happened to each socket: signals and log lines.

On a thread of its own, behind a bounded queue: a receiver that sleeps or raises delays
neither a socket nor a report.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import queue
import threading
from collections.abc import Iterator, Sequence

from django.db import close_old_connections

from django_socket_status.bounds import bounded_text
from django_socket_status.lives import Event
from django_socket_status.records import ConnectionRecord
from django_socket_status.signals import (
    socket_closed,
    socket_opened,
    socket_rejected,
)

__all__ = ["EventThread", "somebody_listens"]

logger = logging.getLogger("django_socket_status")
#: One line for each socket that opened, closed or was rejected, at level ``INFO``, its
#: facts in ``extra``.
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


def somebody_listens() -> bool:
    """Return whether a receiver is connected, or the log lines are wanted."""
    return bool(
        socket_opened.receivers
        or socket_closed.receivers
        or socket_rejected.receivers
        or socket_logger.isEnabledFor(logging.INFO)
    )


class EventThread:
    """Sends events on, in order, from a daemon thread that the first event starts."""

    def __init__(self) -> None:
        self._signal: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._events: _Events = collections.deque()
        self.reset()

    def reset(self) -> None:
        """Start anew, as in a forked child.

        A thread that was there ends when it has told what waits.
        """
        self._signal.put(False)
        self._signal = queue.SimpleQueue()
        self._events = collections.deque(maxlen=QUEUE_LIMIT)
        self._thread: threading.Thread | None = None
        self._dropping = False

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
            # Out of threads, or the interpreter is ending: the next events try again.
            return
        self._signal.put(True)

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(
                target=_run,
                args=[self._signal, self._events],
                name="django-socket-status-events",
                daemon=True,
            )
            thread.start()
            self._thread = thread


def _run(signal: queue.SimpleQueue[bool], events: _Events) -> None:
    while signal.get():
        for worker_id, event in _taken(events):
            try:
                _tell(worker_id, event)
            except Exception:
                # A log handler is somebody's code as well, and may be asked again here.
                with contextlib.suppress(Exception):
                    logger.exception("A socket event could not be sent.")
        # What a receiver read from the database ends here, as after a request.
        with contextlib.suppress(Exception):
            close_old_connections()


def _taken(events: _Events) -> Iterator[tuple[str, Event]]:
    while True:
        try:
            item = events.popleft()
        except IndexError:
            return
        yield item


def _tell(worker_id: str, event: Event) -> None:
    connection = ConnectionRecord.of(worker_id, event.connection)
    facts: dict[str, object] = {}
    ending = event.ending
    if ending is not None:
        facts = {
            "close_code": ending.code,
            "close_reason": bounded_text(ending.reason, MAX_REASON),
            "ended_by": ending.by,
            "duration_seconds": max(0.0, ending.at - event.connection.opened_at),
        }
    socket_logger.info(
        "socket %s: %s %s",
        event.kind,
        connection.type,
        connection.connection_id,
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
