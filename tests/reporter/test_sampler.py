"""The sampler folds lost workers, and writes samples of the whole deployment."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.test import override_settings

from django_socket_status.activity.buckets import EVENTS, RECENT, RINGS
from django_socket_status.activity.ended_rows import read_closed
from django_socket_status.activity.stored import (
    Activity,
    CountTotals,
    StoredCount,
    StoredTotals,
)
from django_socket_status.activity.totals import Totals
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.backends.optional import OptionalMethods
from django_socket_status.exceptions import BackendError
from django_socket_status.records import OpenedConnection
from django_socket_status.reporter.sampler import MAX_LOST, Sampler
from django_socket_status.testing import Clock, FakeWorker

LEASE = 5.0


class Deployment:
    """Workers that report to one backend."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.backend = MemoryBackend(clock=self.clock)
        self.sampler = Sampler()

    def report(self, worker: FakeWorker, totals: Totals, **activity: object) -> None:
        counters = CountTotals(1, is_new=True, text=totals.to_text())
        report = worker.full(activity=Activity(totals=counters, **activity))  # type: ignore[arg-type]
        assert self.backend.exchange(report).is_taken

    def totals(self) -> Totals:
        stored = self.backend.read_totals()
        assert stored is not None
        total = Totals.from_text(stored.base)
        for count in stored.counts:
            total.include(Totals.from_text(count.text))
        return total

    def texts(self, ring: str) -> list[object]:
        return [json.loads(it.text) for it in self.backend.read_buckets({ring: 0})]


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def holding(number: int, worker_id: str = "a") -> FakeWorker:
    worker = FakeWorker(worker_id, lease_seconds=LEASE)
    worker.full([worker.open() for _ in range(number)])
    return worker


def test_sample_has_what_all_workers_hold(deployment):
    deployment.report(holding(2), Totals(opened={"call": 2}))
    deployment.report(holding(1, "b"), Totals(opened={"call": 1}))
    deployment.sampler.take(deployment.backend)
    (sample,) = deployment.texts(RECENT.name)
    assert sample["open"] == 3
    assert sample["workers"] == 2
    assert sample["opened"] == 3
    for ring in RINGS.values():
        assert len(deployment.texts(ring.name)) == 1


def test_lost_worker_is_folded_and_its_connections_are_listed(deployment):
    deployment.report(holding(3), Totals(opened={"call": 5}, closed={"call": {"x": 2}}))
    before = deployment.totals()
    deployment.clock.advance(2 * LEASE)
    deployment.sampler.take(deployment.backend)
    after = deployment.totals()
    assert after.opened == before.opened
    assert after.closed == {"call": {"x": 2, "worker_lost": 3}}
    assert not after.open()
    stored = deployment.backend.read_totals()
    assert stored is not None
    assert not stored.counts
    (entries,) = deployment.backend.read_ended("closed")
    found, _, is_whole, _ = read_closed(entries.text)
    assert is_whole
    assert [it.cause for it in found] == ["worker_lost"] * 3
    assert {it.worker_id for it in found} == {"a"}
    (event,) = [it for it in deployment.texts(EVENTS.name) if it["kind"] != "release"]
    assert event == {"kind": "worker_lost", "worker": "a", "number": 3}


def test_worker_that_stopped_is_folded_and_not_lost(deployment):
    deployment.report(
        holding(1),
        Totals(opened={"call": 1}, closed={"call": {"worker_stopped": 1}}),
        stops=True,
    )
    deployment.sampler.take(deployment.backend)
    assert deployment.totals().closed == {"call": {"worker_stopped": 1}}
    assert not deployment.backend.read_ended("closed")
    assert not [it for it in deployment.texts(EVENTS.name) if it["kind"] != "release"]


class Folding(MemoryBackend):
    """A backend that keeps how many counts each command folded, and may take long."""

    def __init__(self, *, wait: Callable[[], object] = int, **options: Any) -> None:
        super().__init__(**options)
        self.wait = wait
        self.folded: list[int] = []

    def fold(self, counts: Sequence[StoredCount], before: str, after: str) -> bool:
        self.wait()
        self.folded.append(len(counts))
        return super().fold(counts, before, after)


def lose(deployment: Deployment, workers: int) -> None:
    for number in range(workers):
        deployment.report(holding(1, f"{number:x}"), Totals(opened={"call": 1}))
    deployment.clock.advance(2 * LEASE)


def test_large_loss_is_folded_in_several_commands_before_it_is_forgotten(deployment):
    deployment.backend = backend = Folding(clock=deployment.clock)
    lose(deployment, 20)
    deployment.sampler.take(backend)
    assert backend.folded == [8, 8, 4]
    assert not backend.read_totals().counts
    assert deployment.totals().closed == {"call": {"worker_lost": 20}}
    assert sum(it.number for it in backend.read_ended("closed")) == 20


@override_settings(SOCKET_STATUS={"HEARTBEAT_SECONDS": 0.01})
def test_folding_does_not_keep_the_worker_from_its_next_report(deployment):
    seconds = 0.01
    deployment.backend = Folding(
        clock=deployment.clock, wait=lambda: time.sleep(seconds)
    )
    lose(deployment, 20)
    for left in (12, 4, 0):
        deployment.sampler.take(deployment.backend)
        assert len(deployment.backend.read_totals().counts) == left
        assert deployment.totals().opened == {"call": 20}


