"""Lists of ended connections in Redis: damaged, bounded, and read in pieces."""

from __future__ import annotations

import pytest

from django_socket_status.activity.stored import Activity, CountTotals, Entries
from django_socket_status.exceptions import BackendError
from django_socket_status.testing.contract.endings import limits
from tests.support.redis_tools import calls_of

pytestmark = pytest.mark.redis


def texts(backend, ended="closed"):
    return [it.text for it in backend.read_ended(ended)]


def keep(backend, *kept):
    for text in kept:
        backend.keep_ended("closed", Entries(text, 1))


@pytest.fixture
def key(backend):
    return backend._keys.ended("closed")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", b"damaged"),
        ("state", b""),
        ("h2", b"damaged"),
        ("h2", b"1000:1:0:9"),
        ("2", b"damaged"),
        ("2", b"\xff\xff\xff"),
    ],
)
def test_damaged_field_fails_its_reader_until_the_list_is_replaced(
    backend, worker, raw, key, field, value
):
    keep(backend, "one", "two", "tre")
    raw.hset(key, field, value)
    with pytest.raises(BackendError):
        backend.read_ended("closed")
    assert backend.read_ended("rejected") == ()
    with limits(CLOSED_LIMIT=2):
        for text in ("4", "5", "6"):
            activity = Activity(closed=Entries(text, 1))
            assert backend.exchange(worker.full(activity=activity)).is_taken
        assert texts(backend) == ["6", "5"]


def test_list_without_its_state_is_damaged_and_not_empty(backend, raw, key):
    keep(backend, "one", "two")
    raw.hdel(key, "state")
    with pytest.raises(BackendError):
        backend.read_ended("closed")
    keep(backend, "three")
    assert texts(backend) == ["three"]


@pytest.mark.parametrize("how", ["set", "rpush"])
def test_key_of_another_type_is_damaged_and_not_empty(backend, raw, key, how):
    getattr(raw, how)(key, "something else")
    with pytest.raises(BackendError):
        backend.read_ended("closed")
    keep(backend, "one")
    assert texts(backend) == ["one"]


@pytest.mark.parametrize("field", ["h1", "1"])
def test_text_that_was_removed_during_a_read_is_no_harm(backend, raw, key, field):
    """A report removes the oldest ones."""
    keep(backend, "one", "two", "three")
    raw.hdel(key, field)
    assert texts(backend) == ["three", "two"]
    keep(backend, "four")
    assert texts(backend) == ["four", "three", "two"]


@pytest.mark.parametrize("field", ["h2", "2"])
def test_text_that_is_missing_between_others_is_damage(backend, raw, key, field):
    keep(backend, "one", "two", "three")
    raw.hdel(key, field)
    with pytest.raises(BackendError):
        texts(backend)


def test_state_that_tells_of_too_many_is_no_harm(backend, raw, key):
    keep(backend, "one")
    raw.hset(key, "state", b"1:999999999:1:3:1000000")
    assert texts(backend) == []
    keep(backend, "two")
    assert texts(backend)[:1] == ["two"]


def test_old_texts_leave_redis(backend, raw, key):
    with limits(CLOSED_LIMIT=10):
        keep(backend, *map(str, range(50)))
        # A text, its head, and the state.
        assert raw.hlen(key) == 2 * 10 + 1
    with limits(CLOSED_LIMIT=2):
        keep(backend, "new")
        assert raw.hlen(key) == 2 * 2 + 1
        assert texts(backend) == ["new", "49"]


def test_lower_limit_removes_few_texts_at_a_time_and_reads_none_of_them(
    backend, raw, key
):
    keep(backend, *map(str, range(60)))
    with limits(CLOSED_LIMIT=5):
        assert texts(backend) == ["59", "58", "57", "56", "55"]
        for left in (45, 30, 15, 5):
            keep(backend, "new")
            assert raw.hlen(key) == 2 * left + 1
        assert texts(backend) == ["new"] * 4 + ["59"]


def test_old_text_leaves_redis_with_the_next_one(backend, raw, key, clock):
    keep(backend, "old", "old too")
    clock.advance(8 * 86_400)
    assert texts(backend) == []
    keep(backend, "new")
    assert raw.hlen(key) == 2 * 1 + 1
    assert texts(backend) == ["new"]


def test_clock_that_was_set_back_hides_nothing(backend, clock):
    clock.advance(7200)
    keep(backend, "before")
    clock.advance(-3600)
    keep(backend, "after")
    assert texts(backend) == ["after", "before"]


