"""The contract of ended connections: how many are kept, in which order, how long."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.test import override_settings

from django_socket_status.activity.stored import Activity, Ended, Entries
from django_socket_status.testing.contract.activity import (
    DAY,
    ActivityHarness,
    if_kept,
)

__all__ = ["EndingsContract"]


class EndingsContract(ActivityHarness):
    """Workers report connections that ended."""

    def ended(self, ended: Ended = "closed") -> list[Entries]:
        """Return what is kept, newest report first."""
        return list(self.backend.read_ended(ended))

    def texts(self, ended: Ended = "closed") -> list[str]:
        """Return the texts that are kept."""
        return [it.text for it in self.ended(ended)]

    def test_nothing_has_ended_before_a_report_says_so(self) -> None:
        self.start(self.worker())
        assert self.ended() == self.ended("rejected") == []

    @if_kept("endings")
    def test_entries_are_read_back_newest_report_first(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        first = Entries('{"entries":[1,2]}', 2)
        second = Entries('{"entries":[]}', 0, 7)
        third = Entries('{"entries":[4]}', 1, 12)
        self.exchange(one, closed=first)
        self.exchange(two, closed=second)
        self.exchange(one, closed=third)
        assert self.ended() == [third, second, first]
        assert self.ended("rejected") == []

    @if_kept("endings")
    def test_closed_and_rejected_are_two_lists(self) -> None:
        closed, rejected = Entries("closed", 1), Entries("rejected", 2)
        self.exchange(self.worker(), closed=closed, rejected=rejected)
        assert self.ended() == [closed]
        assert self.ended("rejected") == [rejected]

    @if_kept("endings")
    def test_entries_outlive_their_worker(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.exchange(one, closed=Entries("one", 1))
        self.exchange(two, closed=Entries("two", 1), stops=True)
        self.backend.goodbye("a")
        self.end_lease()
        self.start(self.worker("c"))
        assert self.texts() == ["two", "one"]

    @if_kept("endings")
    def test_entries_of_a_lost_worker_are_kept_without_a_report(self) -> None:
        self.backend.keep_ended("closed", Entries("lost", 3))
        self.exchange(self.worker(), closed=Entries("more", 1))
        self.backend.keep_ended("rejected", Entries("other", 1))
        assert self.texts() == ["more", "lost"]
        assert self.texts("rejected") == ["other"]

    @if_kept("endings")
    def test_entries_of_a_repeated_report_are_all_read(self) -> None:
        """Readers take the later entry of a connection, so a repetition is no harm."""
        worker = self.worker()
        self.start(worker)
        activity = Activity(closed=Entries("once", 1))
        lost = worker.change(activity=activity)
        assert self.backend.exchange(lost).is_taken
        assert self.backend.exchange(lost).is_taken is False
        assert self.texts() == ["once"]
        assert self.backend.exchange(worker.full(activity=activity)).is_taken
        assert set(self.texts()) == {"once"}

    @if_kept("endings")
    def test_long_entries_are_kept_whole(self) -> None:
        text = '{"entries":[' + "\\u00e9'%s?:x" * 10_000 + "]}"
        self.exchange(self.worker(), closed=Entries(text, 100))
        assert self.texts() == [text]

    @if_kept("endings")
    def test_oldest_reports_go_beyond_the_limit(self) -> None:
        worker = self.worker()
        with limits(CLOSED_LIMIT=10):
            for number in range(6):
                self.exchange(
                    worker,
                    closed=Entries(f"c{number}", 3),
                    rejected=Entries(f"r{number}", 1),
                )
            assert self.texts() == ["c5", "c4", "c3"]
            assert len(self.texts("rejected")) == 6
            self.exchange(worker, closed=Entries("c6", 10))
            assert self.texts() == ["c6"]
        self.exchange(worker, closed=Entries("c7", 1))
        # A store may remove the others a little later.
        assert self.texts()[:2] == ["c7", "c6"]

    @if_kept("endings")
    def test_reports_without_an_entry_do_not_grow_without_bound(self) -> None:
        worker = self.worker()
        with limits(CLOSED_LIMIT=5):
            for number in range(8):
                self.exchange(worker, closed=Entries("", 0, number + 1))
            assert [it.left_out for it in self.ended()] == [8, 7, 6, 5, 4]

    @if_kept("endings")
    def test_rejected_ones_have_a_limit_of_their_own(self) -> None:
        worker = self.worker()
        with limits(REJECTED_LIMIT=2):
            for number in range(4):
                self.exchange(
                    worker,
                    closed=Entries(f"c{number}", 1),
                    rejected=Entries(f"r{number}", 1),
                )
            assert self.texts("rejected") == ["r3", "r2"]
            assert len(self.texts()) == 4

    @if_kept("endings")
    def test_limit_of_zero_keeps_none(self) -> None:
        worker = self.worker()
        self.exchange(worker, closed=Entries("c", 1), rejected=Entries("r", 1))
        with limits(CLOSED_LIMIT=0, REJECTED_LIMIT=0):
            assert self.texts() == self.texts("rejected") == []
            self.exchange(worker, closed=Entries("d", 1), rejected=Entries("s", 1))
            self.backend.keep_ended("closed", Entries("lost", 1))
            assert self.texts() == self.texts("rejected") == []

    @if_kept("endings")
    def test_entries_take_eight_megabytes_at_most(self) -> None:
        worker = self.worker()
        for number in range(12):
            self.exchange(worker, closed=Entries(f"{number:x}" * 2**20, 1))
        # A backend with less space may keep fewer, and always has the newest one.
        starts = [text[0] for text in self.texts()]
        assert 1 <= len(starts) <= 8
        assert starts == list("ba987654")[: len(starts)]

    @if_kept("endings")
    def test_entries_are_kept_for_seven_days(self) -> None:
        if not self.may_pass(7 * DAY):
            return
        worker = self.worker()
        self.exchange(worker, closed=Entries("c1", 1), rejected=Entries("r1", 1))
        self.pass_time(4 * DAY)
        self.exchange(worker, full=True, closed=Entries("c2", 1))
        self.pass_time(3 * DAY - 60)
        assert (self.texts(), self.texts("rejected")) == (["c2", "c1"], ["r1"])
        self.pass_time(120)
        assert (self.texts(), self.texts("rejected")) == (["c2"], [])
        with limits(CLOSED_SECONDS=DAY):
            assert self.texts() == []

    @if_kept("endings")
    def test_another_instance_reads_the_same_entries(self) -> None:
        if self.backend.coverage == "process":
            return
        self.exchange(self.worker(), closed=Entries("c", 1))
        other = self.another_backend()
        assert other.read_ended("closed") == self.backend.read_ended("closed")
        other.keep_ended("closed", Entries("d", 1))
        self.backend.close()
        assert self.texts() == ["d", "c"]


def limits(**changed: float) -> Any:
    """Change some limits of the project's settings."""
    given = getattr(settings, "SOCKET_STATUS", {})
    return override_settings(SOCKET_STATUS={**given, **changed})
