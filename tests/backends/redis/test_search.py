"""Lists of connections: what they cost, and what is missing from them."""

from __future__ import annotations

import pytest

from django_socket_status.backends.redis import by_type, search
from django_socket_status.backends.redis.buckets import BUCKET_SIZE
from django_socket_status.backends.redis.search import pairs
from django_socket_status.records import ConnectionQuery, Cursor
from django_socket_status.testing import FakeWorker
from tests.support.redis_tools import delete, recorded

pytestmark = pytest.mark.redis


@pytest.fixture
def backend(make_redis):
    return make_redis()


@pytest.fixture
def many(backend, worker):
    """Have a worker hold a thousand connections, one a second."""
    held = [
        worker.open(f"type{number % 2}", user=str(number % 500), at=1e9 + number)
        for number in range(1000)
    ]
    assert backend.report(worker.full(held))
    return held


def listed(server, backend, **query):
    with recorded(server) as sent:
        page = backend.get_connections(ConnectionQuery(**query))
    return page, [words for words in sent if words[0] == "HGETALL"]


def test_first_page_takes_few_buckets(backend, many, shared_redis):
    page, read = listed(shared_redis, backend, limit=10)
    assert [it.connected_at.timestamp() - 1e9 for it in page] == [*range(999, 989, -1)]
    assert page.total == 1000
    # The last of the sixteen, the one before it, and their indexes.
    assert len(read) <= 3


def test_page_of_every_connection_takes_each_bucket_once(backend, many, shared_redis):
    page, read = listed(shared_redis, backend, limit=1000)
    assert len(page) == 1000
    assert len(read) <= 17


def test_page_of_many_workers_is_whole(backend, worker, shared_redis):
    """Their connections take turns, so that no bucket alone has the newest ones."""
    workers = [FakeWorker(name) for name in "abcde"]
    for index, it in enumerate(workers):
        at = [1e9 + 5 * number + index for number in range(200)]
        assert backend.report(it.full([it.open(at=one) for one in at]))
    page, read = listed(shared_redis, backend, limit=100)
    assert times_of(page) == [*range(999, 899, -1)]
    assert page.total == 1000
    # Of twenty.
    assert len(read) - len(workers) <= 12


def test_user_is_found_by_the_indexes(backend, many, shared_redis):
    page, read = listed(shared_redis, backend, user_id="77")
    assert len(page) == page.total == 2
    assert len(read) < 10


def test_user_who_is_not_there_takes_few_buckets(backend, many, shared_redis):
    page, read = listed(shared_redis, backend, user_id="stranger")
    assert (len(page), page.total) == (0, 0)
    assert len(read) < 10


def test_pages_of_a_type_are_whole(backend, many):
    query = {"type": "type1", "limit": 100}
    pages = [
        backend.get_connections(ConnectionQuery(**query, offset=first))
        for first in range(0, 500, 100)
    ]
    assert {page.total for page in pages} == {500}
    assert len({it.connection_id for page in pages for it in page}) == 500


def test_false_positives_of_the_filter_leave_nothing_out(backend, many, worker):
    # The filter remembers what left, and so says yes.
    gone = [it for it in many if it.user_id == "77"]
    assert backend.report(worker.change(closed=gone))
    page = backend.get_connections(ConnectionQuery(user_id="77"))
    assert (len(page), page.total, page.complete) == (0, 0, True)


def test_worker_that_begins_again_meanwhile_is_admitted(
    backend, many, worker, monkeypatch
):
    find = backend._reader.find

    def begin_again():
        found = find()
        monkeypatch.undo()
        assert backend.report(worker.full())
        return found

    monkeypatch.setattr(backend._reader, "find", begin_again)
    page = backend.get_connections(ConnectionQuery())
    assert not page.complete or len(page) == 100


def test_connection_that_leaves_meanwhile_is_not_missing(backend, worker, monkeypatch):
    held = worker.open()
    assert backend.report(worker.full([held]))
    pipeline = backend._client.pipeline
    calls = []

    def leave_after_the_indexes(commands):
        calls.append(commands)
        if len(calls) == 2:
            assert backend.report(worker.change(closed=[held]))
        return pipeline(commands)

    monkeypatch.setattr(backend._client, "pipeline", leave_after_the_indexes)
    page = backend.get_connections(ConnectionQuery())
    assert len(page) == 0
    assert page.complete


def test_types_of_every_worker_are_found(backend, worker):
    other = FakeWorker("b")
    assert backend.report(worker.full([worker.open("call")]))
    assert backend.report(other.full([other.open("chat"), other.open("call")]))
    page = backend.get_connections(ConnectionQuery())
    assert sorted(it.type for it in page) == ["call", "call", "chat"]


@pytest.mark.parametrize("reply", [[b"1", b"a", b"2", b"b"], {b"1": b"a", b"2": b"b"}])
def test_reply_is_read_as_either_protocol_has_it(reply):
    assert [*pairs(reply)] == [(1, b"a"), (2, b"b")]


# After a cursor.


@pytest.fixture
def one_by_one(monkeypatch):
    """Have a search read one bucket at a time."""
    monkeypatch.setattr(search, "BATCH", 1)


def place(number: int) -> Cursor:
    return Cursor(1e9 + number, "a", number + 1)


def times_of(page):
    return [it.connected_at.timestamp() - 1e9 for it in page]


@pytest.mark.usefixtures("one_by_one", "many")
@pytest.mark.parametrize("kind", [None, "type1"])
def test_page_after_a_cursor_takes_no_bucket_before_it(backend, shared_redis, kind):
    query = {"type": kind, "limit": 10}
    first, read_first = listed(shared_redis, backend, **query)
    assert first.next_cursor == place(int(times_of(first)[-1]))
    page, read = listed(shared_redis, backend, **query, after=place(501))
    step = 1 if kind is None else 2
    newest = 500 if kind is None else 499
    assert times_of(page) == [*range(newest, newest - 10 * step, -step)]
    assert page.total == first.total
    assert page.complete
    # Indexes; here also ages; and then buckets.
    assert len(read) <= len(read_first) + 1 <= 4


