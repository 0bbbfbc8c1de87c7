"""Lists of connections: what they cost, and what is missing from them."""

from __future__ import annotations

import pytest

from django_socket_status.backends.redis_search import pairs
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.backends.redis_tools import recorded

pytestmark = pytest.mark.redis


@pytest.fixture
def backend(make_redis):
    return make_redis()


@pytest.fixture
def many(backend, worker):
    """Have a worker hold a thousand connections, each of a second of its own."""
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


def test_first_page_takes_a_batch_of_buckets(backend, many, shared_redis):
    page, read = listed(shared_redis, backend, limit=10)
    assert [it.connected_at.timestamp() - 1e9 for it in page] == [*range(999, 989, -1)]
    assert page.total == 1000
    # All sixteen, and the marks: fewer than a batch.
    assert len(read) <= 17


def test_user_is_found_by_the_marks(backend, many, shared_redis):
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


def test_marks_that_lead_in_vain_leave_nothing_out(backend, many, worker):
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

    def leave_after_the_marks(commands):
        calls.append(commands)
        if len(calls) == 2:
            assert backend._writer.report(worker.change(closed=[held]))
        return pipeline(commands)

    monkeypatch.setattr(backend._client, "pipeline", leave_after_the_marks)
    page = backend.get_connections(ConnectionQuery())
    assert len(page) == 0
    assert page.complete


def test_types_are_told_of_every_worker(backend, worker):
    other = FakeWorker("b")
    assert backend.report(worker.full([worker.open("call")]))
    assert backend.report(other.full([other.open("chat"), other.open("call")]))
    page = backend.get_connections(ConnectionQuery())
    assert sorted(it.type for it in page) == ["call", "call", "chat"]


@pytest.mark.parametrize("reply", [[b"1", b"a", b"2", b"b"], {b"1": b"a", b"2": b"b"}])
def test_reply_is_read_as_either_protocol_has_it(reply):
    assert [*pairs(reply)] == [(1, b"a"), (2, b"b")]
