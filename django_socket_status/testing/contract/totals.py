"""The contract of counters: which ones are taken, and that none is lost or doubled."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from django_socket_status.activity.stored import (
    Activity,
    CountTotals,
    ReportAnswer,
    StoredCount,
    StoredTotals,
)
from django_socket_status.testing.contract.activity import (
    DAY,
    ActivityHarness,
    if_kept,
)
from django_socket_status.testing.fakes import FakeWorker

__all__ = ["TotalsContract", "TotalsHarness"]

TAKEN = ReportAnswer(is_taken=True)
REFUSED = ReportAnswer(is_taken=False)
FORGOTTEN = ReportAnswer(is_taken=True, is_forgotten=True)


class TotalsHarness(ActivityHarness):
    """Reads counters back."""

    @property
    def totals(self) -> StoredTotals:
        """Return the stored counters, which are there."""
        found = self.backend.read_totals()
        assert found is not None
        assert found.epoch > 0
        return found

    @property
    def counts(self) -> list[StoredCount]:
        """Return the counts by worker and number."""
        return sorted(self.totals.counts)

    def fold(self, *counts: StoredCount, base: str = "base") -> None:
        """Fold counts into the base as the sampler does."""
        assert self.backend.fold(counts, self.totals.base, base) is True


class TotalsContract(TotalsHarness):
    """A worker reports its counters."""

    def test_there_are_no_counters_before_the_first_ones(self) -> None:
        assert self.backend.read_totals() is None
        self.start(self.worker())
        assert self.backend.read_totals() is None

    @if_kept("totals")
    def test_counters_are_read_back_with_their_sequence(self) -> None:
        worker = self.worker()
        self.start(worker)
        assert self.count(worker, "one", new=True) == TAKEN
        assert self.counts == [StoredCount("a", 1, 2, "one", True)]
        assert self.totals.base == ""
        assert self.count(worker, "two") == TAKEN
        assert self.counts == [StoredCount("a", 1, 3, "two", True)]

    @if_kept("totals")
    def test_counters_come_with_a_full_report_too(self) -> None:
        worker = self.worker()
        assert self.count(worker, "one", new=True) == TAKEN
        report = worker.full(activity=Activity(totals=CountTotals(1, False, "two")))
        assert self.backend.exchange(report) == TAKEN
        assert self.counts == [StoredCount("a", 1, 2, "two", True)]

    @if_kept("totals")
    def test_report_without_counters_leaves_them_alone(self) -> None:
        worker = self.worker()
        self.count(worker, "one", new=True)
        assert self.backend.report(worker.change())
        self.exchange(worker)
        assert self.backend.report(worker.full())
        assert self.counts == [StoredCount("a", 1, 1, "one", True)]

    @if_kept("totals")
    def test_counters_of_two_workers_stand_side_by_side(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.count(one, "one", new=True)
        self.count(two, "two", number=7, new=True)
        assert self.counts == [
            StoredCount("a", 1, 1, "one", True),
            StoredCount("b", 7, 1, "two", True),
        ]

    @if_kept("totals")
    def test_long_counters_are_kept_whole(self) -> None:
        text = '{"opened":{' + "\\u00e9'%s?:x" * 3_000 + "}}"
        self.count(self.worker(), text, new=True)
        assert self.counts[0].text == text

    @if_kept("totals")
    def test_count_that_the_store_does_not_know_is_forgotten(self) -> None:
        worker = self.worker()
        self.start(worker)
        assert self.count(worker, "one") == FORGOTTEN
        assert self.backend.read_totals() is None
        # The connections were taken.
        self.assert_knows(worker)
        assert self.count(worker, "new", number=2, new=True) == TAKEN
        assert self.counts == [StoredCount("a", 2, 3, "new", True)]

    @if_kept("totals")
    def test_first_counters_may_come_again_until_they_are_acknowledged(self) -> None:
        worker = self.worker()
        self.start(worker)
        lost = worker.change(activity=Activity(totals=CountTotals(1, True, "one")))
        # The reply is lost.
        assert self.backend.exchange(lost) == TAKEN
        assert self.backend.exchange(lost).is_taken is False
        again = worker.full(activity=Activity(totals=CountTotals(1, True, "one")))
        assert self.backend.exchange(again) == TAKEN
        assert self.counts == [StoredCount("a", 1, 3, "one", True)]

    @if_kept("totals")
    def test_late_report_takes_no_counters_back(self) -> None:
        worker = self.worker()
        self.start(worker)
        first = worker.change(activity=Activity(totals=CountTotals(1, True, "one")))
        late = worker.full(activity=Activity(totals=CountTotals(1, True, "one")))
        newer = worker.full(activity=Activity(totals=CountTotals(1, True, "two")))
        assert self.backend.exchange(newer) == TAKEN
        assert self.backend.exchange(first).is_taken is False
        # A backend may take the connections of a late full report, or refuse it.
        assert self.backend.exchange(late) in {TAKEN, REFUSED}
        assert self.counts == [StoredCount("a", 1, 4, "two", True)]

    @if_kept("totals")
    def test_counters_outlive_the_lease_and_the_goodbye(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.count(one, "one", new=True)
        self.count(two, "two", new=True)
        self.backend.goodbye("b")
        assert [it.is_live for it in self.counts] == [True, False]
        self.end_lease()
        self.start(self.worker("c"))
        assert self.counts == [
            StoredCount("a", 1, 1, "one", False),
            StoredCount("b", 1, 1, "two", False),
        ]

    @if_kept("totals")
    def test_worker_that_comes_back_goes_on_with_its_count(self) -> None:
        worker = self.worker()
        self.count(worker, "one", new=True)
        self.end_lease()
        totals = CountTotals(1, False, "two")
        report = worker.full(activity=Activity(totals=totals))
        assert self.backend.exchange(report) == TAKEN
        assert self.counts == [StoredCount("a", 1, 2, "two", True)]

    @if_kept("totals")
    def test_epoch_stays_while_the_counters_do(self) -> None:
        worker = self.worker()
        self.count(worker, "one", new=True)
        epoch = self.totals.epoch
        self.pass_time(1.0)
        self.count(worker, "two")
        self.count(self.worker("b"), "other", new=True)
        assert self.totals.epoch == epoch
        self.backend.goodbye("a")
        self.fold(self.counts[0])
        assert self.totals.epoch == epoch

    @if_kept("totals")
    def test_another_instance_reads_the_same_counters(self) -> None:
        if self.backend.coverage == "process":
            return
        worker = self.worker()
        self.count(worker, "one", new=True)
        before = self.totals
        other = self.another_backend()
        found = other.read_totals()
        assert found is not None
        assert found._replace(now=before.now) == before
        report = worker.change(activity=Activity(totals=CountTotals(1, False, "two")))
        assert other.exchange(report) == TAKEN
        assert self.counts == [StoredCount("a", 1, 2, "two", True)]
        self.backend.close()
        assert self.counts == [StoredCount("a", 1, 2, "two", True)]

    @if_kept("totals")
    def test_nothing_is_left_eight_days_after_the_last_write(self) -> None:
        if not self.may_pass(8 * DAY):
            return
        worker = self.worker()
        self.count(worker, "one", new=True)
        self.pass_time(7.9 * DAY)
        assert [it.text for it in self.counts] == ["one"]
        self.count(FakeWorker("b"), "two", new=True)
        self.pass_time(7.9 * DAY)
        assert [it.text for it in self.counts] == ["one", "two"]
        epoch = self.totals.epoch
        self.pass_time(0.2 * DAY)
        assert self.backend.read_totals() is None
        assert (
            self.exchange(worker, full=True, totals=CountTotals(1, False, "one"))
            == FORGOTTEN
        )
        assert self.backend.read_totals() is None
        self.count(worker, "new", number=2, new=True)
        assert [it.text for it in self.counts] == ["new"]
        assert self.totals.epoch >= epoch
