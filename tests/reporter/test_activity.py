"""What a report carries beside the open connections, and to which backends."""

from __future__ import annotations

import pytest

from django_socket_status.activity.conditions import Condition
from django_socket_status.activity.stored import Kept, ReportAnswer
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.records import Report
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.activity import ActivityReport, hand_over
from django_socket_status.testing import Clock, FakeWorker


@pytest.fixture
def activity() -> ActivityReport:
    return ActivityReport(registry, Clock())


class KeepsNothing(MemoryBackend):
    keeps: frozenset[Kept] = frozenset()  # type: ignore[assignment]


class OfTheOldContract(MemoryBackend):
    """A subclass that was written when there was only ``report``."""

    def report(self, report: Report) -> bool:
        return report.sequence > 1 and super().report(report)


class OfTheNewContract(OfTheOldContract):
    def exchange(self, report: Report) -> ReportAnswer:
        return ReportAnswer(is_taken=True, folded=7)


def test_condition_is_carried_once_until_it_changes(activity):
    backend = MemoryBackend()
    carried = activity.for_report(backend, 1, full=True)
    assert carried is not None
    assert carried.condition is not None
    assert Condition.from_text(carried.condition).loop_lag_seconds == []
    activity.answered(ReportAnswer(is_taken=True))
    activity.succeed()
    assert activity.for_report(backend, 1, full=False) is None
    again = activity.for_report(backend, 1, full=True)
    assert again is not None
    assert again.condition == carried.condition


def test_condition_of_a_report_that_failed_is_carried_again(activity):
    backend = MemoryBackend()
    assert activity.for_report(backend, 1, full=False) == activity.for_report(
        backend, 1, full=False
    )


@pytest.mark.parametrize("backend", [KeepsNothing, OfTheOldContract])
def test_backend_that_keeps_nothing_gets_nothing(activity, backend):
    assert activity.for_report(backend(), 1, full=True) is None


def test_backend_gets_a_report_by_the_method_that_it_overrides():
    report = FakeWorker().full()
    assert hand_over(MemoryBackend(), report) == ReportAnswer(is_taken=True)
    assert report.sequence == 1
    assert not hand_over(OfTheOldContract(), report).is_taken
    assert hand_over(OfTheNewContract(), report).folded == 7


def test_worker_begins_anew_after_a_reset(activity):
    backend = MemoryBackend()
    carried = activity.for_report(backend, 1, full=True)
    activity.succeed()
    activity.reset()
    assert activity.for_report(backend, 1, full=False) == carried
