"""Rings of the history in Redis: damaged, bounded, and how they are written."""

from __future__ import annotations

import pytest

from django_socket_status.activity.stored import Activity, Bucket
from django_socket_status.exceptions import BackendError
from django_socket_status.testing import FakeWorker
from tests.support.redis_tools import recorded

pytestmark = pytest.mark.redis


def write(backend, *numbers, ring="total", keep=10):
    buckets = [Bucket(ring, number, f"t{number}", keep) for number in numbers]
    backend.write_buckets(buckets, "")


def numbers(backend, ring="total"):
    return [it.number for it in backend.read_buckets({ring: 0})]


@pytest.mark.parametrize("member", [b"damaged", b"x:text", b"7:\xff", b""])
def test_damaged_bucket_fails_its_reader_alone(backend, raw, member):
    write(backend, 5, 6)
    write(backend, 5, ring="call")
    raw.zadd(backend._keys.ring("total"), {member: 7})
    with pytest.raises(BackendError):
        backend.read_buckets({"total": 0})
    assert numbers(backend, "call") == [5]
    # It leaves the ring as any other bucket does.
    write(backend, *range(8, 30))
    assert numbers(backend) == [*range(20, 30)]


def test_key_of_another_type_is_replaced(backend, raw):
    raw.set(backend._keys.ring("total"), "something else")
    write(backend, 5)
    assert numbers(backend) == [5]


def test_hundred_buckets_are_one_command(backend, shared_redis):
    rings = [f"ring{number}" for number in range(150)]
    backend.write_buckets([Bucket(it, 1, "", 1) for it in rings], "")
    for count, commands in ((100, 1), (150, 2), (0, 1)):
        with recorded(shared_redis) as sent:
            backend.write_buckets([Bucket(it, 2, "", 1) for it in rings[:count]], "")
        assert len(sent) == commands
    with recorded(shared_redis) as sent:
        assert len(backend.read_buckets(dict.fromkeys(rings, 0))) == 150
    assert {words[0] for words in sent} == {"ZRANGEBYSCORE"}


def test_ring_ends_eight_days_after_it_was_written(backend, raw):
    write(backend, 5)
    eight_days = 8 * 86_400_000
    for key in (backend._keys.ring("total"), backend._keys.carry):
        assert eight_days - 60_000 < raw.pttl(key) <= eight_days


def test_shorter_ring_leaves_its_oldest_buckets(backend):
    write(backend, *range(100), keep=100)
    write(backend, 100, keep=5)
    assert numbers(backend) == [96, 97, 98, 99, 100]


@pytest.mark.parametrize("value", ["damaged", "-1", "9" * 30])
def test_damaged_time_of_the_last_sample_elects_again(backend, worker, raw, value):
    key = backend._keys.told
    raw.hset(key, "sampled", value)
    activity = Activity(can_sample=True)
    assert backend.exchange(worker.full(activity=activity)).samples
    assert not backend.exchange(worker.change(activity=activity)).samples
    raw.delete(key)
    raw.set(key, "something else")
    assert backend.exchange(worker.change(activity=activity)).samples
    assert not backend.exchange(worker.change(activity=activity)).samples


def test_clock_that_was_set_back_elects_again(backend, worker, clock):
    clock.advance(7200)
    other = FakeWorker("b")
    activity = Activity(can_sample=True)
    assert backend.exchange(worker.full(activity=activity)).samples
    clock.advance(-3600)
    assert backend.exchange(other.full(activity=activity)).samples
    assert not backend.exchange(worker.full(activity=activity)).samples
