"""The contract of reports that carry activity: it never changes what is taken."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from django_socket_status.activity.stored import Activity, CountTotals, Entries
from django_socket_status.testing.contract.activity import (
    EVERYTHING,
    ActivityHarness,
    if_kept,
)

__all__ = ["ExchangesContract"]


class ExchangesContract(ActivityHarness):
    """A worker reports with activity, or without."""

    def test_report_without_activity_is_answered_with_nothing_else(self) -> None:
        worker = self.worker()
        answer = self.backend.exchange(worker.full([worker.open(user="7")]))
        assert answer == type(answer)(is_taken=True)
        self.assert_knows(worker)

    def test_activity_does_not_change_what_is_taken(self) -> None:
        worker = self.worker()
        first = worker.open(user="7")
        report = worker.full([first], activity=EVERYTHING)
        assert self.backend.exchange(report).is_taken
        report = worker.change(
            worker.open(user="8"), closed=[first], activity=EVERYTHING
        )
        assert self.backend.exchange(report).is_taken
        self.assert_knows(worker)
        assert self.backend.exchange(report).is_taken is False
        self.assert_knows(worker)

    def test_report_takes_activity_as_exchange_does(self) -> None:
        worker = self.worker()
        assert self.backend.report(worker.full(activity=EVERYTHING)) is True
        assert self.backend.report(worker.change(activity=EVERYTHING)) is True
        worker.change()
        assert self.backend.report(worker.change(activity=EVERYTHING)) is False

    def test_refused_report_leaves_no_activity(self) -> None:
        worker = self.worker()
        answer = self.backend.exchange(worker.change(activity=EVERYTHING))
        assert answer == type(answer)(is_taken=False)
        assert self.backend.read_totals() is None
        assert not self.backend.read_ended("closed")
        assert not self.backend.read_ended("rejected")
        assert not self.backend.read_conditions()
        # No worker was chosen to sample, so this one is the first.
        self.start(worker)
        answer = self.exchange(worker, can_sample=True)
        assert answer.samples is ("history" in self.backend.keeps)

    def test_goodbye_in_a_report_takes_the_worker_with_it(self) -> None:
        worker, other = self.worker("a"), self.worker("b")
        self.start(worker, worker.open(user="7"), worker.open())
        self.start(other, other.open(user="8"))
        if not self.backend.keeps:
            # The reporter calls goodbye() of such a backend instead.
            return
        late = worker.change()
        activity = Activity(
            totals=CountTotals(1, True, "T"), closed=Entries("[]", 2), stops=True
        )
        assert self.backend.exchange(worker.change(activity=activity)).is_taken is False
        report = worker.full(activity=activity)
        assert self.backend.exchange(report).is_taken
        self.assert_knows(other)
        assert self.backend.exchange(late).is_taken is False
        self.backend.goodbye("a")
        self.assert_knows(other)
        if "totals" in self.backend.keeps:
            totals = self.backend.read_totals()
            assert totals is not None
            assert [it.is_live for it in totals.counts] == [False]
        if "endings" in self.backend.keeps:
            assert list(self.backend.read_ended("closed")) == [Entries("[]", 2)]
            assert not self.backend.lost_connections("a", 10)

    @if_kept("conditions")
    def test_condition_is_read_until_the_lease_ends(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.exchange(one, condition="one")
        self.exchange(two, condition="two")
        assert dict(self.backend.read_conditions()) == {"a": "one", "b": "two"}
        self.exchange(one, condition="one, later")
        assert self.backend.report(one.change())
        assert dict(self.backend.read_conditions()) == {"a": "one, later", "b": "two"}
        self.end_lease(one)
        assert dict(self.backend.read_conditions()) == {"a": "one, later"}
        self.backend.goodbye("a")
        assert not self.backend.read_conditions()

    @if_kept("conditions")
    def test_full_report_replaces_the_condition_too(self) -> None:
        worker = self.worker()
        self.exchange(worker, condition="before")
        assert self.backend.report(worker.full())
        assert not self.backend.read_conditions()
        self.exchange(worker, full=True, condition="after")
        assert dict(self.backend.read_conditions()) == {"a": "after"}

    @if_kept("conditions")
    def test_condition_may_be_long_and_have_any_ascii(self) -> None:
        text = '{"slow":"' + "\\u00e9'%s?:x" * 300 + '"}'
        self.exchange(self.worker(), condition=text)
        assert dict(self.backend.read_conditions()) == {"a": text}
