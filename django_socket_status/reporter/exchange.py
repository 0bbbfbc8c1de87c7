"""Exchanges reports for answers with the backend, and does what the answers ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from django_socket_status.activity.stored import Activity, ReportAnswer
from django_socket_status.backends import close_if_replaced
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.conf import get_settings
from django_socket_status.control.orders import Me, Orders
from django_socket_status.control.texts import Executable
from django_socket_status.records import Report
from django_socket_status.registry.registry import Registry
from django_socket_status.reporter.activity import (
    ActivityReport,
    hand_over,
    keeps,
    keeps_totals,
)
from django_socket_status.reporter.condition import release_name
from django_socket_status.reporter.describe import ConnectionDescriber
from django_socket_status.reporter.sampler import Sampler
from django_socket_status.reporter.worker import this_worker

__all__ = ["Exchange"]


class Exchange:
    """Hands the reports of one registry to a backend, numbered.

    An answer may ask for three things: that this worker executes commands, sends a full
    report, or takes a sample of the history. The history needs one sample of all
    workers at a time, so each worker offers one, and the backend accepts one offer.

    For one thread at a time, except :meth:`sample`.

    Args:
        registry: What to report.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, registry: Registry, clock: Callable[[], float]) -> None:
        self._registry = registry
        self._clock = clock
        self._activity = ActivityReport(registry, clock)
        self.condition = self._activity.condition
        #: Executes the commands that this worker has received.
        self.orders = Orders(registry)
        self.reset()

    def reset(self) -> None:
        """Begin as another worker that has reported nothing."""
        self._activity.reset()
        self.orders.reset()
        #: The backend that commands were received from.
        self._commanded_by: BaseBackend | None = None
        self._sequence = 0
        self._sampler = Sampler()
        #: Whether the thread that reports now calls :meth:`sample` afterwards.
        self.can_sample = False
        self._sample_offered_at = float("-inf")
        #: The backend that asked for a sample.
        self._samples_for: BaseBackend | None = None
        #: Since when reports fail; seconds since the epoch.
        self._failed_at: float | None = None

    def send(self, backend: BaseBackend, *, full: bool = False, **content: Any) -> bool:
        """Send one report.

        Returns:
            Whether the backend took the connections. It may refuse them, and ask for a
            full report, but take the activity.

        Args:
            backend: Where it goes.
            full: Whether it replaces everything that is known of this worker.
            content: More fields of the :class:`.Report`.
        """
        self._sequence += 1
        if backend is not self._commanded_by:
            self._commanded_by, self.orders.last_number = backend, 0
        # The drain that an operator ordered: it closes the sockets of this worker.
        self.condition.is_draining = self.orders.drains.window is not None
        activity = self._activity.for_report(
            backend,
            self._sequence,
            full=full,
            can_sample=self._offers_sample(),
            results=self._results(backend),
            commands_after=self.orders.last_number,
        )
        content.setdefault("counts", dict(self._registry.counts))
        content.setdefault("anonymous", self._registry.anonymous)
        answer = self._exchange(backend, activity, full=full, **content)
        if answer.samples:
            self._samples_for = backend
        return answer.is_taken

    def _offers_sample(self) -> bool:
        """Return whether to offer a sample: once in a heartbeat, as it is work."""
        now = self._clock()
        heartbeat = get_settings().heartbeat_seconds
        if not self.can_sample or now < self._sample_offered_at + heartbeat:
            return False
        self._sample_offered_at = now
        return True

    def _exchange(
        self, backend: BaseBackend, activity: Activity | None, **content: Any
    ) -> ReportAnswer:
        report = Report(
            worker=this_worker(),
            sequence=self._sequence,
            lease_seconds=get_settings().lease_seconds,
            activity=activity,
            **content,
        )
        # The age of a command is counted from before: it may close a little less.
        asked_at = monotonic()
        answer = hand_over(backend, report)
        self._activity.answered(answer)
        if answer.is_taken and activity is not None:
            self.orders.answered(activity.results)
        # After a goodbye, no report could carry the results.
        if answer.commands and not (activity is not None and activity.stops):
            self.orders.execute_all(answer.commands, asked_at, *self.identity())
        return answer

    def _results(
        self, backend: BaseBackend, *, is_last: bool = False
    ) -> Mapping[str, str]:
        if "commands" not in keeps(backend):
            return {}
        return self.orders.results(is_last=is_last)

    def has_results(self, backend: BaseBackend) -> bool:
        """Return whether there are results of commands that the store does not have."""
        return bool(self._results(backend))

    def execute(self, command_id: str, order: Executable, at: float) -> None:
        """Execute a command of this process."""
        self.orders.execute(command_id, order, at, *self.identity())

    def identity(self) -> tuple[Me, ConnectionDescriber]:
        """Return who this worker is, and what describes its connections."""
        worker = this_worker()
        me = Me(worker.worker_id, release_name(), worker.server, worker.host)
        return me, ConnectionDescriber()

    def succeed(self) -> None:
        """Record that everything is reported, and the end of an outage."""
        self._activity.succeed()
        if self._failed_at is not None:
            self._sampler.note_outage(self._failed_at, time.time())
            self._failed_at = None

    def fail(self) -> None:
        """Record that a report failed: it is not known whether it arrived."""
        if self._failed_at is None:
            self._failed_at = time.time()

    def sample(self) -> None:
        """Take a sample of the history, if the backend asked for one."""
        backend, self._samples_for = self._samples_for, None
        if backend is not None:
            self._sampler.take(backend)
            # No lock is held here: the setting may have changed meanwhile.
            close_if_replaced(backend)

    def goodbye(self, backend: BaseBackend) -> None:
        """Remove this worker, with a last report of its counters and ends."""
        if not keeps_totals(backend):
            backend.goodbye(this_worker().worker_id)
            return
        self.can_sample = False
        if self._activity.is_waiting:
            # Counters were sent and not answered. The store must have these before it
            # gets the last ones: see :mod:`.counting`.
            self.send(backend, full=True, counts={}, anonymous=0)
        # Once more if the store took this worker for gone and added its counters to the
        # sum of such workers (``folded``), or if it has lost them.
        if not self._stop(backend):
            self._stop(backend)

    def _stop(self, backend: BaseBackend) -> bool:
        """Send the last report; return whether the store has the last counters."""
        self._sequence += 1
        results = self._results(backend, is_last=True)
        activity = self._activity.for_goodbye(backend, self._sequence, results)
        answer = self._exchange(backend, activity, counts={}, anonymous=0, full=True)
        return answer.folded is None and not answer.is_forgotten
