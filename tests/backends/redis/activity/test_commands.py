"""Commands to workers in Redis: damaged, given twice, and kept no longer than said."""

from __future__ import annotations

import pytest

from django_socket_status.activity.stored import Activity, Command
from django_socket_status.exceptions import BackendError
from django_socket_status.testing import FakeWorker
from tests.support.redis_tools import keys_of, recorded

pytestmark = pytest.mark.redis


def give(backend, *names, seconds=60.0):
    for name in names:
        backend.give_command(Command(name, f"do {name}", seconds))


def get(backend, worker, after=0, **content):
    activity = Activity(commands_after=after, **content)
    answer = backend.exchange(worker.full(activity=activity))
    assert answer.is_taken
    return [it.command_id for it in answer.commands]


def listed(backend):
    return [it.command.command_id for it in backend.read_commands()]


def test_command_that_is_given_twice_is_kept_once(backend, worker):
    give(backend, "one")
    # The reply was lost.
    give(backend, "one", "two")
    assert get(backend, worker) == listed(backend) == ["one", "two"]


@pytest.mark.parametrize("member", [b"damaged", b"", b"1:2:3", b"x:9:1:i\x90"])
def test_damaged_command_is_for_no_worker(backend, worker, raw, member):
    give(backend, "one")
    raw.zadd(backend._keys.commands, {member: 10.0**15})
    raw.delete(backend._keys.told)
    assert get(backend, worker) in (["one"], [])
    give(backend, "two")
    assert "two" in get(backend, worker)
    assert "two" in listed(backend)


def test_damaged_text_of_a_command_fails_its_reader(backend, worker, raw):
    give(backend, "one")
    raw.zadd(backend._keys.commands, {b"1:99999999999999:1:x\xc1": 5})
    assert get(backend, worker) == ["one"]
    with pytest.raises(BackendError):
        backend.read_commands()


def test_keys_of_another_type_are_replaced(backend, worker, raw):
    give(backend, "one")
    raw.set(backend._keys.commands, "something else")
    with pytest.raises(BackendError):
        backend.read_commands()
    raw.delete(backend._keys.told)
    assert get(backend, worker, can_sample=True) == []
    raw.set(backend._keys.commands, "something else")
    give(backend, "two")
    raw.set(backend._keys.results("two"), "something else")
    assert get(backend, worker, results={"two": "done"}) == ["two"]


def test_worker_asks_for_commands_only_if_there_are_new_ones(
    backend, worker, shared_redis
):
    def asks(**content) -> bool:
        before = shared_redis.admin.info("commandstats")
        backend.exchange(worker.change(activity=Activity(**content)))
        after = shared_redis.admin.info("commandstats")
        name = "cmdstat_zrangebyscore"
        return after[name]["calls"] > before.get(name, {"calls": 0})["calls"]

    assert get(backend, worker, can_sample=True) == []
    assert not asks()
    give(backend, "one")
    (state,) = backend.read_commands()
    assert asks()
    assert not asks(commands_after=state.command.number)
    # What was told is lost: everything is looked at until the next sample.
    shared_redis.admin.delete(backend._keys.told)
    assert asks(commands_after=state.command.number)
    assert asks(commands_after=state.command.number, can_sample=True)
    assert not asks(commands_after=state.command.number)
    assert get(backend, worker) == ["one"]


def test_command_does_not_wait_for_a_clock_that_was_set_back(backend, worker, clock):
    clock.advance(7200)
    give(backend, "early")
    clock.advance(-3600)
    assert get(backend, worker) == []
    give(backend, "late")
    assert get(backend, worker) == ["late"]
    numbers = [it.command.number for it in backend.read_commands()]
    assert numbers == sorted(numbers)


def test_numbers_grow_after_a_loss(make_redis, redis_server, worker, clock):
    backend = make_redis(redis_server)
    give(backend, *(f"c{number}" for number in range(5)))
    last = backend.read_commands()[-1].command.number
    redis_server.admin.flushall()
    clock.advance(0.005)
    give(backend, "new")
    assert backend.read_commands()[0].command.number >= last
    assert get(backend, worker, after=last - 1) == ["new"]


def test_results_leave_redis_with_their_command(
    backend, worker, clock, shared_redis, redis_prefix
):
    def results():
        return [it for it in keys_of(shared_redis, redis_prefix) if ":results:" in it]

    give(backend, *(f"c{number}" for number in range(100)), seconds=1.0)
    assert get(backend, worker, results={"c0": "done", "unknown": "done"})
    assert len(results()) == 100
    clock.advance(2)
    give(backend, "new")
    assert len(results()) == len(listed(backend)) == 100
    clock.advance(86_400)
    assert listed(backend) == []
    give(backend, "another")
    assert len(results()) == 1
    ends = {shared_redis.admin.pttl(it) for it in results()}
    assert all(0 < it <= 86_400_000 for it in ends)


def test_commands_are_listed_in_two_round_trips(backend, shared_redis):
    give(backend, *(f"c{number}" for number in range(10)))
    backend.read_commands()
    with recorded(shared_redis) as sent:
        backend.read_commands()
    assert [words[0] for words in sent] == ["EVALSHA", *["HGETALL"] * 10]


def test_results_of_many_workers_are_kept(backend):
    give(backend, "one")
    for number in range(50):
        worker = FakeWorker(f"w{number}")
        assert get(backend, worker, results={"one": str(number)}) == ["one"]
    (state,) = backend.read_commands()
    assert len(state.results) == 50
