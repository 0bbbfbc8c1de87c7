"""The base class of the tests of what a backend keeps beside the open connections.

A backend keeps any part of it, or nothing. A test of a part that the backend does not
keep asserts instead that the backend ignores it, and says so.
"""

# ruff: noqa: S101

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from django_socket_status.activity.stored import (
    Activity,
    CountTotals,
    Entries,
    Kept,
    ReportAnswer,
)
from django_socket_status.testing.contract.harness import Harness
from django_socket_status.testing.fakes import FakeWorker

__all__ = ["DAY", "EVERYTHING", "ActivityHarness", "if_kept"]

DAY = 86_400.0
#: The longest that a test waits if time is real.
PATIENCE_SECONDS = 5.0

#: A report's activity with all that a backend may keep.
EVERYTHING = Activity(
    totals=CountTotals(1, True, '{"opened":{"call":1}}'),
    closed=Entries('{"entries":[1]}', 1),
    rejected=Entries('{"entries":[2]}', 1),
    condition='{"lag":0.1}',
    results={"no such command": "closed 3"},
    can_sample=True,
)

Test = TypeVar("Test", bound=Callable[..., None])


def if_kept(kind: Kept) -> Callable[[Test], Test]:
    """Run a test if the backend keeps this; else assert that it is ignored."""

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run(self: ActivityHarness, *args: Any, **kwargs: Any) -> None:
            if kind in self.backend.keeps:
                test(self, *args, **kwargs)
            else:
                self.assert_ignored(kind)

        return run  # type: ignore[return-value]

    return decorate


class ActivityHarness(Harness):
    """Makes reports with activity, and asserts what the backend answers."""

    @property
    def waits(self) -> bool:
        """Return whether :meth:`pass_time` really waits: then no days pass."""
        return type(self).pass_time is not Harness.pass_time

    def may_pass(self, seconds: float) -> bool:
        """Return whether a test may let so much time pass."""
        return not self.waits or seconds <= PATIENCE_SECONDS

    def exchange(
        self, worker: FakeWorker, *, full: bool = False, **content: Any
    ) -> ReportAnswer:
        """Have a worker report activity, and return the answer of a taken report."""
        report = worker.full if full or not worker.sequence else worker.change
        answer = self.backend.exchange(report(activity=Activity(**content)))
        assert answer.is_taken
        return answer

    def count(
        self, worker: FakeWorker, text: str, number: int = 1, *, new: bool = False
    ) -> ReportAnswer:
        """Have a worker report counters."""
        totals = CountTotals(number, new, text)
        return self.exchange(worker, totals=totals)

    def end_lease(self, *survivors: FakeWorker) -> None:
        """Let the lease of every worker end but of those given."""
        for _ in range(2):
            self.pass_time(self.lease_seconds * 0.6)
            for worker in survivors:
                assert self.backend.report(worker.change())

    def assert_ignored(self, kind: Kept) -> None:
        """Assert that a backend which does not keep something says so."""
        worker = self.worker()
        report = worker.full([worker.open()], activity=EVERYTHING)
        answer = self.backend.exchange(report)
        assert answer.is_taken
        self.assert_knows(worker)
        backend = self.backend
        if kind == "totals":
            assert backend.read_totals() is None
            assert (answer.folded, answer.is_forgotten) == (None, False)
        elif kind == "endings":
            assert not backend.read_ended("closed")
            assert not backend.read_ended("rejected")
        elif kind == "history":
            assert not backend.read_buckets({"10s": 0})
            assert answer.samples is False
        elif kind == "conditions":
            assert not backend.read_conditions()
        elif kind == "commands":
            assert not backend.read_commands()
            assert not answer.commands
