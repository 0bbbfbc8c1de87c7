"""Keys that hold something else than workers write: it makes its worker stale."""

from __future__ import annotations

import math

import pytest

from django_socket_status.backends.redis.buckets import BucketIndex
from django_socket_status.backends.redis.codec import pack
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.support.redis_tools import calls_of, recorded, tell

pytestmark = pytest.mark.redis


@pytest.fixture
def raw(shared_redis):
    with shared_redis.client(decode_responses=False) as client:
        yield client


@pytest.fixture
def backend(make_redis):
    """Return a backend with the workers ``a``, to be damaged, and ``b``."""
    backend = make_redis()
    for name in "ab":
        worker = FakeWorker(name)
        opened = [worker.open(user=name, labels={"room": name})]
        assert backend.report(worker.full(opened))
    return backend


def report(counts, *, head=b"1:1:1:1000"):
    return head + b":" + (counts if isinstance(counts, bytes) else pack(counts))


REPORTS = {
    "empty": b"",
    "text": b"something else",
    "count is text": report([True, 0, True, {"call": "many"}]),
    "count is NaN": report([True, 0, True, {"call": math.nan}]),
    "count is negative": report([True, 0, True, {"call": -1}]),
    "count is a fraction": report([True, 0, True, {"call": 1.5}]),
    "count is huge": report([True, 0, True, {"call": 2**60}]),
    "count is a bool": report([True, 0, True, {"call": True}]),
    "type is no text": report([True, 0, True, {b"call": 1}]),
    "counts are a list": report([True, 0, True, [1]]),
    "anonymous is negative": report([True, -1, True, {}]),
    "anonymous is text": report([True, "0", True, {}]),
    "complete is a number": report([1, 0, True, {}]),
    "one too many": report([True, 0, True, {}, 0]),
    "no list": report(7),
    "time is text": report([True, 0, True, {}], head=b"1:1:1:now"),
    "time is negative": report([True, 0, True, {}], head=b"1:1:1:-1"),
    "users are huge": report([True, 0, True, {}], head=b"1:1:" + b"9" * 30 + b":1"),
    "users are text": report([True, 0, True, {}], head=b"1:1:x:1"),
    **{
        f"generation is {it}": report(
            [True, 0, True, {}], head=b"1:" + it.encode() + b":1:1000"
        )
        for it in (
            "1.9999999",
            "1.1025",
            "1.1",
            "1.0",
            "1.",
            ".",
            "..",
            ".32",
            "1.2.3",
            "x",
        )
    },
}


def says_so(backend) -> None:
    """Assert that ``b`` is told as it is, and that something is missing."""
    snapshot = backend.read()
    assert [it.worker.worker_id for it in snapshot.workers] == ["b"]
    assert not snapshot.complete
    page = backend.get_connections(ConnectionQuery())
    assert {it.worker_id for it in page} == {"b"}
    assert not page.complete
    assert backend.is_online("b")
    with pytest.raises(BackendError):
        backend.online_user_ids()


@pytest.mark.parametrize("damaged", REPORTS.values(), ids=REPORTS)
def test_damaged_report(make_redis, backend, raw, redis_prefix, damaged):
    key = f"{{{redis_prefix}}}:a"
    raw.set(key, damaged)
    says_so(make_redis())
    says_so(backend)


@pytest.mark.parametrize("damaged", REPORTS.values(), ids=REPORTS)
def test_worker_mends_its_damaged_report(make_redis, raw, redis_prefix, damaged):
    backend, worker = make_redis(), FakeWorker("a")
    assert backend.report(worker.full([worker.open(user="7")]))
    raw.set(f"{{{redis_prefix}}}:a", damaged)
    # Through this instance, and through one that has to read what is there.
    for instance in (backend, make_redis()):
        tell(instance, worker)
    assert backend.read().complete
    assert backend.is_online("7")


def test_generation_makes_no_millions_of_names(make_redis, redis_server, worker):
    backend = make_redis(redis_server)
    assert backend.report(worker.full([worker.open(user="7")]))
    key = backend._keys.report("a")
    with redis_server.client(decode_responses=False) as raw:
        sequence, _, rest = raw.get(key).split(b":", 2)
        raw.set(key, b":".join([sequence, b"1.9999999", rest]))
    redis_server.admin.config_resetstat()
    with recorded(redis_server) as sent:
        assert not backend.read().complete
        assert not backend.report(worker.change())
        assert backend.report(worker.full())
        backend.goodbye("a")
    assert len(sent) < 20
    assert sum(calls_of(redis_server).values()) < 100


def test_several_sets_are_taken_as_workers_make_them(make_redis, monkeypatch):
    monkeypatch.setattr("django_socket_status.backends.redis.user_shards.PART_USERS", 1)
    backend, worker = make_redis(), FakeWorker("a")
    opened = [worker.open(user=str(number)) for number in range(20)]
    assert backend.report(worker.full(opened))
    assert backend.read().unique_users == 20
    assert len(backend.online_user_ids()) == 20
    assert backend.is_online("19")
    # Not more than the scripts take, however many users there are.
    more = [worker.open(user=str(number)) for number in range(20, 1100)]
    assert not backend.report(worker.change(*more))
    assert backend.report(worker.full())
    assert backend.report(worker.change(worker.open(user="new")))
    assert backend.is_online("new")
    assert not backend.is_online("nobody")


