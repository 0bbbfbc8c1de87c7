"""Users of a large worker lie in several sets."""

from __future__ import annotations

import dataclasses

import pytest

from django_socket_status.backends.redis import reader as redis_reader
from django_socket_status.backends.redis import user_shards as redis_parts
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.user_shards import (
    FACTOR,
    MAX_ARGUMENT_USERS,
    PART_USERS,
    hash_of,
    name_generation,
    outgrows,
    parts_of,
    split_users,
    user_sets,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.support.redis_tools import delete, keys_of, tell

#: In a part, and how many parts each is divided into.
FEW, PARTS = 4, 8


@pytest.mark.parametrize(
    ("users", "parts"),
    [
        (0, 1),
        (PART_USERS, 1),
        (PART_USERS + 1, FACTOR),
        (PART_USERS * FACTOR, FACTOR),
        (PART_USERS * FACTOR + 1, FACTOR * FACTOR),
    ],
)
def test_so_many_parts_that_none_is_large(users, parts):
    generation = name_generation(7, users)
    assert generation == ("7" if parts == 1 else f"7.{parts}")
    assert parts_of(generation) == parts
    assert not outgrows(users, parts)


def test_every_user_is_in_the_part_that_its_key_hashes_to():
    users = [f"user-{number}" for number in range(10_000)]
    split = list(split_users(users, "7.8"))
    assert sorted(user for _, some in split for user in some) == sorted(users)
    assert {part for part, _ in split} == set(range(8))
    assert all(hash_of(user) % 8 == part for part, some in split for user in some)
    assert all(len(some) <= MAX_ARGUMENT_USERS for _, some in split)
    assert [part for part, _ in split_users(users, "7")] == [0] * 10
    assert not list(split_users([], "7.8"))


def test_parts_have_keys_of_their_own():
    assert user_sets(Keys("p"), "a", "7") == ["{p}:a:7:users"]
    assert user_sets(Keys("p"), "a", "7.2") == [
        "{p}:a:7.2:users:0",
        "{p}:a:7.2:users:1",
    ]


# In Redis, with few in a part.


@pytest.fixture
def backend(make_redis, monkeypatch):
    monkeypatch.setattr(redis_parts, "PART_USERS", FEW)
    monkeypatch.setattr(redis_parts, "FACTOR", PARTS)
    return make_redis()


@pytest.fixture
def held(backend, worker):
    """Let a worker hold so many that its users lie in several parts."""
    held = [worker.open(user=f"user-{number}") for number in range(6 * FEW)]
    assert backend.report(worker.full(held))
    return held


def parts_in(redis, prefix):
    return [key for key in keys_of(redis, prefix) if ":users:" in key]


def verify(backend, *workers):
    """See that the backend says of users what is true."""
    users = frozenset().union(*(worker.users for worker in workers))
    snapshot = backend.read()
    assert snapshot.complete
    assert snapshot.unique_users == len(users)
    assert set(backend.online_user_ids()) == users
    assert all(backend.is_online(user) for user in users)
    assert not backend.is_online("nobody")
    for user in users:
        assert len(backend.get_connections(ConnectionQuery(user_id=user)))


@pytest.mark.redis
def test_users_in_parts_are_reported_like_others(
    backend, worker, held, shared_redis, redis_prefix
):
    assert len(parts_in(shared_redis, redis_prefix)) == PARTS
    verify(backend, worker)
    assert backend.report(worker.change(worker.open(user="new"), closed=held[:5]))
    verify(backend, worker)
    # Many a part is empty now.
    assert backend.report(worker.change(closed=held[5:]))
    assert len(parts_in(shared_redis, redis_prefix)) == PARTS
    verify(backend, worker)
    assert backend.report(worker.change(*held[:9]))
    verify(backend, worker)


@pytest.mark.redis
def test_users_in_parts_and_others_are_counted_together(backend, worker, held):
    other = FakeWorker("b")
    assert backend.report(other.full([other.open(user="user-1"), other.open(user="x")]))
    verify(backend, worker, other)
    another = FakeWorker("c")
    assert backend.report(
        another.full([another.open(user=f"user-{number}") for number in range(40)])
    )
    verify(backend, worker, other, another)


@pytest.mark.redis
@pytest.mark.parametrize("quick", [30, 5])
def test_few_users_in_many_parts_are_counted(backend, worker, held, monkeypatch, quick):
    """They were many."""
    other = FakeWorker("b")
    theirs = [other.open(user=f"user-{number}") for number in range(50 * FEW)]
    assert backend.report(other.full(theirs))
    assert backend.report(other.change(closed=theirs[2:]))
    assert backend.report(worker.change(closed=held[1:]))
    monkeypatch.setattr(redis_reader, "QUICK_USERS", quick)
    verify(backend, worker, other)


@pytest.mark.redis
def test_worker_that_outgrows_its_parts_reports_everything_again(
    backend, worker, held, shared_redis, redis_prefix
):
    more = [worker.open(user=f"more-{number}") for number in range(30 * FEW)]
    assert not backend.report(worker.change(*more))
    assert backend.report(worker.full())
    assert len(parts_in(shared_redis, redis_prefix)) == PARTS * PARTS
    assert backend.report(worker.change())
    verify(backend, worker)


@pytest.mark.redis
def test_full_report_settles_on_what_it_will_be_in_the_end(backend, worker):
    held = [worker.open(user=f"user-{number}") for number in range(20 * FEW)]
    counts = {"call": len(held)}
    first = worker.full(held[:FEW], complete=False)
    assert backend.report(dataclasses.replace(first, counts=counts))
    for start in range(FEW, len(held), FEW):
        last = start + FEW == len(held)
        piece = worker.change(*held[start : start + FEW], complete=last)
        assert backend.report(dataclasses.replace(piece, counts=counts))
    assert backend.report(worker.change())
    verify(backend, worker)


@pytest.mark.redis
def test_another_instance_goes_on_with_the_parts(backend, worker, held, make_redis):
    assert make_redis().report(worker.change(worker.open(user="new"), closed=held[:3]))
    verify(backend, worker)


@pytest.mark.redis
def test_parts_of_before_are_gone(backend, worker, held, shared_redis, redis_prefix):
    assert backend.report(worker.full())
    assert len(parts_in(shared_redis, redis_prefix)) == PARTS
    backend.goodbye("a")
    assert not parts_in(shared_redis, redis_prefix)


@pytest.mark.redis
@pytest.mark.parametrize("several", [False, True])
def test_part_that_was_lost_is_noticed_and_reported_again(
    backend, worker, held, clock, shared_redis, redis_prefix, several
):
    if several:
        other = FakeWorker("b")
        assert backend.report(other.full([other.open(user="x")]))
    lost = parts_in(shared_redis, redis_prefix)[3]
    name = f":users:{lost.rpartition(':')[2]}"
    delete(shared_redis, redis_prefix, name)
    assert not backend.read().complete
    there, gone = set(), set()
    for user in worker.users:
        try:
            assert backend.is_online(user)
            there.add(user)
        except BackendError:
            gone.add(user)
    assert there
    assert gone
    with pytest.raises(BackendError):
        backend.online_user_ids()
    tell(backend, worker)
    verify(backend, worker, *([other] if several else []))


@pytest.mark.redis
def test_counts_alone_need_no_parts(make_redis, worker, monkeypatch):
    monkeypatch.setattr(redis_parts, "PART_USERS", FEW)
    backend = make_redis(details=False)
    first = dataclasses.replace(worker.full(), counts={"call": 100})
    assert backend.report(first)
    assert backend.report(dataclasses.replace(worker.change(), counts={"call": 1000}))
