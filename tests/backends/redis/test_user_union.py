"""The number of different users, where it takes long to count them."""

from __future__ import annotations

import pytest

from django_socket_status.backends.redis import reader as redis_reader
from django_socket_status.backends.redis import user_union as redis_users
from django_socket_status.testing import FakeWorker
from tests.support.redis_tools import recorded, tell

pytestmark = pytest.mark.redis

QUICK = 10


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(redis_reader, "QUICK_USERS", QUICK)


@pytest.fixture
def backend(make_redis):
    return make_redis()


@pytest.fixture
def workers(backend):
    """Return two workers that share half of their users: more than are quick."""
    workers = FakeWorker("a"), FakeWorker("b")
    for number, worker in enumerate(workers):
        users = range(4 * number, 4 * number + 8)
        assert backend.report(worker.full([worker.open(user=str(it)) for it in users]))
    return workers


def refresh(clock, backend, workers):
    """Let the number grow old."""
    clock.advance(redis_users.REFRESH_SECONDS + 2)
    for worker in workers:
        tell(backend, worker)


def test_few_users_are_counted_with_every_read(backend, worker):
    other = FakeWorker("b")
    assert backend.report(worker.full([worker.open(user=str(it)) for it in range(5)]))
    assert backend.report(other.full([other.open(user=str(it)) for it in range(5)]))
    assert backend.read().unique_users == 5
    assert backend.report(other.change(other.open(user="new")))
    assert backend.read().unique_users == 6


def test_users_of_one_worker_are_never_too_many(backend, worker):
    many = [worker.open(user=str(number)) for number in range(100)]
    assert backend.report(worker.full(many))
    assert backend.read().unique_users == 100
    assert backend.report(worker.change(worker.open(user="new")))
    assert backend.read().unique_users == 101


def test_many_users_are_counted_exactly(backend, workers):
    assert backend.read().unique_users == 12


def test_many_users_are_counted_now_and_then(
    backend, workers, clock, make_redis, shared_redis
):
    assert backend.read().unique_users == 12
    assert backend.report(workers[0].change(workers[0].open(user="new")))
    with recorded(shared_redis) as sent:
        for reader in (backend, make_redis()):
            # Of a moment ago, for every process.
            assert reader.read().unique_users == 12
    assert not [words for words in sent if words[0] == "SSCAN"]
    refresh(clock, backend, workers)
    assert backend.read().unique_users == 13


def test_one_reader_counts_at_a_time(backend, workers, clock, make_redis, shared_redis):
    assert backend.read().unique_users == 12
    assert backend.report(workers[0].change(workers[0].open(user="new")))
    refresh(clock, backend, workers)
    other = make_redis()
    lock = f"{backend._keys.union}:lock"
    assert shared_redis.admin.set(lock, 1, px=60_000)
    # Another reader counts: its last number is used.
    assert other.read().unique_users == 12
    # That reader was killed.
    assert shared_redis.admin.delete(lock)
    assert other.read().unique_users == 13


def test_reader_that_dies_over_it_leaves_the_turn_to_the_next(
    backend, workers, clock, monkeypatch, shared_redis
):
    backend.read()
    refresh(clock, backend, workers)

    def die(*given):
        raise SystemExit

    with recorded(shared_redis) as sent, monkeypatch.context() as patched:
        patched.setattr(redis_users, "members", die)
        with pytest.raises(SystemExit):
            backend.read()
    lock = f"{backend._keys.union}:lock"
    about_it = [words for words in sent if lock in words]
    assert about_it == [["SET", lock, "1", "NX", "PX", "1000"]]


def test_number_of_users_that_was_lost_is_counted_again(backend, workers, shared_redis):
    assert backend.read().unique_users == 12
    assert shared_redis.admin.delete(backend._keys.union)
    assert backend.read().unique_users == 12


def test_users_who_became_few_are_counted_with_every_read(backend, workers):
    assert backend.read().unique_users == 12
    backend.goodbye("a")
    assert backend.read().unique_users == 8


def test_long_counts_are_rarer(backend, workers, clock, monkeypatch):
    moments = iter([0.0, 3.0])
    monkeypatch.setattr(redis_users.time, "perf_counter", lambda: next(moments))
    assert backend.read().unique_users == 12
    assert backend.report(workers[0].change(workers[0].open(user="new")))
    for _ in range(14):
        clock.advance(4)
        for worker in workers:
            tell(backend, worker)
        assert backend.read().unique_users == 12
    clock.advance(4)
    for worker in workers:
        tell(backend, worker)
    monkeypatch.undo()
    monkeypatch.setattr(redis_reader, "QUICK_USERS", QUICK)
    assert backend.read().unique_users == 13


def test_members_are_fetched_in_pieces(backend, worker, shared_redis):
    many = [worker.open(user=f"user{number}") for number in range(4000)]
    assert backend.report(worker.full(many))
    with recorded(shared_redis) as sent:
        assert len(backend.online_user_ids()) == 4000
    scans = [words for words in sent if words[0] == "SSCAN"]
    assert 4 <= len(scans) <= 8


def test_users_of_a_worker_that_begins_again_meanwhile_are_not_left_out(
    backend, worker, monkeypatch
):
    assert backend.report(worker.full([worker.open(user="7")]))
    find = backend._reader.find

    def begin_again():
        found = find()
        monkeypatch.undo()
        assert backend.report(worker.full())
        return found

    monkeypatch.setattr(backend._reader, "find", begin_again)
    assert set(backend.online_user_ids()) == {"7"}


def test_users_of_a_large_set_that_goes_meanwhile_are_not_left_out(
    backend, worker, monkeypatch
):
    many = [worker.open(user=f"user{number}") for number in range(3000)]
    assert backend.report(worker.full(many))
    pipeline = backend._client.pipeline
    calls = []

    def begin_again_in_between(commands):
        calls.append(commands)
        if len(calls) == 2:
            monkeypatch.undo()
            assert backend._writer.exchange(worker.full()).is_taken
        return pipeline(commands)

    monkeypatch.setattr(backend._client, "pipeline", begin_again_in_between)
    assert len(backend.online_user_ids()) == 3000
