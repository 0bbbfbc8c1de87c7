from __future__ import annotations

import pytest

from django_socket_status.testing import FakeWorker
from tests.support.aging import AgingClock
from tests.support.redis_tools import recorded

pytestmark = pytest.mark.redis


@pytest.fixture
def held(backend, worker, clock):
    """Have a worker die that held a thousand connections, of a second each."""
    held = [worker.open(user=str(number), at=1e9 + number) for number in range(1000)]
    assert backend.report(worker.full(held))
    clock.advance(6)
    return held


def numbers(found):
    return [it.number for it in found]


def test_newest_connections_are_read_in_few_bounded_commands(
    backend, held, shared_redis
):
    with recorded(shared_redis) as sent:
        found = backend.lost_connections("a", 100)
    assert found == held[:-101:-1]
    assert {words[0] for words in sent} <= {"EVALSHA", "EVAL", "HGET", "HGETALL"}
    assert len(sent) < 80
    assert len(backend.lost_connections("a", 2000)) == 1000


def test_live_or_unknown_worker_has_lost_nothing(backend, worker):
    assert backend.report(worker.full([worker.open()]))
    assert not backend.lost_connections("a", 10)
    assert not backend.lost_connections("unknown", 10)


def test_worker_that_said_goodbye_has_lost_nothing(backend, held, worker):
    backend.goodbye("a")
    assert not backend.lost_connections("a", 10)


def test_damaged_worker_has_lost_nothing_that_is_known(backend, held, raw):
    raw.set(backend._keys.report("a"), b"damaged")
    assert not backend.lost_connections("a", 10)


def test_damaged_connection_is_left_out(backend, held, raw):
    raw.hset(backend._keys.detail("a", 1, 15), "1000", b"damaged")
    assert numbers(backend.lost_connections("a", 3)) == [999, 998, 997]


@pytest.mark.parametrize(("lease", "kept"), [(0.3, 25.3), (2, 27), (5, 30), (60, 360)])
def test_connections_are_there_for_six_leases_and_two_samples(
    make_redis, shared_redis, redis_prefix, lease, kept
):
    clock = AgingClock(shared_redis, redis_prefix)
    backend = make_redis(clock=clock)
    worker = FakeWorker("a", lease_seconds=lease)
    assert backend.report(worker.full([worker.open()]))
    clock.advance(kept - 5)
    assert len(backend.lost_connections("a", 10)) == 1
    clock.advance(5)
    assert not backend.lost_connections("a", 10)


def test_counts_alone_lose_no_connections(make_redis, worker, clock):
    backend = make_redis(details=False)
    assert backend.report(worker.full([worker.open()]))
    clock.advance(6)
    assert not backend.lost_connections("a", 10)
