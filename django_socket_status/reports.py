"""What the backend is told of this process, and what it is known to know.

A report that failed is not repeated: whether it was taken is unknown, so the next one,
a heartbeat later, says everything again. When there is something to say, and on which
thread: :mod:`.reporter`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_socket_status.backends import get_backend
from django_socket_status.backends.base import BaseBackend
from django_socket_status.conf import get_settings
from django_socket_status.describe import Descriptions
from django_socket_status.events import EventThread, somebody_listens
from django_socket_status.exceptions import BackendError
from django_socket_status.lives import LiveConnection
from django_socket_status.records import (
    OpenedConnection,
    Report,
    Snapshot,
    WorkerStatus,
)
from django_socket_status.registry import Changes, Registry
from django_socket_status.worker import this_worker

__all__ = ["NEVER", "Reports"]

logger = logging.getLogger("django_socket_status")

#: Connections in one piece of a full report.
PIECE = 200
#: After so many of them the reporter rests: it holds the interpreter that the host's
#: event loop needs, and would not be asked to let go of it for 5 ms.
GRAIN = 50
#: Not zero: whoever only lets go has it again before a thread that waits has woken up.
REST_SECONDS = 0.0002

NEVER = float("-inf")

Piece = tuple[Sequence[LiveConnection], Sequence[str]]


class Reports:
    """Tells the current backend what one registry holds.

    Args:
        registry: What to report.
        clock: Seconds that never go back; for tests.
    """

    def __init__(
        self, registry: Registry, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._events = EventThread()
        #: Around the registry's counts and everything that goes to the backend.
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Start anew: nothing is reported."""
        self._sequence = 0
        #: The backend that may hold something of ours, until the goodbye.
        self._reported_to: BaseBackend | None = None
        #: Whether its reports carry connections and users, or counts alone.
        self._tells_details = True
        #: Whether what it holds cannot be built upon.
        self._owes_all = False
        self._reported_at = NEVER
        self._used_at = NEVER
        self._retry_at = NEVER
        #: Set once the process ends: nothing follows but the goodbye.
        self._ending = threading.Event()
        #: The version of the registry that the backend knows.
        self.reported_version: object = None
        #: Why the last report failed; ``None`` when it did not.
        self.failure: Exception | None = None

    def flush(self, lock_timeout: float = -1) -> bool:
        """Report what changed, or renew the lease if it is time to.

        Safe from any thread that may wait; readers call it to see their own process's
        latest. Does nothing while a failure is fresh: one attempt a heartbeat.

        Returns:
            False when the report did not get through, somebody else is at it, or the
            goodbye is said.
        """
        if not self._lock.acquire(timeout=lock_timeout):
            return False
        try:
            if self._ending.is_set():
                return False
            changes = self._drain()
            if not self._send(changes):
                return False
            self.reported_version = self._registry.version
            return True
        except Exception as error:  # noqa: BLE001
            # A backend is somebody's code: it may raise what it likes, and the process
            # must go on reporting.
            self._fail(error)
            return False
        except BaseException:
            # What was drained is in no report.
            self._owes_all = True
            raise
        finally:
            self._lock.release()

    def _seconds_to_heartbeat(self) -> float | None:
        """Return how long there is nothing to do; ``None``: until a socket opens."""
        if self._reported_to is None and not self._registry.counts and not self.failure:
            return None
        due = max(self._reported_at + get_settings().heartbeat_seconds, self._retry_at)
        return max(0.001, due - self._clock())

    def _drain(self) -> Changes:
        self._registry.listened = somebody_listens()
        describe = Descriptions()
        tally = None if self._tells_details else describe.tally
        changes = self._registry.drain(describe, tally)
        if changes.events:
            self._events.send(this_worker().worker_id, changes.events)
        return changes

    def _send(self, changes: Changes) -> bool:
        now = self._clock()
        if self._registry.counts:
            self._used_at = now
        elif self._reported_to is None and not changes and not self.failure:
            return True
        if now < self._retry_at:
            # These changes are not kept: what follows a failure is a full report.
            self._owes_all = True
            return False
        backend = get_backend()
        if self._owes_all or backend is not self._reported_to:
            self._send_all(backend)
        elif changes:
            self._send_changes(backend, changes)
        elif now >= self._reported_at + get_settings().heartbeat_seconds:
            if now >= self._used_at + get_settings().lease_seconds:
                self._say_goodbye()
            else:
                self._send_changes(backend, changes)
        return True

    def _send_changes(self, backend: BaseBackend, changes: Changes) -> None:
        known = backend.report(
            self._report(
                opened=tuple(changes.opened.values()),
                closed=changes.closed,
                users_joined=changes.users_joined,
                users_left=changes.users_left,
            )
        )
        if known:
            self._succeed()
        else:
            self._send_all(backend)

    def _send_all(self, backend: BaseBackend) -> None:
        """Send everything, in pieces, with what changes meanwhile in between."""
        self._reported_to, self._owes_all = backend, True
        self._tell_details(backend.wants_details)
        pieces = self._pieces()
        following: Piece | None = next(pieces, ((), ()))
        full = True
        while following is not None:
            changes = self._drain()
            connections, names = following
            following = next(pieces, None)
            opened, users = self._still_counted(connections, names)
            known = backend.report(
                self._report(
                    full=full,
                    complete=following is None,
                    opened=(*changes.opened.values(), *opened),
                    closed=changes.closed,
                    users_joined=(*changes.users_joined, *users),
                    users_left=changes.users_left,
                )
            )
            if not known:
                raise BackendError("The backend does not take a full report.")
            full = False
            time.sleep(REST_SECONDS)
        self._succeed()

    def _still_counted(
        self, connections: Sequence[LiveConnection], names: Sequence[str]
    ) -> tuple[list[OpenedConnection], list[str]]:
        """Return the records and users of a piece, and let the host run meanwhile."""
        describe = Descriptions()
        opened: list[OpenedConnection] = []
        users = self._registry.still_counted(describe, (), names)[1]
        for first in range(0, len(connections), GRAIN):
            some = connections[first : first + GRAIN]
            opened += self._registry.still_counted(describe, some, ())[0]
            time.sleep(REST_SECONDS)
        return opened, users

    def _pieces(self) -> Iterator[Piece]:
        if self._tells_details:
            yield from self._registry.pieces(PIECE)

    def _tell_details(self, wanted: bool) -> None:
        """Count with users, or without: what a backend wants may change with it."""
        if wanted != self._tells_details:
            self._tells_details = wanted
            describe = Descriptions()
            self._registry.recount(describe, None if wanted else describe.tally)

    def _report(self, **content: Any) -> Report:
        self._sequence += 1
        return Report(
            worker=this_worker(),
            sequence=self._sequence,
            lease_seconds=get_settings().lease_seconds,
            counts=dict(self._registry.counts),
            anonymous=self._registry.anonymous,
            **content,
        )

    def _succeed(self) -> None:
        self._owes_all = False
        self._reported_at = self._clock()
        if self.failure is not None:
            logger.info("WebSocket status is reported again.")
            self.failure = None

    def _fail(self, error: Exception) -> None:
        self._owes_all = True
        self._retry_at = self._clock() + get_settings().heartbeat_seconds
        self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        """Say so once for each outage."""
        if self.failure is None:
            expected = isinstance(error, BackendError | ImproperlyConfigured)
            logger.warning(
                "WebSocket status cannot be reported; sockets are not affected, and "
                "everything is reported again when it can be: %s",
                error,
                exc_info=None if expected else error,
            )
        self.failure = error

    def _say_goodbye(self) -> None:
        backend, self._reported_to = self._reported_to, None
        if backend is not None:
            backend.goodbye(this_worker().worker_id)

    def own_snapshot(self, lock_timeout: float) -> Snapshot | None:
        """Return what this process alone knows; ``None`` if it never had a socket."""
        if not self._lock.acquire(timeout=lock_timeout):
            return None
        try:
            self._drain_unreported()
            if self._used_at == NEVER:
                return None
            status = WorkerStatus(
                worker=this_worker(),
                counts=dict(self._registry.counts),
                anonymous=self._registry.anonymous,
                age_seconds=0.0,
            )
            users = len(self._registry.users) if self._tells_details else None
            return Snapshot(workers=(status,), unique_users=users)
        finally:
            self._lock.release()

    def _drain_unreported(self) -> None:
        # What is drained here is in no report, also if that is interrupted.
        owed, self._owes_all = self._owes_all, True
        if not self._drain():
            self._owes_all = owed
        if self._registry.counts:
            self._used_at = self._clock()
