"""What reports with activity leave in Redis, all parts together."""

from __future__ import annotations

import dataclasses

import pytest

from django_socket_status.activity.stored import (
    Activity,
    Bucket,
    Command,
    CountTotals,
    Entries,
)
from django_socket_status.activity.totals import Totals
from django_socket_status.backends.redis.activity.backend import kept
from django_socket_status.reporter.sampler import Sampler
from django_socket_status.testing import FakeWorker
from tests.support.redis_tools import keys_of, recorded

pytestmark = pytest.mark.redis

EIGHT_DAYS_MS = 8 * 86_400_000

ACTIVITY = Activity(
    totals=CountTotals(1, True, "T"),
    closed=Entries("c", 1),
    rejected=Entries("r", 1),
    condition="fine",
    results={"one": "done"},
    can_sample=True,
)


def do_all(backend, worker):
    """Have something kept of each part."""
    backend.give_command(Command("one", "text", 60.0))
    report = worker.full([worker.open(user="7")], activity=ACTIVITY)
    assert backend.exchange(report).is_taken
    backend.write_buckets([Bucket("total", 1, "text", 10)], "carry")


def test_only_details_keep_ended_connections():
    assert kept(details=True) - kept(details=False) == {"endings"}


def test_every_key_ends_by_itself(backend, worker, shared_redis, redis_prefix):
    do_all(backend, worker)
    keys = keys_of(shared_redis, redis_prefix)
    ends = {key: shared_redis.admin.pttl(key) for key in keys}
    assert all(0 < end <= EIGHT_DAYS_MS for end in ends.values()), ends
    names = {key.partition("}:")[2].partition(":")[0] for key in keys}
    assert names == {
        *{"a", "workers", "until"},
        *{"carry", "closed", "commands", "rejected", "results", "ring", "told"},
        "totals",
    }


def test_report_without_activity_leaves_no_new_key(
    backend, worker, shared_redis, redis_prefix
):
    assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.report(worker.change(worker.open()))
    backend.goodbye("a")
    names = {it.partition("}:")[2] for it in keys_of(shared_redis, redis_prefix)}
    assert names <= {"a", "a:1:0", "until", "workers"}


def test_heartbeat_with_activity_is_one_command(backend, worker, shared_redis):
    do_all(backend, worker)
    activity = dataclasses.replace(ACTIVITY, closed=None, rejected=None)
    with recorded(shared_redis) as sent:
        for _ in range(3):
            assert backend.exchange(worker.change(activity=activity)).is_taken
    assert [words[0] for words in sent] == ["EVALSHA"] * 3


def test_last_report_leaves_the_same_as_a_goodbye(
    backend, make_redis, shared_redis, redis_prefix
):
    one, two = FakeWorker("one"), FakeWorker("two")
    for worker in (one, two):
        assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.report(one.change())
    backend.goodbye("one")
    assert backend.exchange(two.change(activity=Activity(stops=True))).is_taken

    def left(name):
        keys = keys_of(shared_redis, redis_prefix)
        return {it.replace(name, "") for it in keys if f"}}:{name}" in it}

    assert left("one") == left("two")
    admin = shared_redis.admin
    assert {admin.get(backend._keys.report(it)) for it in ("one", "two")} == {"2::0:0:"}
    assert not admin.zscore(backend._keys.index, "two")
    # A late report does not revive it, and it may begin again.
    assert not make_redis().report(two.change())
    assert backend.report(two.full())


@pytest.mark.parametrize("key", ["totals", "told", "commands", "closed", "rejected"])
def test_report_does_not_fail_whatever_a_key_holds(
    backend, worker, raw, redis_prefix, key
):
    name = f"{{{redis_prefix}}}:{key}"
    for write in (
        lambda: raw.set(name, "text"),
        lambda: raw.sadd(name, "member"),
        lambda: raw.zadd(name, {"member": 1}),
        lambda: raw.hset(name, "field", "value"),
        lambda: raw.rpush(name, "item"),
    ):
        raw.delete(name)
        write()
        answer = backend.exchange(worker.full(activity=ACTIVITY))
        assert answer.is_taken
        assert backend.exchange(worker.change(activity=ACTIVITY)).is_taken


def test_workers_that_could_not_report_are_not_folded(backend, clock):
    """As while Redis could not be reached: the first one to return samples."""
    workers = [FakeWorker(name) for name in "ab"]
    for worker in workers:
        totals = CountTotals(1, True, Totals(opened={"call": 1}).to_text())
        report = worker.full([worker.open()], activity=Activity(totals=totals))
        assert backend.exchange(report).is_taken
    clock.advance(20)
    first, second = workers
    assert backend.report(first.change())
    Sampler().take(backend)
    assert len(backend.read_totals().counts) == 2
    assert backend.report(second.change())
    # The second one is really killed.
    for _ in range(4):
        clock.advance(3)
        assert backend.report(first.change())
    Sampler().take(backend)
    totals = backend.read_totals()
    assert [it.worker_id for it in totals.counts] == ["a"]
    assert Totals.from_text(totals.base).closed == {"call": {"worker_lost": 1}}
    assert len(backend.read_ended("closed")) == 1
