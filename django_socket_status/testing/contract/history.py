"""The contract of the history: which worker samples, and which buckets are kept."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

import time

from django_socket_status.activity.limits import SAMPLE_SECONDS
from django_socket_status.activity.stored import Activity, Bucket, CountTotals
from django_socket_status.testing.contract.activity import ActivityHarness, if_kept

__all__ = ["HistoryContract"]


class HistoryContract(ActivityHarness):
    """One worker at a time samples, and writes buckets."""

    def read(self, **rings: int) -> list[tuple[str, int, str]]:
        """Return the ring, number and text of each bucket."""
        found = self.backend.read_buckets(rings)
        return [(it.ring, it.number, it.text) for it in found]

    def write(self, *buckets: Bucket) -> None:
        """Write buckets as the sampler does."""
        self.backend.write_buckets(buckets, "carry")

    def wait_for_a_bucket(self) -> None:
        """Wait until no bucket begins while a test runs that takes real time."""
        if not self.may_pass(SAMPLE_SECONDS):
            while time.time() % SAMPLE_SECONDS > 0.8 * SAMPLE_SECONDS:
                time.sleep(0.1)

    def test_there_is_no_history_before_the_first_bucket(self) -> None:
        assert not self.backend.read_buckets({"total": 0})

    @if_kept("history")
    def test_first_worker_that_can_is_chosen_to_sample(self) -> None:
        self.wait_for_a_bucket()
        one, two = self.worker("a"), self.worker("b")
        assert self.exchange(one).samples is False
        assert self.exchange(two, can_sample=True).samples is True
        assert self.exchange(one, can_sample=True).samples is False
        assert self.exchange(two, can_sample=True).samples is False

    @if_kept("history")
    def test_one_worker_is_chosen_every_ten_seconds(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        one.lease_seconds = two.lease_seconds = 60.0
        assert self.exchange(one, can_sample=True).samples is True
        if not self.may_pass(SAMPLE_SECONDS):
            return
        # Late reports make no sample later: of 30 seconds, each ten have one.
        for seconds in (0.5, 2.5, 6.0):
            chosen = 0
            for _ in range(round(6 * SAMPLE_SECONDS / seconds)):
                self.pass_time(seconds)
                assert self.exchange(one).samples is False
                chosen += self.exchange(two, can_sample=True).samples
                chosen += self.exchange(one, can_sample=True).samples
            assert chosen == 6

    @if_kept("history")
    def test_another_worker_samples_when_the_last_one_is_gone(self) -> None:
        self.wait_for_a_bucket()
        one, two = self.worker("a"), self.worker("b")
        assert self.exchange(one, can_sample=True).samples is True
        self.backend.goodbye("a")
        self.start(two)
        assert self.exchange(two, can_sample=True).samples is False
        if self.may_pass(SAMPLE_SECONDS):
            self.pass_time(SAMPLE_SECONDS)
            assert self.exchange(two, full=True, can_sample=True).samples is True

    @if_kept("history")
    def test_one_worker_is_chosen_over_all_instances(self) -> None:
        if self.backend.coverage == "process":
            return
        self.wait_for_a_bucket()
        other = self.another_backend()
        one, two = self.worker("a"), self.worker("b")
        report = two.full(activity=Activity(can_sample=True))
        assert self.exchange(one, can_sample=True).samples is True
        assert other.exchange(report).samples is False
        if self.may_pass(SAMPLE_SECONDS):
            self.pass_time(SAMPLE_SECONDS)
            report = two.full(activity=Activity(can_sample=True))
            assert other.exchange(report).samples is True
            assert self.exchange(one, full=True, can_sample=True).samples is False

    @if_kept("history")
    def test_refused_report_is_not_chosen(self) -> None:
        worker = self.worker()
        report = worker.change(activity=Activity(can_sample=True))
        assert self.backend.exchange(report).samples is False
        assert self.exchange(worker, full=True, can_sample=True).samples is True

    @if_kept("history")
    def test_buckets_are_read_by_ring_and_number(self) -> None:
        self.write(Bucket("total", 5, "t5", 10))
        self.write(Bucket("total", 6, "t6", 10), Bucket("call", 6, "c6", 10))
        self.write(Bucket("total", 8, "t8", 10))
        assert self.read(total=0) == [
            ("total", 5, "t5"),
            ("total", 6, "t6"),
            ("total", 8, "t8"),
        ]
        assert self.read(total=6, call=0, unknown=0) == [
            ("call", 6, "c6"),
            ("total", 6, "t6"),
            ("total", 8, "t8"),
        ]
        assert self.read(call=7) == []
        assert self.read() == []

    @if_kept("history")
    def test_bucket_takes_the_place_of_one_with_its_number(self) -> None:
        self.write(Bucket("total", 5, "first", 10))
        self.write(Bucket("total", 5, "second", 10))
        assert self.read(total=0) == [("total", 5, "second")]

    @if_kept("history")
    def test_bucket_of_a_clock_that_went_back_is_ignored(self) -> None:
        self.write(Bucket("total", 5, "five", 10))
        self.write(Bucket("total", 7, "seven", 10))
        self.write(Bucket("total", 5, "late", 10), Bucket("call", 5, "call", 10))
        assert self.read(total=0, call=0) == [
            ("call", 5, "call"),
            ("total", 5, "five"),
            ("total", 7, "seven"),
        ]

    @if_kept("history")
    def test_ring_keeps_its_newest_buckets(self) -> None:
        for number in range(1, 8):
            self.write(Bucket("total", number, f"t{number}", 3))
        self.write(Bucket("call", 1, "c1", 60))
        assert self.read(total=0) == [("total", n, f"t{n}") for n in (5, 6, 7)]
        self.write(Bucket("total", 20, "t20", 3))
        assert [it[1] for it in self.read(total=0)] == [6, 7, 20]
        assert self.read(call=0) == [("call", 1, "c1")]

    @if_kept("history")
    def test_many_buckets_are_written_and_read_at_once(self) -> None:
        text = '{"\\u00e9\'%s?:x":1}' * 10
        rings = {f"ring:{number}/é": 0 for number in range(84)}
        for at in (100, 101):
            self.write(*(Bucket(it, at, text, 60) for it in rings))
        found = self.backend.read_buckets(rings)
        assert len(found) == 168
        assert {it.text for it in found} == {text}
        assert {it.ring for it in found} == rings.keys()

    @if_kept("history")
    def test_history_outlives_every_worker(self) -> None:
        worker = self.worker()
        self.start(worker)
        self.write(Bucket("total", 5, "five", 10))
        self.backend.goodbye("a")
        self.pass_time(2 * self.lease_seconds)
        assert self.read(total=0) == [("total", 5, "five")]
        if self.backend.coverage != "process":
            assert self.another_backend().read_buckets({"total": 0})

    @if_kept("history")
    def test_next_sampler_gets_what_the_last_one_left(self) -> None:
        if "totals" not in self.backend.keeps:
            return
        worker = self.worker()
        totals = CountTotals(1, True, "T")
        self.exchange(worker, totals=totals)
        assert self.carry == ""
        self.backend.write_buckets([Bucket("total", 5, "five", 10)], "first")
        assert self.carry == "first"
        text = '{"\\u00e9\'%s?:x":1}' * 10_000
        self.backend.write_buckets([Bucket("total", 4, "late", 10)], text)
        self.backend.goodbye("a")
        assert self.carry == text
        self.backend.write_buckets([], "")
        assert self.carry == ""

    @property
    def carry(self) -> str:
        """Return what the last sampler left, read with a time that goes on."""
        first, second = self.backend.read_totals(), self.backend.read_totals()
        assert first is not None
        assert second is not None
        assert 0 < first.epoch <= first.now <= second.now
        return second.carry
