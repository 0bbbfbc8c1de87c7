"""Counters in Redis: what is damaged or lost, and what bounds them."""

from __future__ import annotations

import pytest

from django_socket_status.activity.stored import Activity, CountTotals, ReportAnswer
from django_socket_status.backends.redis.activity import counts as redis_counts
from django_socket_status.exceptions import BackendError
from django_socket_status.testing import FakeWorker
from tests.support.redis_servers.server import wait_until
from tests.support.redis_tools import recorded

pytestmark = pytest.mark.redis

TAKEN = ReportAnswer(is_taken=True)
FORGOTTEN = ReportAnswer(is_taken=True, is_forgotten=True)


def count(backend, worker, text="T", number=1, *, new=False, full=False):
    """Have a worker report counters."""
    activity = Activity(totals=CountTotals(number, new, text))
    report = worker.full if full or not worker.sequence else worker.change
    return backend.exchange(report(activity=activity))


@pytest.fixture
def key(backend):
    return backend._keys.totals


@pytest.fixture
def dead(backend):
    """Have the worker ``dead`` report counters, and stop; and ``a`` go on."""
    worker = FakeWorker("dead")
    assert count(backend, worker, "D", new=True) == TAKEN
    backend.goodbye("dead")
    return worker


DAMAGED = {
    "no frame": b"text",
    "shorter": b"1:9:text",
    "longer": b"1:1:text",
    "no number": b"x:4:text",
    "empty": b"",
    "binary": b"\xff\x00",
}


@pytest.mark.parametrize("field", [b"base", b"c:dead:1", b"epoch"])
@pytest.mark.parametrize("value", DAMAGED.values(), ids=DAMAGED)
def test_damaged_field_begins_a_new_epoch(
    backend, worker, dead, clock, raw, key, field, value
):
    assert count(backend, worker, new=True) == TAKEN
    epoch = backend.read_totals().epoch
    raw.hset(key, field, value)
    # A report does not fail.
    assert count(backend, worker, "T2") == TAKEN
    with pytest.raises(BackendError):
        backend.read_totals()
    assert backend.read_totals() is None
    clock.advance(1)
    assert count(backend, worker, "T3", full=True) == FORGOTTEN
    assert count(backend, worker, "T4", 2, new=True) == TAKEN
    totals = backend.read_totals()
    assert totals.epoch > epoch
    assert [it.text for it in totals.counts] == ["T4"]


@pytest.mark.parametrize("field", [b"c:", b"c:dead", b"c:dead:x", b"c:\xff:1"])
def test_damaged_name_of_a_count_begins_a_new_epoch(backend, dead, raw, key, field):
    raw.hset(key, field, b"1:1:T")
    with pytest.raises(BackendError):
        backend.read_totals()
    assert backend.read_totals() is None


def test_own_counters_that_are_damaged_are_replaced(backend, worker, raw, key):
    assert count(backend, worker, new=True) == TAKEN
    raw.hset(key, "c:a:1", b"damaged")
    assert count(backend, worker, "T2") == TAKEN
    assert [it.text for it in backend.read_totals().counts] == ["T2"]


def test_missing_epoch_is_found(backend, worker, dead, raw, key):
    raw.hdel(key, "epoch")
    with pytest.raises(BackendError):
        backend.read_totals()
    assert backend.read_totals() is None


def test_key_of_another_type_is_replaced(backend, worker, dead, raw, key):
    assert count(backend, worker, new=True) == TAKEN
    raw.set(key, "something else")
    with pytest.raises(BackendError):
        backend.read_totals()
    assert count(backend, worker, "T2") == FORGOTTEN
    assert backend.read_totals() is None
    assert count(backend, worker, "T3", 2, new=True) == TAKEN
    assert [it.text for it in backend.read_totals().counts] == ["T3"]


def test_damaged_marks_begin_a_new_epoch(backend, worker, raw, key):
    assert count(backend, worker, new=True) == TAKEN
    backend.goodbye("a")
    assert backend.fold(backend.read_totals().counts, "", "base")
    raw.hset(key, "folded", b";a:1=x@y")
    assert count(backend, worker, full=True) == FORGOTTEN
    assert backend.read_totals() is None


@pytest.mark.parametrize("value", [b"no frame", b"0:9:short", b"\xff"])
def test_damaged_text_of_the_last_sampler_is_as_none(backend, worker, raw, value):
    assert count(backend, worker, new=True) == TAKEN
    backend.write_buckets([], "carry")
    assert backend.read_totals().carry == "carry"
    raw.set(backend._keys.carry, value)
    assert backend.read_totals().carry == ""
    raw.delete(backend._keys.carry)
    raw.sadd(backend._keys.carry, "something else")
    assert backend.read_totals().carry == ""
    backend.write_buckets([], "again")
    assert backend.read_totals().carry == "again"


def test_new_count_after_a_loss_of_everything_begins_an_epoch(
    make_redis, redis_server, clock
):
    backend, worker = make_redis(redis_server), FakeWorker("a")
    assert count(backend, worker, new=True) == TAKEN
    epoch = backend.read_totals().epoch
    for number in (1, 2):
        redis_server.admin.flushall()
        clock.advance(1)
        assert backend.read_totals() is None
        assert not count(backend, worker, number=number).is_taken
        assert count(backend, worker, number=number, full=True) == FORGOTTEN
        assert count(backend, worker, number=number + 1, new=True) == TAKEN
        assert backend.read_totals().epoch > epoch
        epoch = backend.read_totals().epoch


