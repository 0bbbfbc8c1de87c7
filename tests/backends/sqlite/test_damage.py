"""Damaged rows never appear in an answer."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.support.backends import tell


@pytest.fixture
def workers(backend):
    """Return the workers ``a``, to be damaged, and ``b``."""
    workers = {name: FakeWorker(name) for name in "ab"}
    for worker in workers.values():
        opened = [worker.open(user=worker.worker.worker_id)]
        assert backend.report(worker.full(opened))
    return workers


@pytest.fixture
def damage(path, workers):
    """Return what runs a statement on the file, past the backend."""

    def damage(statement, *values):
        (file,) = path.parent.glob("*.db")
        with contextlib.closing(sqlite3.connect(file)) as database, database:
            database.execute(statement, values)

    return damage


COLUMNS = [
    ("counts", '{"call": "many"}'),
    ("counts", '{"call": NaN}'),
    ("counts", '{"call": Infinity}'),
    ("counts", '{"call": -1}'),
    ("counts", '{"call": 1.5}'),
    ("counts", '{"call": true}'),
    ("counts", '{"call": null}'),
    ("counts", f'{{"call": {2**60}}}'),
    ("counts", '["call"]'),
    ("counts", "7"),
    ("counts", "something else"),
    ("counts", ""),
    pytest.param("counts", "[" * 100_000, id="counts-deep"),
    ("anonymous", -1),
    ("anonymous", "many"),
    ("anonymous", 1.5),
    ("identity", "something else"),
    ("identity", "7"),
    ("identity", '["host", "7", "", "2026-11-30T00:00:00+00:00"]'),
    ("identity", '["host", 7, "", "2026-11-30T00:00:00"]'),
    ("identity", '["host", 7, "", "today"]'),
    ("identity", '[7, 7, "", "2026-11-30T00:00:00+00:00"]'),
    ("complete", 2),
    ("complete", "yes"),
    ("worker_id", b"\xff"),
    ("reported_at", "now"),
    ("lease", "long"),
]


@pytest.mark.parametrize(("column", "value"), COLUMNS, ids=repr)
def test_damaged_worker_is_left_out_until_it_reports(
    backend, damage, workers, clock, warned, column, value
):
    damage(f"UPDATE worker SET {column} = ? WHERE worker_id = 'a'", value)
    snapshot = backend.read()
    assert [it.worker.worker_id for it in snapshot.workers] == ["b"]
    assert not snapshot.complete
    page = backend.get_connections(ConnectionQuery())
    assert {it.worker_id for it in page} == {"b"}
    assert not page.complete
    assert backend.is_online("b")
    with pytest.raises(BackendError, match="damaged"):
        backend.is_online("a")
    with pytest.raises(BackendError, match="damaged"):
        backend.online_user_ids()
    clock.advance(1.0)
    for worker in (*workers.values(), *workers.values()):
        tell(backend, worker)
    snapshot = backend.read()
    assert {it.worker.worker_id for it in snapshot.workers} == {"a", "b"}
    assert snapshot.complete
    assert backend.is_online("a")
    assert not warned(), "the file was replaced"


def test_damaged_worker_that_is_gone_is_forgotten(backend, damage, workers, clock):
    damage("UPDATE worker SET counts = 'x', lease = 'x' WHERE worker_id = 'a'")
    assert not backend.read().complete
    clock.advance(1.0)
    tell(backend, workers["b"])
    assert backend.read().complete
    assert not backend.is_online("a")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("number", -1),
        ("type", b"call"),
        ("endpoint", b"/"),
        ("user", b"7"),
        ("labels", b"x"),
        ("opened_at", "now"),
        ("opened_at", -1.0),
        ("opened_at", 1e300),
        ("opened_at", float("inf")),
    ],
    ids=repr,
)
def test_damaged_connection_is_left_out_and_admitted(backend, damage, column, value):
    worker = "(SELECT key FROM worker WHERE worker_id = 'a')"
    damage(f"UPDATE connection SET {column} = ? WHERE worker = {worker}", value)
    page = backend.get_connections(ConnectionQuery())
    assert {it.worker_id for it in page} == {"b"}
    assert not page.complete


@pytest.mark.parametrize(
    ("column", "value"), [("user", b"7"), ("worker", "one"), ("worker", b"1")]
)
def test_damaged_user_is_no_answer_and_the_file_is_replaced(
    backend, damage, workers, column, value
):
    damage(f"UPDATE presence SET {column} = ? WHERE user = 'a'", value)
    for ask in (lambda: backend.is_online("a"), backend.online_user_ids):
        with pytest.raises(BackendError):
            ask()
    for worker in workers.values():
        tell(backend, worker)
    assert backend.is_online("a")


def test_connection_of_a_damaged_worker_is_no_answer(backend, damage):
    damage("UPDATE connection SET worker = 'one' WHERE user = 'a'")
    with pytest.raises(BackendError):
        backend.get_connections(ConnectionQuery(labels={"room": "a"}))
    assert not backend.get_connections(ConnectionQuery()).complete


@pytest.mark.parametrize(
    ("column", "value", "query"),
    [
        ("type", b"call", ConnectionQuery(type="call")),
        ("user", b"a", ConnectionQuery(user_id="a")),
        ("labels", b"x", ConnectionQuery(labels={"room": "a"})),
        ("labels", "x", ConnectionQuery(labels={"room": "a"})),
    ],
    ids=repr,
)
def test_damaged_connection_may_be_one_that_is_searched(
    backend, damage, column, value, query
):
    damage(f"UPDATE connection SET {column} = ? WHERE user = 'a'", value)
    page = backend.get_connections(query)
    assert "a" not in {it.worker_id for it in page}
    assert not page.complete


@pytest.mark.parametrize("value", ["many", -1, 1.5])
def test_no_report_makes_a_number_of_a_damaged_tally(
    backend, damage, workers, clock, value
):
    damage("UPDATE tally SET users = ?", value)
    worker = workers["a"]
    assert not backend.report(worker.change(worker.open(user="c")))
    for worker in workers.values():
        assert backend.report(worker.full())
    clock.advance(4.9)
    assert backend.read().unique_users == 3


@pytest.mark.parametrize(
    ("column", "value"),
    [("users", "many"), ("users", -1), ("users", 1.5), ("made_at", "now")],
)
def test_damaged_tally_is_replaced(backend, damage, workers, clock, column, value):
    damage(f"UPDATE tally SET {column} = ?", value)
    with pytest.raises(BackendError):
        backend.read()
    for worker in workers.values():
        assert backend.report(worker.full())
    clock.advance(4.9)
    assert not backend.read().complete
    assert backend.read().unique_users == 2
