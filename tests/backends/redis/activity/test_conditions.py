from __future__ import annotations

import pytest

from django_socket_status.activity.stored import Activity
from django_socket_status.testing import FakeWorker
from tests.support.redis_tools import keys_of, recorded

pytestmark = pytest.mark.redis


def say(backend, worker, text):
    report = worker.change if worker.sequence else worker.full
    return backend.exchange(report(activity=Activity(condition=text))).is_taken


def test_conditions_of_all_workers_are_read_in_two_round_trips(backend, shared_redis):
    workers = [FakeWorker(f"w{number}") for number in range(20)]
    for worker in workers:
        assert say(backend, worker, "fine")
    backend.read_conditions()
    with recorded(shared_redis) as sent:
        assert len(backend.read_conditions()) == 20
    assert [words[0] for words in sent] == ["EVALSHA", *["HGET"] * 20]


def test_condition_has_no_key_of_its_own(backend, worker, shared_redis, redis_prefix):
    assert backend.report(worker.full())
    before = keys_of(shared_redis, redis_prefix)
    assert say(backend, worker, "fine")
    told = backend._keys.told
    assert {*keys_of(shared_redis, redis_prefix)} - {told} == {*before}
    backend.goodbye("a")
    assert backend._keys.who("a") not in keys_of(shared_redis, redis_prefix)


def test_damaged_facts_of_a_worker_fail_no_report(backend, worker, raw):
    assert say(backend, worker, "fine")
    who = backend._keys.who("a")
    raw.delete(who)
    raw.set(who, "something else")
    assert say(backend, worker, "fine")


def test_there_are_no_conditions_without_workers(backend):
    assert backend.read_conditions() == {}
