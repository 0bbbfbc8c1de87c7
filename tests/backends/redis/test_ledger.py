from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socket_status.backends.redis.buckets import AGES_SIZE, BUCKET_SIZE, Ages
from django_socket_status.backends.redis.codec import pack, unpack
from django_socket_status.backends.redis.ledger import (
    MAX_TYPED_ENDPOINTS,
    Ledger,
    Sections,
)
from django_socket_status.testing import FakeWorker


class Told:
    """The sections of a report, as the script reads them from its words."""

    def __init__(self, sections: Sections) -> None:
        self._words: Iterator[Any] = iter(sections.words())
        self.renewed = self._section()
        self.users_left = self._users()
        self.users_joined = self._users()
        self.dropped = self._section()
        changes = (msgpack.unpackb(it, raw=True) for it in self._section())
        #: Of each bucket, the numbers that left, and those that came.
        self.buckets = {it[0]: (it[1], it[2][::2]) for it in changes}
        self.indexes = self._pairs()
        self.ages = self._pairs()
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


def test_full_report_holds_the_worker_and_its_types_and_endpoints(tell, worker):
    told = tell(worker.full([worker.open(user="7"), worker.open("chat")]))
    assert told.facts.keys() == {"w", "p", "c"}
    assert unpack(told.facts["p"]) == [
        ["call", "/ws/call/<room>/"],
        ["chat", "/ws/call/<room>/"],
    ]
    assert told.users_joined == ["7"]
    assert told.buckets[0] == ([], [1, 2])
    assert told.indexes.keys() == {0}


def test_report_of_changes_holds_only_changes(tell, worker):
    first = worker.open(user="7")
    tell(worker.full([first, worker.open()]))
    told = tell(worker.change(worker.open(user="8"), closed=[first]))
    assert not told.facts
    assert (told.users_left, told.users_joined) == (["7"], ["8"])
    assert told.buckets[0] == ([1], [3])


def test_heartbeat_holds_only_the_buckets_to_renew(tell, worker, ledger):
    held = [worker.open() for _ in range(10 * BUCKET_SIZE)]
    tell(worker.full(held))
    turns = [tell(worker.change()).renewed for _ in range(int(worker.lease_seconds))]
    assert {number for turn in turns for number in turn} == ledger.buckets.keys()
    assert all(len(turn) <= 3 for turn in turns)


def test_new_type_and_endpoint_are_reported_once(tell, worker):
    tell(worker.full([worker.open()]))
    assert "p" in tell(worker.change(worker.open("chat"))).facts
    assert not tell(worker.change(worker.open("chat"))).facts


def test_bucket_that_is_empty_is_dropped(tell, worker, ledger):
    held = [worker.open() for _ in range(BUCKET_SIZE + 10)]
    tell(worker.full(held))
    told = tell(worker.change(closed=held[: BUCKET_SIZE - 1]))
    assert told.dropped == [0]
    assert ledger.buckets.keys() == {1}


def test_closed_connection_that_was_never_reported_is_skipped(tell, worker):
    tell(worker.full([worker.open()]))
    lost = [worker.open() for _ in range(BUCKET_SIZE)][-1]
    told = tell(worker.change(closed=[lost]))
    assert not told.buckets
    assert not told.dropped


def test_bucket_that_is_added_to_is_seen_to_be_there(tell, worker):
    first = worker.open()
    tell(worker.full([first]))
    assert tell(worker.change(worker.open())).renewed == [0]
    assert tell(worker.change(worker.open(), closed=[first])).renewed == [0]


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


def test_table_of_types_and_endpoints_that_is_too_long_is_begun_again(
    tell, worker, ledger
):
    tell(worker.full([]))
    tell(worker.change(*types_of(worker, MAX_TYPED_ENDPOINTS)))
    assert not ledger.has_long_table
    tell(worker.change(worker.open("one more")))
    assert ledger.has_long_table


def test_full_report_has_as_many_types_and_endpoints_as_are_in_use(
    tell, worker, ledger
):
    held = types_of(worker, 3 * MAX_TYPED_ENDPOINTS)
    tell(worker.full(held[:1000], complete=False))
    tell(worker.change(*held[1000:2000], complete=False))
    tell(worker.change(*held[2000:]))
    assert not ledger.has_long_table
    tell(worker.change(worker.open("one more")))
    assert not ledger.has_long_table


# When the oldest connection of a bucket opened.


def test_ages_are_told_when_they_change_and_not_before(tell, worker):
    first, second = worker.open(at=1e9), worker.open(at=1e9 - 5)
    assert Ages(tell(worker.full([first])).ages.items())[0] == 1e9
    assert Ages(tell(worker.change(second)).ages.items())[0] == 1e9 - 5
    relabelled = first._replace(labels={"room": "red"})
    assert tell(worker.change(relabelled, worker.open(at=2e9))).ages == {}
    # A bound, which stays where it is.
    assert tell(worker.change(closed=[second])).ages == {}


def test_ages_of_many_buckets_are_few_values(tell, worker):
    held = [worker.open(at=1e9 + n) for n in range(AGES_SIZE * BUCKET_SIZE + 1)]
    ages = Ages(tell(worker.full(held)).ages.items())
    assert [ages[n] for n in (0, 1, 64)] == [1e9, 1e9 + 63, 1e9 + 64 * 64 - 1]
    assert ages[65] == ages[1000] == 0.0


def test_ages_of_buckets_that_are_gone_are_removed(tell, worker):
    held = [worker.open(at=1e9 + n) for n in range(2 * AGES_SIZE * BUCKET_SIZE)]
    told = tell(worker.full(held)).ages
    assert told.keys() == {0, 1, 2}
    gone = [it for it in held if it.number < AGES_SIZE * BUCKET_SIZE]
    told = tell(worker.change(closed=gone[BUCKET_SIZE - 1 :])).ages
    assert told.keys() == {0}
    assert len(told[0]) == 16
    assert tell(worker.change(closed=gone)).ages == {0: b""}


# What another instance makes of what is kept.


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_ledger_that_is_read_is_the_one_that_was_written(data):
    worker, ledger = FakeWorker(), Ledger("1", 1)
    table, indexes, ages = b"", {}, {}
    now = 0.0
    report = worker.full([worker.open() for _ in range(data.draw(st.integers(0, 99)))])
    for _ in range(data.draw(st.integers(1, 5))):
        told = Told(ledger.sections(report, now, "project"))
        table = told.facts.get("p", table)
        indexes.update(told.indexes)
        ages.update(told.ages)
        for number in told.dropped:
            indexes.pop(number, None)
        held = [*worker.connections.values()]
        closed = held[: data.draw(st.integers(0, len(held)))]
        kinds = data.draw(st.lists(st.sampled_from("abc"), max_size=70))
        opened = [worker.open(kind, user=kind) for kind in kinds]
        report = worker.change(*opened, closed=closed)
        now += data.draw(st.floats(0, 10))
    stored = Ages((group, it) for group, it in ages.items() if it)
    read = Ledger.read(ledger.generation, ledger.sequence, table, indexes, stored)
    assert read.buckets == ledger.buckets
    assert read.typed_endpoints == ledger.typed_endpoints
    assert {*read.rotation} == ledger.buckets.keys()
    # A table that was read does not say when it was renewed: the next report renews it.
    renewed = Told(read.sections(worker.change(), now, "project")).renewed
    assert {*renewed} == ledger.buckets.keys()


def test_ledger_of_an_empty_worker_can_be_read():
    assert Ledger.read("1", 2, pack([]), {}, Ages(())).sequence == 2