def test_list_ends_eight_days_after_the_last_text(backend, raw, key):
    keep(backend, "one")
    eight_days = 8 * 86_400_000
    assert eight_days - 60_000 < raw.pttl(key) <= eight_days


def test_full_list_is_read_in_three_round_trips_of_small_commands(
    make_redis, redis_server
):
    backend = make_redis(redis_server)
    text = "x" * 1000
    for number in range(600):
        backend.keep_ended("closed", Entries(text * (number % 20 + 1), 1))
    trips = []
    for name in ("run", "pipeline"):
        call = getattr(backend._client, name)

        def note(*given, call=call):
            trips.append(given)
            return call(*given)

        setattr(backend._client, name, note)
    redis_server.admin.config_resetstat()
    found = backend.read_ended("closed")
    assert len(trips) == 3
    assert len(found) == 600
    # 6.3 MB in pieces of at most 128 KiB.
    assert calls_of(redis_server)["hmget"] >= 6_300_000 / (128 * 1024)
    assert {len(it.text) for it in found} == {1000 * it for it in range(1, 21)}


def test_counts_alone_keep_no_list(make_redis, worker):
    backend = make_redis(details=False)
    others = {"totals", "history", "conditions", "commands"}
    # What was kept while there were details can be changed.
    assert backend.keeps == {*others, "rewrites"}
    entries = Entries("one", 1)
    activity = Activity(closed=entries, rejected=entries)
    assert backend.exchange(worker.full(activity=activity)).is_taken
    backend.keep_ended("closed", entries)
    assert backend.read_ended("closed") == backend.read_ended("rejected") == ()


@pytest.fixture
def counted(backend, worker):
    """Let Redis hold counters, and so notes of the lists."""
    totals = CountTotals(1, True, "counters")
    assert backend.exchange(worker.full(activity=Activity(totals=totals))).is_taken


def left_out(backend, ended="closed"):
    return sum(it.left_out for it in backend.read_ended(ended))


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("ended", ["closed", "rejected"])
def test_list_that_redis_lost_alone_says_so_for_as_long_as_it_would_be_kept(
    backend, raw, clock, ended
):
    assert left_out(backend, ended) == 0
    backend.keep_ended(ended, Entries("one", 1))
    assert left_out(backend, ended) == 0
    raw.delete(backend._keys.ended(ended))
    assert left_out(backend, ended) == 1
    with limits(CLOSED_SECONDS=100.0):
        clock.advance(60)
        for text in ("two", "three"):
            backend.keep_ended(ended, Entries(text, 1))
            assert left_out(backend, ended) == 1
        clock.advance(40)
        assert left_out(backend, ended) == 0
        assert texts(backend, ended) == ["three", "two"]


@pytest.mark.usefixtures("counted")
def test_damaged_list_that_is_replaced_says_so(backend, raw, key):
    keep(backend, "one", "two")
    raw.hdel(key, "state")
    keep(backend, "three")
    assert texts(backend)[0] == "three"
    assert left_out(backend) == 1


@pytest.mark.usefixtures("counted")
def test_lost_list_is_whole_again_once_it_is_full(backend, raw, key):
    with limits(CLOSED_LIMIT=3):
        keep(backend, "one", "two")
        raw.delete(key)
        keep(backend, "three", "four", "five")
        assert left_out(backend) == 1
        keep(backend, "six")
        assert texts(backend) == ["six", "five", "four"]
        raw.delete(key)
        assert left_out(backend) == 1


@pytest.mark.usefixtures("counted")
def test_worker_that_writes_no_note_is_no_loss(backend, raw, key):
    keep(backend, "one")
    note = raw.hget(backend._keys.totals, "e:closed")
    keep(backend, "two", "three")
    # As if a worker of an older version had kept both.
    raw.hset(backend._keys.totals, "e:closed", note)
    assert left_out(backend) == 0
    keep(backend, "four")
    assert left_out(backend) == 0
    raw.hset(backend._keys.totals, "e:closed", "damaged")
    assert left_out(backend) == 0


@pytest.mark.parametrize("how", ["set", "delete"])
@pytest.mark.usefixtures("counted")
def test_counters_that_are_lost_or_damaged_are_no_harm_to_the_list(
    backend, raw, key, how
):
    keep(backend, "one")
    raw.delete(backend._keys.totals)
    if how == "set":
        raw.set(backend._keys.totals, "something else")
    keep(backend, "two")
    assert texts(backend) == ["two", "one"]
    assert left_out(backend) == 0
    assert raw.exists(backend._keys.totals) == (how == "set")
