"""The contract of folding: counts of lost workers move into the base, each once."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from django_socket_status.activity.stored import (
    Activity,
    CountTotals,
    ReportAnswer,
    StoredCount,
)
from django_socket_status.testing.contract.activity import DAY, if_kept
from django_socket_status.testing.contract.totals import FORGOTTEN, TAKEN, TotalsHarness
from django_socket_status.testing.fakes import FakeWorker

__all__ = ["FoldingContract"]


class FoldingContract(TotalsHarness):
    """The sampler folds the counts of workers that are not live."""

    def lose(self, *workers: FakeWorker) -> None:
        """Have workers report counters, and end their leases."""
        for worker in workers:
            self.count(worker, f"T-{worker.worker.worker_id}", new=True)
        self.end_lease()

    def back(self, worker: FakeWorker, text: str, number: int = 1) -> ReportAnswer:
        """Have a worker report in full, with counters that it has reported before."""
        totals = CountTotals(number, False, text)
        return self.exchange(worker, full=True, totals=totals)

    @if_kept("totals")
    def test_fold_moves_counts_into_the_base(self) -> None:
        self.lose(self.worker("a"), self.worker("b"))
        live = self.worker("c")
        self.count(live, "T-c", new=True)
        self.fold(*self.counts[:2], base="a and b")
        assert self.totals.base == "a and b"
        assert self.counts == [StoredCount("c", 1, 1, "T-c", True)]

    @if_kept("totals")
    def test_damaged_totals_are_dropped_together_or_not_at_all(self) -> None:
        self.lose(self.worker("a"), self.worker("b"))
        self.fold(*self.counts[:1], base="base")
        before = self.counts
        self.backend.drop_totals("something else")
        assert (self.totals.base, self.counts) == ("base", before)
        self.backend.drop_totals("base")
        if self.backend.read_totals() is not None:
            # Dropping is optional: without it, damaged totals stay unreadable.
            assert (self.totals.base, self.counts) == ("base", before)
            return
        assert self.back(self.worker("e"), "T-e") == FORGOTTEN
        assert self.backend.read_totals() is None
        self.count(self.worker("c"), "T-c", new=True)
        self.backend.drop_totals("T-c")
        assert self.backend.read_totals() is None

    @if_kept("totals")
    def test_base_may_be_long(self) -> None:
        self.lose(self.worker())
        base = '{"opened":{' + "\\u00e9'%s?:x" * 10_000 + "}}"
        self.fold(*self.counts, base=base)
        assert self.totals.base == base

    @if_kept("totals")
    def test_eight_counts_fold_at_once(self) -> None:
        self.lose(*(self.worker(f"w{number}") for number in range(8)))
        self.fold(*self.counts)
        assert self.counts == []

    @if_kept("totals")
    def test_live_worker_is_not_folded(self) -> None:
        dead, live = self.worker("a"), self.worker("b")
        self.count(dead, "T-a", new=True)
        self.count(live, "T-b", new=True)
        self.end_lease(live)
        before = self.counts
        assert [it.is_live for it in before] == [False, True]
        assert self.backend.fold(before, "", "both") is False
        assert (self.counts, self.totals.base) == (before, "")

    @if_kept("totals")
    def test_worker_that_came_back_is_not_folded(self) -> None:
        worker = self.worker()
        self.lose(worker)
        read = self.counts
        assert self.back(worker, "more") == TAKEN
        assert self.backend.fold(read, "", "base") is False
        self.end_lease()
        # It is lost again, but its counters are not those that were read.
        assert self.backend.fold(read, "", "base") is False
        assert [it.text for it in self.counts] == ["more"]
        self.fold(*self.counts)

    @if_kept("totals")
    def test_fold_needs_the_base_that_was_read(self) -> None:
        self.lose(self.worker("a"), self.worker("b"))
        one, two = self.counts
        assert self.backend.fold([one], "", "one") is True
        assert self.backend.fold([two], "", "two") is False
        assert (self.counts, self.totals.base) == ([two], "one")
        assert self.backend.fold([two], "one", "one and two") is True

    @if_kept("totals")
    def test_fold_that_is_repeated_is_refused(self) -> None:
        self.lose(self.worker("a"), self.worker("b"))
        one, two = self.counts
        assert self.backend.fold([one], "", "one") is True
        # The reply was lost, or another sampler does the same.
        assert self.backend.fold([one], "", "one") is False
        assert self.backend.fold([one], "one", "one and one") is False
        assert self.backend.fold([one, two], "one", "all") is False
        assert (self.counts, self.totals.base) == ([two], "one")

    @if_kept("totals")
    def test_fold_of_a_store_without_counters_is_refused(self) -> None:
        count = StoredCount("a", 1, 1, "one", False)
        assert self.backend.fold([count], "", "base") is False
        assert self.backend.read_totals() is None

    @if_kept("totals")
    def test_folded_worker_learns_what_was_folded(self) -> None:
        worker = self.worker()
        self.start(worker)
        self.count(worker, "one", new=True)
        self.count(worker, "two")
        self.end_lease()
        self.fold(*self.counts)
        answer = self.back(worker, "three")
        assert answer == ReportAnswer(is_taken=True, folded=3)
        # The connections were taken, the counters were not.
        self.assert_knows(worker)
        assert self.counts == []
        assert self.count(worker, "three") == answer
        assert self.count(worker, "next", number=2, new=True) == TAKEN
        assert self.counts == [StoredCount("a", 2, 6, "next", True)]

    @if_kept("totals")
    def test_folded_worker_learns_it_if_the_reply_before_was_lost(self) -> None:
        worker = self.worker()
        self.start(worker)
        activity = Activity(totals=CountTotals(1, True, "one"))
        # The worker never learns that this was taken.
        assert self.backend.exchange(worker.change(activity=activity)) == TAKEN
        self.end_lease()
        self.fold(*self.counts)
        answer = self.backend.exchange(worker.full(activity=activity))
        assert answer == ReportAnswer(is_taken=True, folded=2)
        assert self.counts == []

    @if_kept("totals")
    def test_folded_worker_has_to_report_in_full(self) -> None:
        """So that its next report carries its counters, changed or not."""
        worker = self.worker()
        self.lose(worker)
        self.fold(*self.counts)
        assert self.backend.exchange(worker.change()).is_taken is False

    @if_kept("totals")
    def test_late_report_of_a_folded_count_is_not_counted_twice(self) -> None:
        worker = self.worker()
        self.start(worker)
        totals = CountTotals(1, True, "one")
        late = worker.full(activity=Activity(totals=totals))
        self.exchange(worker, full=True, totals=totals)
        self.end_lease()
        self.fold(*self.counts)
        self.exchange(worker, full=True, totals=CountTotals(2, True, "next"))
        answer = self.backend.exchange(late)
        assert answer.folded == 3 or not answer.is_taken
        assert [it.text for it in self.counts] == ["next"]

    @if_kept("totals")
    def test_each_count_of_a_worker_is_folded_once(self) -> None:
        worker = self.worker()
        for number in (1, 2, 3):
            totals = CountTotals(number, True, f"T{number}")
            self.exchange(worker, full=True, totals=totals)
            self.end_lease()
            self.fold(*self.counts, base=f"to {number}")
        assert self.totals.base == "to 3"
        answers = [self.back(worker, "T", number).folded for number in (1, 2, 3)]
        assert answers == [1, 2, 3]
        assert self.back(worker, "T", 4) == FORGOTTEN

    @if_kept("totals")
    def test_last_counters_of_a_goodbye_can_be_folded(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open())
        self.exchange(worker, totals=CountTotals(1, True, "last"), stops=True)
        assert self.counts == [StoredCount("a", 1, 2, "last", False)]
        self.fold(*self.counts)
        assert self.totals.base == "base"

    @if_kept("totals")
    def test_mark_of_a_folded_count_is_kept_for_a_day(self) -> None:
        worker = self.worker()
        self.lose(worker)
        self.fold(*self.counts)
        if not self.may_pass(DAY):
            return
        self.pass_time(DAY - 60)
        assert self.back(worker, "late").folded == 1
        self.pass_time(120)
        assert self.back(worker, "later") == FORGOTTEN
        assert self.totals.base == "base"

    @if_kept("totals")
    def test_another_instance_folds_what_the_first_one_has(self) -> None:
        if self.backend.coverage == "process":
            return
        worker = self.worker()
        self.lose(worker)
        read = self.counts
        other = self.another_backend()
        assert other.fold(read, "", "base") is True
        assert self.backend.fold(read, "", "base") is False
        assert self.totals.base == "base"
        assert self.back(worker, "late").folded == 1

    @if_kept("totals")
    def test_connections_of_a_lost_worker_can_be_listed_until_it_is_folded(
        self,
    ) -> None:
        if "endings" not in self.backend.keeps:
            return
        worker, other = self.worker("a"), self.worker("b")
        held = [
            worker.open(user="7", labels={"room": "blue"}, at=1_700_000_000.0 + n)
            for n in range(5)
        ]
        self.start(worker, *held)
        self.count(worker, "T", new=True)
        self.start(other, other.open())
        self.end_lease(other)
        # A store may need a moment, and another report, to notice the loss.
        assert self.backend.report(other.change())
        assert list(self.backend.lost_connections("a", 1000)) == held[::-1]
        assert list(self.backend.lost_connections("a", 2)) == held[:-3:-1]
        assert not self.backend.lost_connections("unknown", 1000)
        self.fold(*(it for it in self.counts if it.worker_id == "a"))
        assert not self.backend.lost_connections("a", 1000)

    @if_kept("totals")
    def test_worker_that_came_back_has_lost_nothing(self) -> None:
        if "endings" not in self.backend.keeps:
            return
        worker, other = self.worker("a"), self.worker("b")
        self.start(worker, worker.open())
        self.count(worker, "T", new=True)
        self.start(other)
        self.end_lease(other)
        assert self.backend.report(other.change())
        assert len(self.backend.lost_connections("a", 10)) == 1
        worker.connections.clear()
        self.back(worker, "T")
        self.exchange(worker, stops=True)
        assert not self.backend.lost_connections("a", 10)