IDENTITIES = {
    "text": b"something else",
    "number": pack(7),
    "short": pack(["host"]),
    "host is a number": pack([7, 7, "", "2026-11-30T00:00:00+00:00", ""]),
    "pid is text": pack(["host", "7", "", "2026-11-30T00:00:00+00:00", ""]),
    "pid is negative": pack(["host", -7, "", "2026-11-30T00:00:00+00:00", ""]),
    "start is a number": pack(["host", 7, "", 7, ""]),
    "start is no time": pack(["host", 7, "", "today", ""]),
    "start has no time zone": pack(["host", 7, "", "2026-11-30T00:00:00", ""]),
    "host is long": pack(["h" * 9999, 7, "", "2026-11-30T00:00:00+00:00", ""]),
}


@pytest.mark.parametrize("damaged", IDENTITIES.values(), ids=IDENTITIES)
def test_damaged_identity(backend, raw, redis_prefix, damaged):
    raw.hset(f"{{{redis_prefix}}}:a:who", "w", damaged)
    snapshot = backend.read()
    assert [it.worker.worker_id for it in snapshot.workers] == ["b"]
    assert not snapshot.complete


RECORDS = {
    "text": b"something else",
    "number": pack(7),
    "short": pack([0]),
    "long": pack([0, 1.0, None, None, None]),
    "row is negative": pack([-1, 1.0]),
    "row is missing": pack([99, 1.0]),
    "row is text": pack(["0", 1.0]),
    "row is a bool": pack([False, 1.0]),
    "time is NaN": pack([0, math.nan]),
    "time is infinite": pack([0, math.inf]),
    "time is far away": pack([0, 1e300]),
    "time is text": pack([0, "now"]),
    "user is a number": pack([0, 1.0, 7]),
    "labels are a list": pack([0, 1.0, None, [1]]),
    "label is a number": pack([0, 1.0, None, {"room": 7}]),
}


@pytest.mark.parametrize("damaged", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("query", [ConnectionQuery(), ConnectionQuery(user_id="a")])
def test_damaged_connection(backend, raw, redis_prefix, damaged, query):
    raw.hset(f"{{{redis_prefix}}}:a:1:0", 1, damaged)
    page = backend.get_connections(query)
    assert {it.worker_id for it in page} <= {"b"}
    assert not page.complete
    assert backend.read().complete


@pytest.mark.parametrize(
    ("part", "field", "damaged"),
    [
        ("who", "p", b"something else"),
        ("who", "p", pack(7)),
        ("who", "p", pack([["call"]])),
        ("who", "p", pack([[7, "/call/"]])),
        ("1:marks", "0", b"short"),
        ("1:marks", "0", BucketIndex(1, math.nan, 2**1024 - 1).pack()),
        ("1:marks", "x", BucketIndex(1, 1.0, 2**1024 - 1).pack()),
        ("1:0", "x", pack([0, 1.0])),
        ("1:0", "-1", pack([0, 1.0])),
    ],
)
def test_damaged_list_of_connections(backend, raw, redis_prefix, part, field, damaged):
    raw.hset(f"{{{redis_prefix}}}:a:{part}", field, damaged)
    page = backend.get_connections(ConnectionQuery())
    assert "b" in {it.worker_id for it in page}
    assert not page.complete


@pytest.mark.parametrize("make", ["string", "hash", "list"])
def test_users_that_are_no_set(backend, raw, redis_prefix, make):
    key = f"{{{redis_prefix}}}:a:1:users"
    raw.delete(key)
    {"string": raw.set, "hash": raw.hincrby, "list": raw.rpush}[make](key, "7")
    assert not backend.read().complete
    assert backend.is_online("b")
    with pytest.raises(BackendError):
        backend.is_online("a")
    with pytest.raises(BackendError):
        backend.online_user_ids()


def test_user_that_is_no_text(backend, raw, redis_prefix):
    raw.sadd(f"{{{redis_prefix}}}:a:1:users", b"\xfe")
    with pytest.raises(BackendError):
        backend.online_user_ids()


@pytest.mark.parametrize("make", ["hash", "list"])
def test_report_that_is_no_text(backend, raw, redis_prefix, make):
    key = f"{{{redis_prefix}}}:a"
    raw.delete(key)
    {"hash": raw.hincrby, "list": raw.rpush}[make](key, "7")
    says_so(backend)


@pytest.mark.parametrize(
    "fields",
    [
        {"n": "many", "next": "7"},
        {"n": "-1", "next": "99999999999999"},
        {"n": "1", "next": "999999999999999"},
        {"n": "1.5", "next": "nan"},
        {"n": "9" * 40, "next": "9" * 40},
        {"n": ""},
    ],
)
def test_number_of_users_that_is_damaged(
    backend, raw, redis_prefix, monkeypatch, fields
):
    monkeypatch.setattr("django_socket_status.backends.redis.reader.QUICK_USERS", 1)
    raw.hset(f"{{{redis_prefix}}}:users", mapping=fields)
    assert backend.read().unique_users == 2


def test_number_of_users_that_cannot_be_kept(backend, raw, redis_prefix, monkeypatch):
    monkeypatch.setattr("django_socket_status.backends.redis.reader.QUICK_USERS", 1)
    raw.set(f"{{{redis_prefix}}}:users", "7")
    assert backend.read().unique_users == 2


def test_id_that_is_no_text(backend, raw, redis_prefix, clock):
    raw.zadd(f"{{{redis_prefix}}}:workers", {b"\xff": (clock() + 5) * 1000})
    snapshot = backend.read()
    assert {it.worker.worker_id for it in snapshot.workers} == {"a", "b"}
    assert not snapshot.complete
