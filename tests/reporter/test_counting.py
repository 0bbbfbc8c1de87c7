"""Totals reach the store once, whatever is folded, lost or not answered."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from django_socket_status.activity.stored import Activity, CountTotals, ReportAnswer
from django_socket_status.activity.totals import Totals
from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.reporter.counting import RESEND_AFTER, Counting
from django_socket_status.testing import FakeWorker

TAKEN = ReportAnswer(is_taken=True)


def totals(opened: int, closed: int = 0) -> Totals:
    causes = {"client_closed": closed}
    return Totals(opened={"call": opened}, closed={"call": causes} if closed else {})


def carried(found: CountTotals | None) -> tuple[int, bool, Totals]:
    assert found is not None
    return found.count_number, found.is_new, Totals.from_text(found.text)


def test_totals_are_carried_until_they_are_taken():
    counting = Counting()
    assert carried(counting.of(totals(1), 1, full=True)) == (1, True, totals(1))
    assert counting.waits
    # Not answered: the same ones, since it is not known whether they arrived.
    assert carried(counting.of(totals(5), 2, full=True)) == (1, True, totals(1))
    assert counting.answered(TAKEN, totals(5))
    assert not counting.waits
    assert carried(counting.of(totals(5), 3, full=False)) == (1, False, totals(5))


def test_totals_that_the_store_has_are_in_full_reports_alone():
    counting = Counting()
    counting.of(totals(1), 1, full=True)
    counting.answered(TAKEN, totals(1))
    assert counting.of(totals(1), 2, full=False) is None
    assert counting.answered(TAKEN, totals(1))
    assert carried(counting.of(totals(1), 3, full=True)) == (1, False, totals(1))


def test_refused_report_leaves_its_totals_on_their_way():
    counting = Counting()
    counting.of(totals(1), 1, full=False)
    assert not counting.answered(ReportAnswer(is_taken=False), totals(1))
    assert counting.waits


def test_next_count_begins_from_what_was_folded():
    counting = Counting()
    counting.of(totals(4, 1), 1, full=True)
    counting.answered(TAKEN, totals(4, 1))
    counting.of(totals(6, 3), 2, full=False)
    # The store has folded the first report: three were open with it.
    assert not counting.answered(ReportAnswer(True, folded=1), totals(6, 3))
    assert carried(counting.of(totals(6, 3), 3, full=True)) == (2, True, totals(5, 2))


def test_next_count_begins_from_totals_whose_reply_was_lost():
    counting = Counting()
    counting.of(totals(4, 1), 1, full=True)
    counting.answered(TAKEN, totals(4, 1))
    counting.of(totals(6, 3), 2, full=False)
    # That reply was lost, and the store folded what it had taken.
    counting.of(totals(9, 3), 3, full=True)
    assert not counting.answered(ReportAnswer(True, folded=2), totals(9, 3))
    assert carried(counting.of(totals(9, 3), 4, full=True)) == (2, True, totals(6))


def test_first_totals_can_be_folded_without_an_answer():
    counting = Counting()
    counting.of(totals(2), 1, full=True)
    counting.of(totals(3), 2, full=True)
    assert not counting.answered(ReportAnswer(True, folded=1), totals(3))
    assert carried(counting.of(totals(3), 3, full=True)) == (2, True, totals(3))


def test_count_that_was_lost_begins_at_what_is_open():
    counting = Counting()
    counting.of(totals(4, 1), 1, full=True)
    counting.answered(TAKEN, totals(4, 1))
    counting.of(totals(6, 2), 2, full=False)
    assert not counting.answered(ReportAnswer(True, is_forgotten=True), totals(6, 2))
    assert carried(counting.of(totals(6, 2), 3, full=True)) == (2, True, totals(4))


def test_idle_worker_sends_its_totals_again_after_a_while():
    """Else a store that dropped damaged totals would lack them until a change."""
    counting = Counting()
    counting.of(totals(4, 1), 1, full=True)
    counting.answered(TAKEN, totals(4, 1))
    for sequence in range(2, 1 + RESEND_AFTER):
        assert counting.of(totals(4, 1), sequence, full=False) is None
    sequence = 1 + RESEND_AFTER
    again = carried(counting.of(totals(4, 1), sequence, full=False))
    assert again == (1, False, totals(4, 1))
    counting.answered(TAKEN, totals(4, 1))
    assert counting.of(totals(4, 1), sequence + 1, full=False) is None


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_dropped_totals_of_an_idle_worker_return(kind, tmp_path):
    """What opened less what closed is what is open, without any change."""
    store: BaseBackend = MemoryBackend()
    if kind == "sqlite":
        store = SqliteBackend(path=tmp_path / "file")
    with contextlib.closing(store):
        verify_return(store, lambda: store.drop_totals(totals(4, 1).to_text()))


def verify_return(store: BaseBackend, lose: Callable[[], object]) -> None:
    counting, worker = Counting(), FakeWorker(lease_seconds=600)
    make = worker.full
    for sequence in range(1, RESEND_AFTER + 3):
        found = counting.of(totals(4, 1), sequence, full=sequence == 1)
        activity = None if found is None else Activity(totals=found)
        answer = store.exchange(make(activity=activity))
        counting.answered(answer, totals(4, 1))
        make = worker.change
        if sequence == 1:
            lose()
            assert store.read_totals() is None
    (count,) = store.read_totals().counts
    assert Totals.from_text(count.text).opened == {"call": 3}