class Forgetful(MemoryBackend):
    """A backend that does not know any more what lost workers held."""

    def lost_connections(self, worker_id: str, limit: int) -> list[OpenedConnection]:
        return []


def test_list_without_what_a_lost_worker_held_is_a_sample(deployment):
    deployment.backend = Forgetful(clock=deployment.clock)
    deployment.report(holding(3), Totals(opened={"call": 3}))
    deployment.clock.advance(2 * LEASE)
    deployment.sampler.take(deployment.backend)
    (entries,) = deployment.backend.read_ended("closed")
    assert (entries.number, entries.left_out) == (0, 3)


def test_listed_connections_of_a_lost_worker_are_bounded(deployment):
    deployment.report(holding(MAX_LOST + 50), Totals(opened={"call": MAX_LOST + 50}))
    deployment.clock.advance(2 * LEASE)
    deployment.sampler.take(deployment.backend)
    entries = deployment.backend.read_ended("closed")
    assert sum(it.number for it in entries) == MAX_LOST
    assert sum(it.left_out for it in entries) == 50
    assert deployment.totals().closed == {"call": {"worker_lost": MAX_LOST + 50}}


class Quicker(MemoryBackend):
    """A backend in which another worker has always folded already."""

    def fold(self, counts: Sequence[StoredCount], before: str, after: str) -> bool:
        return False


def test_fold_that_another_worker_did_changes_nothing(deployment):
    deployment.backend = Quicker(clock=deployment.clock)
    deployment.report(holding(1), Totals(opened={"call": 1}))
    deployment.clock.advance(2 * LEASE)
    deployment.sampler.take(deployment.backend)
    assert not deployment.backend.read_ended("closed")
    assert len(deployment.texts(RECENT.name)) == 1


def test_nothing_is_sampled_before_the_first_counters(deployment):
    deployment.sampler.take(deployment.backend)
    assert not deployment.texts(RECENT.name)


def test_outage_is_noted_once(deployment):
    deployment.report(holding(1), Totals(opened={"call": 1}))
    deployment.sampler.note_outage(1000.0, 1060.0)
    for _ in range(2):
        deployment.sampler.take(deployment.backend)
    outages = [it for it in deployment.texts(EVENTS.name) if it["kind"] == "outage"]
    assert outages == [{"kind": "outage", "seconds": 60.0}]


class Failing(MemoryBackend):
    """A backend that cannot be read."""

    def read_totals(self) -> None:
        raise BackendError("no answer")


def test_missing_samples_are_one_warning(deployment, caplog):
    failing = Failing(clock=deployment.clock)
    for backend in (failing, failing, deployment.backend, failing):
        deployment.sampler.take(backend)
    assert [it.levelno for it in caplog.records] == [logging.WARNING] * 2
    assert "is missing: no answer" in caplog.text


def test_damaged_counters_begin_a_new_epoch_and_no_smaller_total(deployment, caplog):
    for worker_id, text in (("a", "x"), ("b", Totals(opened={"call": 1}).to_text())):
        totals = CountTotals(1, is_new=True, text=text)
        report = holding(1, worker_id).full(activity=Activity(totals=totals))
        deployment.backend.exchange(report)
    deployment.sampler.take(deployment.backend)
    # The worker may replace them.
    assert len(deployment.backend.read_totals().counts) == 2
    deployment.clock.advance(2 * LEASE)
    deployment.sampler.take(deployment.backend)
    assert deployment.backend.read_totals() is None
    assert "begin again now" in caplog.text
    deployment.report(holding(1, "c"), Totals(opened={"call": 1}))
    deployment.sampler.take(deployment.backend)
    assert deployment.totals().opened == {"call": 1}
    assert len(deployment.texts(RECENT.name)) == 1


def test_damaged_totals_stay_where_the_backend_cannot_drop_them(deployment, caplog):
    stored = StoredTotals(1.0, '{"opened":"many"}', (), now=2.0)

    class Kept(MemoryBackend):
        drop_totals = OptionalMethods.drop_totals

        def read_totals(self):
            return stored

    backend = Kept()
    for _ in range(3):
        deployment.sampler.take(backend)
    (record,) = caplog.records
    assert "A sample of the WebSocket history is missing" in record.getMessage()
    assert "damaged data: the totals" in record.getMessage()


def test_damaged_base_begins_a_new_epoch(deployment):
    deployment.report(holding(1, "a"), Totals(opened={"call": 1}))
    deployment.clock.advance(2 * LEASE)
    (count,) = deployment.backend.read_totals().counts
    assert deployment.backend.fold([count], "", '{"opened":"many"}')
    deployment.report(holding(1, "b"), Totals(opened={"call": 1}))
    deployment.clock.advance(2 * LEASE)
    deployment.sampler.take(deployment.backend)
    assert deployment.backend.read_totals() is None


def test_sample_of_a_process_that_was_stopped_meanwhile_is_not_written(deployment):
    """Another one has taken the next sample: its flow would be counted twice."""
    deployment.report(holding(2), Totals(opened={"call": 2}))
    clock = Clock()
    sampler = Sampler(clock)

    class Slow(MemoryBackend):
        def read_totals(self):
            clock.advance(60.0)
            return deployment.backend.read_totals()

        def read(self):
            return deployment.backend.read()

        def write_buckets(self, buckets, carry):
            raise AssertionError("It writes.")

    sampler.take(Slow())
    assert not sampler._has_failed
    deployment.sampler.take(deployment.backend)
    (sample,) = deployment.texts(RECENT.name)
    assert sample["opened"] == 2
