"""The contract of changes of ended connections: each text in its place, and once."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from collections.abc import Callable

from django_socket_status.activity.stored import Activity, Ended, Entries, Rewritten
from django_socket_status.testing.contract.activity import (
    DAY,
    ActivityHarness,
    if_kept,
)
from django_socket_status.testing.contract.endings import limits

__all__ = ["RewritesContract"]


def replacing(old: str, new: str) -> Callable[[str], Rewritten | None]:
    """Return what replaces some characters of a text, and counts them."""

    def rewrite(text: str) -> Rewritten | None:
        if old not in text:
            return None
        return Rewritten(text.replace(old, new), text.count(old))

    return rewrite


class RewritesContract(ActivityHarness):
    """A reader changes what workers reported as ended."""

    def lists(self) -> tuple[list[Entries], list[Entries]]:
        """Return both lists."""
        return tuple(  # type: ignore[return-value]
            list(self.backend.read_ended(it)) for it in ("closed", "rejected")
        )

    def rewrite(self, old: str, new: str, ended: Ended = "closed") -> int:
        """Replace characters of a list, and return how many were replaced."""
        return self.backend.rewrite_ended(ended, replacing(old, new))

    @if_kept("rewrites")
    def test_nothing_is_changed_where_nothing_has_ended(self) -> None:
        assert self.rewrite("a", "b") == self.rewrite("a", "b", "rejected") == 0
        self.start(self.worker())
        assert self.rewrite("a", "b") == 0

    @if_kept("rewrites")
    def test_text_is_replaced_in_its_place(self) -> None:
        worker = self.worker()
        for text in ("a7.7", "b", "c7"):
            self.exchange(worker, closed=Entries(text, 2, 3), rejected=Entries(text, 1))
        assert self.rewrite("7", "null") == 3
        closed, rejected = self.lists()
        assert closed == [Entries(it, 2, 3) for it in ("cnull", "b", "anull.null")]
        assert [it.text for it in rejected] == ["c7", "b", "a7.7"]
        assert self.rewrite("7", "", "rejected") == 3
        assert [it.text for it in self.lists()[1]] == ["c", "b", "a."]
        assert self.lists()[0] == closed

    @if_kept("rewrites")
    def test_repetition_changes_nothing(self) -> None:
        self.exchange(self.worker(), closed=Entries("a7", 1))
        assert self.rewrite("7", "_") == 1
        assert self.rewrite("7", "_") == 0
        assert [it.text for it in self.lists()[0]] == ["a_"]

    @if_kept("rewrites")
    def test_equal_texts_are_all_replaced(self) -> None:
        worker = self.worker()
        activity = Activity(closed=Entries("a7", 1))
        for _ in range(2):
            assert self.backend.exchange(worker.full(activity=activity)).is_taken
        # A backend may recognize the repetition.
        assert self.rewrite("7", "_") in (1, 2)
        assert {it.text for it in self.lists()[0]} == {"a_"}

    @if_kept("rewrites")
    def test_many_long_texts_are_replaced(self) -> None:
        worker = self.worker()
        for number in range(40):
            self.exchange(worker, closed=Entries(f"{number}." + "7'%s?:" * 5_000, 1))
        before = self.lists()[0]
        assert self.rewrite("7'", "null") == 5_000 * len(before)
        wanted = [it._replace(text=it.text.replace("7'", "null")) for it in before]
        after = self.lists()[0]
        # The texts are longer now: the oldest ones may be beyond the limit.
        assert after == wanted[: len(after)]
        assert len(after) > len(wanted) / 2

    @if_kept("rewrites")
    def test_text_beyond_a_limit_is_replaced_too(self) -> None:
        worker = self.worker()
        for text in ("a7", "b7"):
            self.exchange(worker, closed=Entries(text, 1))
        with limits(CLOSED_LIMIT=1):
            self.rewrite("7", "_")
        found = {it.text for it in self.lists()[0]}
        assert "b_" in found
        assert found <= {"a_", "b_"}

    @if_kept("rewrites")
    def test_replaced_text_is_kept_no_longer(self) -> None:
        if not self.may_pass(7 * DAY):
            return
        worker = self.worker()
        self.exchange(worker, closed=Entries("a7", 1))
        self.pass_time(6 * DAY)
        self.exchange(worker, full=True, closed=Entries("b7", 1))
        assert self.rewrite("7", "_") == 2
        self.pass_time(DAY + 60)
        assert [it.text for it in self.lists()[0]] == ["b_"]

    @if_kept("rewrites")
    def test_limits_count_the_replaced_text(self) -> None:
        worker = self.worker()
        with limits(CLOSED_LIMIT=3):
            for text in ("a7", "b7", "c7"):
                self.exchange(worker, closed=Entries(text, 1))
            assert self.rewrite("7", "_" * 1000) == 3
            for text in ("d", "e"):
                self.exchange(worker, closed=Entries(text, 1))
            assert [it.text[0] for it in self.lists()[0]] == ["e", "d", "c"]

    @if_kept("rewrites")
    def test_text_that_another_process_changes_is_rewritten_again(self) -> None:
        if self.backend.coverage == "process":
            return
        self.exchange(self.worker(), closed=Entries("a78", 1))
        other = self.another_backend()
        first = replacing("7", "_")
        seen: list[str] = []

        def rewrite(text: str) -> Rewritten | None:
            seen.append(text)
            if len(seen) == 1:
                assert other.rewrite_ended("closed", replacing("8", "-")) == 1
            return first(text)

        assert self.backend.rewrite_ended("closed", rewrite) == 1
        assert seen[:2] == ["a78", "a7-"]
        assert [it.text for it in self.lists()[0]] == ["a_-"]