@pytest.mark.usefixtures("one_by_one", "many")
def test_bucket_is_read_until_its_oldest_connection_has_come(backend, shared_redis):
    middle = 5 * BUCKET_SIZE + 7
    page, _ = listed(shared_redis, backend, limit=1000, after=place(middle))
    assert times_of(page) == [*range(middle - 1, -1, -1)]
    assert page.next_cursor is None


@pytest.mark.usefixtures("one_by_one", "many")
def test_page_of_a_worker_without_ages_is_whole(backend, shared_redis, redis_prefix):
    """A worker of a version that stored none."""
    query = {"limit": 10, "after": place(501)}
    whole, quick = listed(shared_redis, backend, **query)
    delete(shared_redis, redis_prefix, ":oldest")
    page, read = listed(shared_redis, backend, **query)
    assert page == whole
    assert len(read) > len(quick)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("damaged", [b"short", b"\0" * 15, b"\xff" * 8 + b"\0" * 8])
def test_damaged_ages_leave_nothing_out(backend, shared_redis, redis_prefix, damaged):
    query = ConnectionQuery(limit=10, after=place(501))
    whole = backend.get_connections(query)
    shared_redis.admin.hset(f"{{{redis_prefix}}}:a:1:oldest", "0", damaged)
    assert backend.get_connections(query) == whole


@pytest.mark.usefixtures("one_by_one", "many")
def test_ages_are_kept_by_another_instance(backend, make_redis, shared_redis, worker):
    _, before = listed(shared_redis, backend, limit=10, after=place(501))
    # The newest bucket then holds the oldest connection.
    assert make_redis().report(worker.change(worker.open(at=1e9 - 5)))
    page, after = listed(shared_redis, backend, limit=10, after=place(501))
    assert times_of(page) == [*range(500, 490, -1)]
    assert len(after) == len(before) + 1
    page, _ = listed(shared_redis, backend, limit=10, after=place(0))
    assert times_of(page) == [-5]


@pytest.mark.usefixtures("many")
def test_search_for_a_user_stops_when_the_page_is_full(backend, shared_redis, worker):
    held = [worker.open(user="77", at=1e9 + 1000 + n) for n in range(20 * BUCKET_SIZE)]
    for first in range(0, len(held), BUCKET_SIZE):
        assert backend.report(worker.change(*held[first : first + BUCKET_SIZE]))
    whole = backend.get_connections(ConnectionQuery(user_id="77", limit=5))
    assert whole.total == len(held) + 2
    after = place(10_000)
    page, read = listed(shared_redis, backend, user_id="77", limit=5, after=after)
    assert [*page] == [*whole]
    # A search that stops does not count.
    assert page.total is None
    assert len(read) <= 2 + 64


# The users of each type.


def test_users_are_counted_in_a_limited_number_of_connections(
    backend, many, worker, monkeypatch, shared_redis
):
    assert backend.report(worker.change(worker.open("rare", user="9", at=1)))
    with recorded(shared_redis) as sent:
        found = backend.users_by_type(["none", "rare", "type0", "type1"])
    assert found == {"rare": (1, True), "type0": (250, True), "type1": (250, True)}
    # Each bucket once, and the index.
    assert len([words for words in sent if words[0] == "HGETALL"]) == 17
    monkeypatch.setattr(by_type, "USERS_LOOKED_AT", 500)
    found = backend.users_by_type(["rare", "type0", "type1"])
    assert found["rare"] == (1, True)
    for kind in ("type0", "type1"):
        number, is_exact = found[kind]
        assert 100 < number < 250
        assert not is_exact


def test_damaged_connection_leaves_the_users_unknown(backend, many):
    assert backend.users_by_type(["type0"])
    (live,) = backend._detailed().live
    bucket = backend._keys.detail(live.worker_id, live.generation, 0)
    backend._client.pipeline([("HSET", bucket, 1, b"\xc1")])
    assert backend.users_by_type(["type0"]) == {}


# The oldest of each type.


def oldest(server, backend, *types):
    with recorded(server) as sent:
        found = backend.oldest_by_type(types)
    return found, [words for words in sent if words[0] == "HGETALL"]


def test_oldest_of_each_type_takes_few_buckets(backend, many, worker, shared_redis):
    found, read = oldest(shared_redis, backend, "type0", "type1", "none")
    assert found == {"type0": 1e9, "type1": 1e9 + 1}
    # The same bucket for both types, and two parts of the index.
    assert len(read) <= 4
    gone = [it for it in many if it.opened_at < 1e9 + 70]
    assert backend.report(worker.change(closed=gone))
    found, read = oldest(shared_redis, backend, "type1")
    assert found == {"type1": 1e9 + 71}
    assert len(read) <= 6


@pytest.mark.usefixtures("many")
def test_oldest_of_a_rare_type_is_found(backend, worker, shared_redis):
    assert backend.report(worker.change(worker.open("rare", at=1e9 + 5000)))
    assert oldest(shared_redis, backend, "rare")[0] == {"rare": 1e9 + 5000}


@pytest.mark.usefixtures("many")
def test_oldest_of_a_worker_without_ages_is_not_known(
    backend, shared_redis, redis_prefix
):
    delete(shared_redis, redis_prefix, ":oldest")
    found, read = oldest(shared_redis, backend, "type0")
    assert found == {}
    assert len(read) < 20
