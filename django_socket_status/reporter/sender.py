"""Sends the reports of this process to the backend.

A report that failed is not repeated, since it is unknown whether the backend stored it:
the next report, a heartbeat later, is a full one. :mod:`.thread` decides when to send.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from django_socket_status.backends import get_backend
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.conf import get_settings
from django_socket_status.control.texts import Executable
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Snapshot
from django_socket_status.registry.registry import Changes, Registry
from django_socket_status.reporter import full_report
from django_socket_status.reporter.activity import keeps_totals
from django_socket_status.reporter.describe import ConnectionDescriber
from django_socket_status.reporter.endpoints import EndpointReport
from django_socket_status.reporter.events import EventThread, events_are_wanted
from django_socket_status.reporter.exchange import Exchange
from django_socket_status.reporter.outage import Outage
from django_socket_status.reporter.worker import forget_worker, this_worker

__all__ = ["NEVER", "Sender"]

NEVER = float("-inf")


class Sender:
    """Sends the current backend what one registry holds.

    The first report to a backend is a full one, and so is the one after a failure or a
    refusal. Others carry what changed since, or after a heartbeat without a change the
    lease alone. A process without any connection or listener of live push sends none.

    Safe from any thread: a reentrant lock is held around the registry's counts and
    around everything that goes to the backend.

    Args:
        registry: What to report.
        clock: Seconds that never go back; for tests.
    """

    def __init__(
        self, registry: Registry, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._events = EventThread()
        self._exchange = Exchange(registry, clock)
        self.condition = self._exchange.condition
        self.orders = self._exchange.orders
        self.reset()

    def reset(self) -> None:
        """Begin as another worker that has reported nothing, such as a forked child."""
        self._events.reset()
        self._exchange.reset()
        # With the old id, a late report would be taken for one of the new worker.
        forget_worker()
        self._lock = threading.RLock()
        #: The backend that may hold reports of this process, until the goodbye.
        self._reported_to: BaseBackend | None = None
        #: Whether reports carry connections and users, or counts alone.
        self._has_details = True
        #: Whether the next report has to be a full one.
        self._owes_all = False
        self._reported_at = NEVER
        #: Whether this process has ever held a connection that was counted.
        self.is_used = False
        #: Whether it serves live push: it reports, so that a drain reaches it.
        self.is_listened_to = False
        self._retry_at = NEVER
        self._endpoints = EndpointReport()
        #: Set once the process ends: only the goodbye follows.
        self.ending = threading.Event()
        #: Whether drains make events for a backend that keeps them, if nothing listens.
        self.keeps_events = False
        #: The version of the registry that the last report carried, for readers.
        self.reported_version: object = None
        self._outage = Outage()

    @property
    def failure(self) -> Exception | None:
        """Return why the last report failed; ``None`` if it did not."""
        return self._outage.failure

    def flush(self, lock_timeout: float = -1, *, can_sample: bool = False) -> bool:
        """Report what changed, or renew the lease if it is due.

        For any thread that may wait; a reader calls it before it reads. After a
        failure, sends nothing until the next heartbeat.

        Args:
            lock_timeout: Seconds to wait for another thread's report; -1 for no limit.
            can_sample: Whether the caller calls :meth:`sample` afterwards.

        Returns:
            False if the report failed, another thread is still reporting, or the
            process is ending.
        """
        if not self._lock.acquire(timeout=lock_timeout):
            return False
        try:
            if self.ending.is_set():
                return False
            changes = self._drain()
            self._exchange.can_sample = can_sample
            if not self._send(changes):
                return False
            self.reported_version = self._registry.version
            now = self._clock()
            if self._reported_to is not None and self._endpoints.is_due(now):
                self._endpoints.send(self._reported_to, now)
            return True
        except Exception as error:  # noqa: BLE001
            # A project's backend may raise any. The process must go on reporting.
            self._fail(error)
            return False
        except BaseException:
            # The drained changes are in no report.
            self._owes_all = True
            raise
        finally:
            self._lock.release()

    def sample(self) -> None:
        """Take a sample of the history, if the backend asked for one.

        For the thread that called :meth:`flush`; other threads may report meanwhile.
        """
        self._exchange.sample()

    def execute(self, command_id: str, order: Executable, at: float) -> None:
        """Execute a command of this process, given ``at`` this ``time.monotonic()``."""
        with self._lock:
            self.flush()  # Counts what opened just now.
            self._exchange.execute(command_id, order, at)

    def seconds_to_heartbeat(self) -> float | None:
        """Return the seconds until a report is due; ``None``: once a socket opens."""
        if self._is_unknown() and not self._registry.counts:
            return None
        due = max(self._reported_at + get_settings().heartbeat_seconds, self._retry_at)
        return max(0.001, min(due - self._clock(), self.orders.seconds_to_look()))

    def wants_events(self) -> bool:
        """Return whether the sockets have to note what happens to them."""
        return self.keeps_events or events_are_wanted()

    def _drain(self) -> Changes:
        self._registry.intake.listened = self.wants_events()
        # A process that ends closes connections, and a socket cannot see why.
        self._registry.causes.stopping = self.ending.is_set()
        describe = ConnectionDescriber()
        count_keys = None if self._has_details else describe.count_keys
        began = monotonic()
        changes = self._registry.drain(describe, count_keys, describe.event_source)
        self.orders.meet_opened(changes, began)
        if changes.events and events_are_wanted():
            self._events.send(this_worker().worker_id, changes.events)
        return changes

    def _send(self, changes: Changes) -> bool:
        now = self._clock()
        if self._registry.counts:
            self.is_used = True
        elif not changes and self._owes_nothing():
            return True
        if now < self._retry_at:
            # These changes are not kept: the full report after a failure has them.
            self._owes_all = True
            return False
        backend = get_backend()
        if self._owes_all or backend is not self._reported_to:
            self._send_all(backend)
        elif (
            changes
            or self._exchange.has_results(backend)
            or now >= self._reported_at + get_settings().heartbeat_seconds
        ):
            self._send_changes(backend, changes)
        return True

    def _owes_nothing(self) -> bool:
        return self._is_unknown() and (
            self._registry.tally.is_empty or not keeps_totals(get_backend())
        )

    def _is_unknown(self) -> bool:
        return (self._reported_to or self.failure) is None and not self.is_listened_to

    def _send_changes(self, backend: BaseBackend, changes: Changes) -> None:
        is_taken = self._exchange.send(
            backend,
            opened=tuple(changes.opened.values()),
            closed=changes.closed,
            users_joined=changes.users_joined,
            users_left=changes.users_left,
        )
        if is_taken:
            self._succeed()
        else:
            self._send_all(backend)

    def _send_all(self, backend: BaseBackend) -> None:
        """Send a full report in pieces; each piece also carries the latest changes."""
        self._reported_to, self._owes_all = backend, True
        self._set_details(backend.wants_details)
        pieces = full_report.pieces(self._registry, details=self._has_details)
        following = next(pieces, None)
        full = True
        while following is not None:
            changes = self._drain()
            piece, following = following, next(pieces, None)
            opened, users = full_report.contents(self._registry, piece)
            is_taken = self._exchange.send(
                backend,
                full=full,
                complete=following is None,
                opened=(*changes.opened.values(), *opened),
                closed=changes.closed,
                users_joined=(*changes.users_joined, *users),
                users_left=changes.users_left,
            )
            if not is_taken:
                raise BackendError("The backend does not take a full report.")
            full = False
            full_report.let_host_run()
        self._endpoints.owe()
        self._succeed()

    def _set_details(self, wanted: bool) -> None:
        """Count again, with or without users, if the backend wants the other."""
        if wanted != self._has_details:
            self._has_details = wanted
            describe = ConnectionDescriber()
            self._registry.recount(describe, None if wanted else describe.count_keys)

    def _succeed(self) -> None:
        self._owes_all = False
        self._exchange.succeed()
        self._reported_at = self._clock()
        self._outage.end()

    def _fail(self, error: Exception) -> None:
        self._owes_all = True
        self._registry.tally.report_failures += 1
        self._retry_at = self._clock() + get_settings().heartbeat_seconds
        self.note_failure(error)

    def note_failure(self, error: Exception) -> None:
        """Keep the reason, and log one warning per outage."""
        self._exchange.fail()
        self._outage.begin(error)

    def say_goodbye(self, lock_timeout: float) -> None:
        """Remove this worker from the backend, then send the last events.

        Waits for the lock: a report that another thread is sending must not arrive
        after the goodbye. Errors are ignored.
        """
        if self._lock.acquire(timeout=lock_timeout):
            try:
                with contextlib.suppress(Exception):
                    self._goodbye()
                with contextlib.suppress(Exception):
                    self._drain()
            finally:
                self._lock.release()
        self._events.finish(lock_timeout)

    def _goodbye(self) -> None:
        backend, self._reported_to = self._reported_to, None
        if backend is not None:
            self._drain()
            self._exchange.goodbye(backend)

    def own_snapshot(self, lock_timeout: float) -> Snapshot | None:
        """Return the status of this process; ``None`` if it never had a socket."""
        if not self._lock.acquire(timeout=lock_timeout):
            return None
        try:
            # What is drained here is in no report. Set first: an exception may follow.
            owed, self._owes_all = self._owes_all, True
            if not self._drain():
                self._owes_all = owed
            if self._registry.counts:
                self.is_used = True
            if not self.is_used:
                return None
            return full_report.own_snapshot(self._registry, details=self._has_details)
        finally:
            self._lock.release()
