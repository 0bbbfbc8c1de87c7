"""Searches by what backends have no index for."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator

import pytest

from django_socket_status.activity.stored import Entries
from django_socket_status.backends import get_backend
from django_socket_status.records import ConnectionQuery
from django_socket_status.status.search import (
    Search,
    aiter_pages,
    iter_matching,
    search,
)
from django_socket_status.status.search import walk as searching
from django_socket_status.testing import FakeWorker, isolated_socket_status
from tests.status.test_lists import AT, ended, keep
from tests.support.scripted_backend import SCRIPTED, scripted

A, B = "a" * 16, "b" * 16


@pytest.fixture(autouse=True)
def workers() -> Iterator[list[FakeWorker]]:
    """Two workers with five connections each, one a second, in turns."""
    with isolated_socket_status(BACKEND=SCRIPTED):
        workers = [FakeWorker(it, lease_seconds=1e6) for it in (A, B)]
        for index, worker in enumerate(workers):
            held = [
                worker.open(at=AT + 2 * it + index, endpoint=f"/ws/{it % 2}/")
                for it in range(5)
            ]
            assert get_backend().report(worker.full(held))
        yield workers


@pytest.fixture(params=["cursors", "offsets", "no workers"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "cursors":
        monkeypatch.setattr(type(scripted()), "pages_of_workers", False)
    if request.param == "offsets":
        monkeypatch.setattr(type(scripted()), "pages_after", False)


def at(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)


SEARCHES = {
    "all": (Search(), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    "endpoint": (Search(endpoint="/ws/1/"), [7, 6, 3, 2]),
    "worker": (
        Search(query=ConnectionQuery(worker_ids=frozenset({A}))),
        [8, 6, 4, 2, 0],
    ),
    "number": (
        Search(query=ConnectionQuery(worker_ids=frozenset({B}), number=2)),
        [3],
    ),
    "no worker": (Search(query=ConnectionQuery(worker_ids=frozenset())), []),
    "from": (Search(from_at=at(AT + 7)), [9, 8, 7]),
    "until": (Search(until_at=at(AT + 2)), [2, 1, 0]),
    "both": (
        Search(from_at=at(AT + 3), until_at=at(AT + 6), endpoint="/ws/1/"),
        [6, 3],
    ),
}


def seconds(records) -> list[int]:
    return [int(it.connected_at.timestamp() - AT) for it in records]


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages_hold_each_match_once(backend, name, limit):
    wanted, expected = SEARCHES[name]
    found, place, total = [], None, None
    while True:
        page = search(wanted, limit, place)
        assert len(page.records) <= limit
        found += seconds(page.records)
        total = page.total if total is None else total
        if (place := page.next_place) is None:
            break
    assert found == expected
    assert total in (None, len(expected))


@pytest.mark.parametrize("name", SEARCHES)
def test_iteration_holds_each_match_once(backend, name):
    wanted, expected = SEARCHES[name]
    assert seconds(iter_matching(wanted)) == expected


async def test_async_iteration_is_the_same():
    wanted, expected = SEARCHES["both"]
    assert [
        it async for page in aiter_pages(wanted) for it in seconds(page.records)
    ] == (expected)


def test_search_looks_at_a_limited_number(monkeypatch):
    monkeypatch.setattr(searching, "READS", 2)
    monkeypatch.setattr(searching, "SECONDS", math.inf)
    monkeypatch.setattr(searching, "MAX_LIMIT", 2)
    page = search(Search(endpoint="/ws/none/"), 5)
    assert (page.records, page.total, page.looked_at) == ([], None, 4)
    last = search(Search(endpoint="/ws/none/"), 5, page.next_place)
    assert last.looked_at == 4
    last = search(Search(endpoint="/ws/none/"), 5, last.next_place)
    assert (last.next_place, last.looked_at) == (None, None)


def test_search_of_a_slow_store_stops_early(monkeypatch):
    monkeypatch.setattr(searching, "SECONDS", 0.0)
    monkeypatch.setattr(searching, "MAX_LIMIT", 4)
    page = search(Search(endpoint="/ws/1/"), 5)
    assert (seconds(page.records), page.looked_at) == ([7, 6], 4)
    assert page.next_place is not None


def test_total_is_exact_where_the_backend_knows_it(backend):
    assert search(Search(), 3).total == 10
    assert search(Search(endpoint="/ws/1/"), 3).total is None
    assert search(Search(endpoint="/ws/1/"), 4).total in (None, 4)


def test_closed_connections_of_one_instant_are_on_one_page_each():
    keep(*(ended(it, at=AT) for it in range(1, 6)), ended(6, at=AT - 1))
    found, place = [], None
    while True:
        page = search(Search(state="closed"), 2, place)
        assert page.total == 6
        found += [it.connection_id[-1] for it in page.records]
        if (place := page.next_place) is None:
            break
    assert found == ["5", "4", "3", "2", "1", "6"]


def test_closed_connection_is_found_by_its_id():
    keep(ended(1), ended(2))
    query = ConnectionQuery(worker_ids=frozenset({A}), number=2)
    (record,) = search(Search(state="closed", query=query), 1).records
    assert record.connection_id == f"{A}-2"


def test_closed_connections_of_a_user_are_found_in_any_text():
    lost = ended(1, user="7", cause="worker_lost", code=None)
    keep(ended(4, user='"é'), ended(3, user="7"), lost, ended(2, user="8"))
    keep(ended(9), worker=B)
    for user, numbers in (("7", [3, 1]), ('"é', [4]), ("70", [])):
        query = ConnectionQuery(user_id=user)
        found = search(Search(state="closed", query=query), 9).records
        assert [int(it.connection_id[-1]) for it in found] == numbers
    # It is open again: its user is not in this text.
    keep(ended(1, cause="", code=None, at=None))
    query = ConnectionQuery(user_id="7")
    (record,) = search(Search(state="closed", query=query), 9).records
    assert record.connection_id == f"{A}-3"


@pytest.mark.parametrize("text", ["{}", '{"worker":"b","release":"","entries":[null]}'])
def test_damage_is_noticed_for_every_user(text):
    get_backend().keep_ended("closed", Entries(text, 1, 0))
    query = ConnectionQuery(user_id="7")
    assert not search(Search(state="closed", query=query), 9).complete


@pytest.mark.parametrize("state", ["open", "closed"])
@pytest.mark.parametrize("place", ["nonsense!", "1.x", "1" * 60, "²"])
def test_wrong_place_is_refused(state, place):
    with pytest.raises(ValueError, match=r"The text is no"):
        search(Search(state=state), 1, place)
