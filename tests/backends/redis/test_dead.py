"""What a worker leaves behind that died without a goodbye."""

from __future__ import annotations

import itertools

import pytest

from django_socket_status.backends.redis.ledger import kept_ms
from django_socket_status.backends.redis.user_shards import PART_USERS
from django_socket_status.testing import FakeWorker

pytestmark = pytest.mark.redis

LEASE = FakeWorker().lease_seconds


def test_worker_that_was_frozen_for_some_leases_goes_on_where_it_was(
    make_redis, worker, clock
):
    backend = make_redis()
    assert backend.report(worker.full([worker.open(user="7")]))
    assert kept_ms(round(LEASE * 1000)) == 6 * LEASE * 1000
    clock.advance(5 * LEASE)
    assert backend.report(worker.change(worker.open(user="8")))
    assert set(backend.online_user_ids()) == {"7", "8"}


def test_no_key_of_the_dead_takes_redis_long_to_free(
    make_redis, worker, shared_redis, redis_prefix
):
    """Redis frees what ends by itself while everybody waits: a piece at a time."""
    backend = make_redis()
    held = [worker.open(user=f"user-{number}") for number in range(20_000)]
    assert backend.report(worker.full(held))
    assert backend.report(worker.change())
    redis = shared_redis.admin
    sizes = {"set": redis.scard, "hash": redis.hlen, "zset": redis.zcard}
    pipeline = redis.pipeline()
    for key in redis.keys(f"{{{redis_prefix}}}:*"):
        kind = redis.type(key)
        assert kind not in sizes or sizes[kind](key) < 1.2 * PART_USERS
        if kind == "set" or key.endswith(":marks"):
            pipeline.pttl(key)
    # And not two of the large ones at once.
    ends = sorted(pipeline.execute())
    assert len(ends) > 10
    assert all(after - before > 70 for before, after in itertools.pairwise(ends))
