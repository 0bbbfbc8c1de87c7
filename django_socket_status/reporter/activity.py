"""What a report carries beside the open connections."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping

from django_socket_status.activity.entries import EndedConnection
from django_socket_status.activity.stored import Activity, CountTotals, ReportAnswer
from django_socket_status.backends.base import BaseBackend
from django_socket_status.records import Report
from django_socket_status.registry.ends import ENTRY_LIMIT
from django_socket_status.registry.registry import Registry
from django_socket_status.reporter.condition import ConditionProbe
from django_socket_status.reporter.counting import Counting
from django_socket_status.reporter.describe import ConnectionDescriber
from django_socket_status.reporter.ended import RETURN_LIMIT, EndedReport

__all__ = ["ActivityReport", "hand_over", "keeps", "keeps_totals"]

_NO_RESULTS: Mapping[str, str] = {}


def hand_over(backend: BaseBackend, report: Report) -> ReportAnswer:
    """Hand a report to a backend.

    A subclass of a backend that was written for :meth:`.BaseBackend.report` overrides
    that method alone: then it is the one to call.
    """
    if _is_of_the_old_contract(type(backend)):
        return ReportAnswer(backend.report(report))
    return backend.exchange(report)


def keeps(backend: BaseBackend) -> frozenset[str]:
    """Return what a backend keeps of the activity that it gets."""
    if _is_of_the_old_contract(type(backend)):
        return frozenset()
    return backend.keeps


def keeps_totals(backend: BaseBackend) -> bool:
    """Return whether a backend keeps the counters of workers."""
    return "totals" in keeps(backend)


@functools.lru_cache(maxsize=8)
def _is_of_the_old_contract(cls: type[BaseBackend]) -> bool:
    """Return whether a class overrides ``report`` and not ``exchange``."""
    for base in cls.__mro__:
        if "exchange" in vars(base):
            return False
        if "report" in vars(base):
            return True
    return False


class ActivityReport:
    """Makes the activity of the next report. For one thread at a time.

    Args:
        registry: What happened in this process.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, registry: Registry, clock: Callable[[], float]) -> None:
        self._registry = registry
        self.condition = ConditionProbe(clock)
        self.reset()

    def reset(self) -> None:
        """Begin as another worker that has reported nothing."""
        self.condition.reset()
        self._backend: BaseBackend | None = None
        self._counting = Counting()
        self._ended = EndedReport()
        #: The condition in the last report, and in the last one that was taken.
        self._sent: str | None = None
        self._taken: str | None = None

    def for_report(
        self,
        backend: BaseBackend,
        sequence: int,
        *,
        full: bool,
        can_sample: bool = False,
        results: Mapping[str, str] = _NO_RESULTS,
        commands_after: int = 0,
    ) -> Activity | None:
        """Return what the backend keeps and does not have; ``None`` for nothing.

        Args:
            backend: Where the report goes.
            sequence: The number of the report.
            full: Whether the report replaces everything that is known of the worker.
            can_sample: Whether the caller takes samples.
            results: What became of commands.
            commands_after: The number of the last command that was received.
        """
        self._begin_count(backend)
        kept = keeps(backend)
        lists = "endings" in kept
        self._registry.tally.lists_ends = lists
        closed, rejected = self._ended.of(self._registry.tally.entries, keep=lists)
        activity = Activity(
            totals=self._totals(sequence, full=full) if "totals" in kept else None,
            closed=closed,
            rejected=rejected,
            condition=self._condition(full=full) if "conditions" in kept else None,
            results=results,
            commands_after=commands_after,
            can_sample=can_sample and {"totals", "history"} <= kept,
        )
        if activity == _NOTHING and not (can_sample and "commands" in kept):
            return None
        return activity

    def _begin_count(self, backend: BaseBackend) -> None:
        """Begin a new count unless the last report went to the same backend."""
        if self._backend is not backend:
            if self._backend is not None:
                self._counting.begin(self._registry.totals())
            self._backend = backend

    def _totals(self, sequence: int, *, full: bool) -> CountTotals | None:
        return self._counting.of(self._registry.totals(), sequence, full=full)

    def _condition(self, *, full: bool) -> str | None:
        text = self.condition.condition().to_text()
        if text == self._taken and not full:
            return None
        self._sent = text
        return text

    def answered(self, answer: ReportAnswer) -> None:
        """Take the answer to a report, also if its connections were refused."""
        if answer.is_taken:
            self._ended.answered()
        if answer.folded is not None:
            numbers = self._registry.newest_numbers(RETURN_LIMIT)
            self._ended.take_back(numbers, self._counting.number)
        self._counting.answered(answer, self._registry.totals())

    def succeed(self) -> None:
        """Note that everything is reported."""
        self._taken = self._sent

    @property
    def is_waiting(self) -> bool:
        """Return whether a report was not answered, so that its totals come first."""
        return self._counting.waits

    def for_goodbye(
        self,
        backend: BaseBackend,
        sequence: int,
        results: Mapping[str, str] = _NO_RESULTS,
    ) -> Activity:
        """Return the activity of the goodbye. What is open closes with it."""
        lists = "endings" in keeps(backend)
        totals = self._registry.totals()
        totals.close_open("worker_stopped")
        entries = self._registry.tally.entries
        stopped = self._stopped(ENTRY_LIMIT - len(entries.closed)) if lists else []
        entries.closed += stopped
        entries.closed_left_out += sum(self._registry.counts.values()) - len(stopped)
        closed, rejected = self._ended.of(entries, keep=lists)
        return Activity(
            totals=self._counting.of(totals, sequence, full=True),
            closed=closed,
            rejected=rejected,
            results=results,
            stops=True,
        )

    def _stopped(self, limit: int) -> list[EndedConnection]:
        if limit <= 0:
            return []
        now = time.time()
        connections, _ = next(self._registry.pieces(limit), ((), ()))
        found, _ = self._registry.still_counted(ConnectionDescriber(), connections, ())
        return [EndedConnection(it, now, "worker_stopped", None, "") for it in found]


_NOTHING = Activity()