def test_late_report_leaves_no_activity(make_redis, worker, shared_redis):
    """As one that the network delayed until after its worker's lease."""
    backend = make_redis(clock=None)
    worker.lease_seconds = 60.0
    assert count(backend, worker, "in time", new=True) == TAKEN
    backend._writer._ahead -= 120_000
    assert not count(backend, worker, "late").is_taken
    assert [it.text for it in backend.read_totals().counts] == ["in time"]


def test_counters_are_read_in_one_round_trip(backend, worker, shared_redis):
    assert count(backend, worker, new=True) == TAKEN
    backend.read_totals()
    trips = []
    run_with = backend._client.run_with
    backend._client.run_with = lambda *given: trips.append(1) or run_with(*given)
    with recorded(shared_redis) as sent:
        assert backend.read_totals() is not None
    assert len(trips) == 1
    assert [words[0] for words in sent] == ["EVALSHA", "HGETALL"]


def test_script_that_the_server_forgot_is_sent_again(make_redis, redis_server, worker):
    backend = make_redis(redis_server)
    assert count(backend, worker, new=True) == TAKEN
    for _ in range(2):
        redis_server.admin.script_flush()
        assert len(backend.read_totals().counts) == 1


def test_clock_that_was_set_back_folds_no_live_worker(backend, worker, clock):
    other = FakeWorker("b")
    clock.advance(7200)
    assert count(backend, worker, new=True) == TAKEN
    assert count(backend, other, new=True) == TAKEN
    clock.advance(-3600)
    # The dead worker would seem alive until the clock is there again. The live one
    # tells that the clock was set back.
    read = backend.read_totals().counts
    assert all(it.is_live for it in read)
    assert not backend.fold(read, "", "base")
    assert count(backend, other, "T2") == TAKEN
    read = {it.worker_id: it for it in backend.read_totals().counts}
    assert (read["a"].is_live, read["b"].is_live) == (False, True)
    assert not backend.fold([read["b"]], "", "base")
    assert backend.fold([read["a"]], "", "base")
    assert count(backend, worker, full=True).folded == 1


def test_marks_are_bounded_by_time_and_number(backend, clock, raw, key, monkeypatch):
    monkeypatch.setattr(redis_counts, "MARKS_BYTES", 200)

    def marks():
        return raw.hget(key, "folded").decode().split(";")[1:]

    base = ""
    for number in range(30):
        worker = FakeWorker(f"w{number:02}")
        assert count(backend, worker, new=True) == TAKEN
        backend.goodbye(f"w{number:02}")
        read = backend.read_totals()
        assert backend.fold(read.counts, base, f"{base}.")
        base += "."
        clock.advance(1)
    assert 5 < len(marks()) < 15
    assert marks()[-1].startswith("w29:1=1@")
    clock.advance(90_000)
    worker = FakeWorker("last")
    assert count(backend, worker, new=True) == TAKEN
    backend.goodbye("last")
    assert backend.fold(backend.read_totals().counts, base, "all")
    assert [it[:6] for it in marks()] == ["last:1"]


def test_fold_of_nothing_replaces_the_base_alone(backend, worker):
    assert not backend.fold([], "", "base")
    assert count(backend, worker, new=True) == TAKEN
    assert backend.fold([], "", "base")
    totals = backend.read_totals()
    assert (totals.base, len(totals.counts)) == ("base", 1)


def test_counters_end_when_nobody_reports_any_more(backend, worker, raw, key):
    assert count(backend, worker, new=True) == TAKEN
    eight_days = 8 * 86_400_000
    assert eight_days - 60_000 < raw.pttl(key) <= eight_days
    raw.pexpire(key, 1000)
    # While workers live, one of them samples.
    report = worker.change(activity=Activity(can_sample=True))
    assert backend.exchange(report).samples
    assert raw.pttl(key) > 1000
    backend.goodbye("a")
    raw.pexpire(key, 1000)
    assert backend.fold(backend.read_totals().counts, "", "base")
    assert raw.pttl(key) > 1000
    raw.pexpire(key, 1)
    wait_until(lambda: backend.read_totals() is None)


def test_replica_reads_the_counters(shared_sentinels, make_redis, worker, redis_prefix):
    backend = make_redis(shared_sentinels.master, clock=None)
    assert count(backend, worker, new=True) == TAKEN
    backend.goodbye("a")
    replica = make_redis(shared_sentinels.replica, clock=None)
    wait_until(lambda: replica.read_totals() and not replica.read_conditions())
    totals = replica.read_totals()
    assert [it.text for it in totals.counts] == ["T"]
    with pytest.raises(BackendError):
        replica.fold(totals.counts, "", "base")
    # It cannot remove what is damaged.
    with shared_sentinels.master.client() as raw:
        raw.hset(f"{{{redis_prefix}}}:totals", "base", "damaged")
    wait_until(lambda: raises(replica))
    assert raises(replica)
    assert raises(backend)
    assert not raises(backend)


def raises(backend) -> bool:
    try:
        backend.read_totals()
    except BackendError:
        return True
    return False
