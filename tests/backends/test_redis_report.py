from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socket_status.backends.redis_buckets import BUCKET_SIZE
from django_socket_status.backends.redis_packing import pack, unpack
from django_socket_status.backends.redis_report import MAX_PLACES, Ledger
from django_socket_status.testing import FakeWorker


class Told:
    """What the sections of a report say, as the script reads them."""

    def __init__(self, words: list[Any]) -> None:
        self._words: Iterator[Any] = iter(words)
        self.due = self._section()
        self.users_left = self._users()
        self.users_joined = self._users()
        self.dropped = self._section()
        changes = (msgpack.unpackb(it, raw=True) for it in self._section())
        #: Of each bucket, the numbers that left, and those that came.
        self.buckets = {it[0]: (it[1], it[2][::2]) for it in changes}
        self.marks = self._pairs()
        self.facts = self._pairs()
        assert not [*self._words]

    def _section(self) -> list[Any]:
        return [next(self._words) for _ in range(next(self._words))]

    def _users(self) -> list[str]:
        return [user for it in self._section() for user in msgpack.unpackb(it)[1]]

    def _pairs(self) -> dict[Any, Any]:
        words = iter(self._section())
        return dict(zip(words, words, strict=True))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger("1", 1)


@pytest.fixture
def tell(ledger: Ledger):
    """Return what takes note of a report, a heartbeat after the one before."""
    seconds = count(1000)
    return lambda report: Told(ledger.sections(report, next(seconds), "project"))


def test_full_report_tells_who_and_which_places(tell, worker):
    told = tell(worker.full([worker.open(user="7"), worker.open("chat")]))
    assert told.facts.keys() == {"w", "p"}
    assert unpack(told.facts["p"]) == [
        ["call", "/ws/call/<room>/"],
        ["chat", "/ws/call/<room>/"],
    ]
    assert told.users_joined == ["7"]
    assert told.buckets[0] == ([], [1, 2])
    assert told.marks.keys() == {0}


def test_change_tells_no_more_than_what_changed(tell, worker):
    first = worker.open(user="7")
    tell(worker.full([first, worker.open()]))
    told = tell(worker.change(worker.open(user="8"), closed=[first]))
    assert not told.facts
    assert (told.users_left, told.users_joined) == (["7"], ["8"])
    assert told.buckets[0] == ([1], [3])


def test_heartbeat_tells_nothing_but_buckets_whose_turn_it_is(tell, worker, ledger):
    held = [worker.open() for _ in range(10 * BUCKET_SIZE)]
    tell(worker.full(held))
    turns = [tell(worker.change()).due for _ in range(int(worker.lease_seconds))]
    assert {number for turn in turns for number in turn} == ledger.buckets.keys()
    assert all(len(turn) <= 3 for turn in turns)


def test_new_place_is_told_once(tell, worker):
    tell(worker.full([worker.open()]))
    assert "p" in tell(worker.change(worker.open("chat"))).facts
    assert not tell(worker.change(worker.open("chat"))).facts


def test_bucket_that_is_empty_is_dropped(tell, worker, ledger):
    held = [worker.open() for _ in range(BUCKET_SIZE + 10)]
    tell(worker.full(held))
    told = tell(worker.change(closed=held[: BUCKET_SIZE - 1]))
    assert told.dropped == [0]
    assert ledger.buckets.keys() == {1}


def test_closed_connection_that_was_never_told_is_passed_over(tell, worker):
    tell(worker.full([worker.open()]))
    lost = [worker.open() for _ in range(BUCKET_SIZE)][-1]
    told = tell(worker.change(closed=[lost]))
    assert not told.buckets
    assert not told.dropped


def test_bucket_that_is_added_to_is_seen_to_be_there(tell, worker):
    first = worker.open()
    tell(worker.full([first]))
    assert tell(worker.change(worker.open())).due == [0]
    assert tell(worker.change(worker.open(), closed=[first])).due == [0]


def test_bucket_comes_round_once_however_often_it_was_empty(tell, worker, ledger):
    tell(worker.full([]))
    for _ in range(BUCKET_SIZE // 2):
        opened = worker.open()
        tell(worker.change(opened))
        tell(worker.change(closed=[opened]))
    tell(worker.change(worker.open()))
    assert len(ledger.rotation) <= 2


# Places.


def types_of(worker: FakeWorker, number: int) -> list[Any]:
    return [worker.open(f"type{index}") for index in range(number)]


def test_table_of_places_that_outgrew_is_begun_again(tell, worker, ledger):
    tell(worker.full([]))
    tell(worker.change(*types_of(worker, MAX_PLACES)))
    assert not ledger.is_full
    tell(worker.change(worker.open("one more")))
    assert ledger.is_full


def test_full_report_has_as_many_places_as_are_in_use(tell, worker, ledger):
    held = types_of(worker, 3 * MAX_PLACES)
    tell(worker.full(held[:1000], complete=False))
    tell(worker.change(*held[1000:2000], complete=False))
    tell(worker.change(*held[2000:]))
    assert not ledger.is_full
    tell(worker.change(worker.open("one more")))
    assert not ledger.is_full


# What another instance makes of what is kept.


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_ledger_that_is_read_is_the_one_that_was_written(data):
    worker, ledger = FakeWorker(), Ledger("1", 1)
    places, marks = b"", {}
    now = 0.0
    report = worker.full([worker.open() for _ in range(data.draw(st.integers(0, 99)))])
    for _ in range(data.draw(st.integers(1, 5))):
        told = Told(ledger.sections(report, now, "project"))
        places = told.facts.get("p", places)
        marks.update(told.marks)
        for number in told.dropped:
            marks.pop(number, None)
        held = [*worker.connections.values()]
        closed = held[: data.draw(st.integers(0, len(held)))]
        kinds = data.draw(st.lists(st.sampled_from("abc"), max_size=70))
        opened = [worker.open(kind, user=kind) for kind in kinds]
        report = worker.change(*opened, closed=closed)
        now += data.draw(st.floats(0, 10))
    read = Ledger.read(ledger.generation, ledger.sequence, places, marks)
    assert read.buckets == ledger.buckets
    assert read.places == ledger.places
    assert {*read.rotation} == ledger.buckets.keys()
    # Nobody knows when it was renewed, so all of it is, with the next report.
    due = Told(read.sections(worker.change(), now, "project")).due
    assert {*due} == ledger.buckets.keys()


def test_ledger_of_an_empty_worker_can_be_read():
    assert Ledger.read("1", 2, pack([]), {}).sequence == 2
