from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator

import pytest

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite import search as sqlite_search
from django_socket_status.backends.sqlite.workers import workers
from django_socket_status.records import ConnectionQuery, Cursor
from django_socket_status.testing import Clock, FakeWorker
from tests.support.backends import database_of, total

pytestmark = pytest.mark.python


@contextlib.contextmanager
def steps(database: sqlite3.Connection) -> Iterator[list[int]]:
    """Count the steps of SQLite's virtual machine."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    database.set_progress_handler(count, 1)
    try:
        yield counted
    finally:
        database.set_progress_handler(None, 1)


@contextlib.contextmanager
def statements(database: sqlite3.Connection) -> Iterator[list[str]]:
    """Gather the statements that are executed, with their parameters in them."""
    found: list[str] = []
    database.set_trace_callback(found.append)
    try:
        yield found
    finally:
        database.set_trace_callback(None)


def plan(database: sqlite3.Connection, statement: str, *values: object) -> str:
    rows = database.execute(f"EXPLAIN QUERY PLAN {statement}", values)
    return "\n".join(row[3] for row in rows)


MANY = 1_000_000


def hold_many(backend: SqliteBackend, worker: FakeWorker, number: int) -> None:
    """Have a worker hold this many connections, without making each of them."""
    assert backend.report(worker.full([worker.open("call", user="7")]))
    with backend._writer.transaction() as link:
        link.database.execute(
            """
            WITH RECURSIVE numbers (n) AS
                (VALUES (1000) UNION ALL SELECT n + 1 FROM numbers LIMIT ?)
            INSERT INTO connection
            SELECT 1, n, CASE n % 10 WHEN 0 THEN 'chat' ELSE 'call' END, '/ws/',
                CASE n % 10 WHEN 1 THEN '7' ELSE NULL END, '', 1000000.0 + n
            FROM numbers
            """,
            (number,),
        )
        counts = f'{{"call": {number - number // 10 + 1}, "chat": {number // 10}}}'
        link.database.execute("UPDATE worker SET counts = ?", (counts,))


@pytest.fixture(scope="module")
def few_and_many(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[SqliteBackend, SqliteBackend]]:
    """Return two backends, one of a million connections. Their clock stands still."""
    directory = tmp_path_factory.mktemp("held")
    few, many = (
        SqliteBackend(path=directory / name, clock=Clock()) for name in ("few", "many")
    )
    hold_many(few, FakeWorker("a"), 10)
    hold_many(many, FakeWorker("a"), MANY)
    assert total(few) == 11
    assert total(many) == MANY + 1
    yield few, many
    few.close()
    many.close()
    shutil.rmtree(directory)


def test_summary_looks_at_no_connection(backend: SqliteBackend) -> None:
    read = set()

    def note(action: int, table: str | None, *rest: object) -> int:
        if action == sqlite3.SQLITE_READ:
            read.add(table)
        return sqlite3.SQLITE_OK

    hold_many(backend, FakeWorker("a"), 10)
    assert total(backend) == 11
    database_of(backend._reader).set_authorizer(note)
    assert total(backend) == 11
    assert read == {"worker", "gone", "tally"}


#: A cursor in the middle of the million.
PLACE = Cursor(1_000_000.0 + MANY // 2, "a", 0)

#: What is answered from the handle of the summary, beside a search that takes long.
QUICK = {"summary", "is_online"}

QUESTIONS: dict[str, Callable[[SqliteBackend], object]] = {
    "summary": lambda backend: backend.read(),
    "is_online": lambda backend: backend.is_online("7"),
    "online_user_ids": lambda backend: backend.online_user_ids(),
    "first page": lambda backend: backend.get_connections(ConnectionQuery(limit=5)),
    "first page of a type": lambda backend: backend.get_connections(
        ConnectionQuery(type="call", limit=5)
    ),
    "page after a cursor": lambda backend: backend.get_connections(
        ConnectionQuery(limit=5, after=PLACE)
    ),
    "page of a type after a cursor": lambda backend: backend.get_connections(
        ConnectionQuery(type="call", limit=5, after=PLACE)
    ),
    "page of a type without connections": lambda backend: backend.get_connections(
        ConnectionQuery(type="unknown", limit=5)
    ),
    "oldest of each type": lambda backend: backend.oldest_by_type(["call", "none"]),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_cost_does_not_depend_on_the_number_of_connections(
    few_and_many, question: str
) -> None:
    cost = []
    for backend in few_and_many:
        handle = backend._reader if question in QUICK else backend._searcher
        QUESTIONS[question](backend)
        with steps(database_of(handle)) as counted:
            QUESTIONS[question](backend)
        cost.append(counted[0])
    few, many = cost
    assert 0 < many <= few + 20


def test_report_costs_what_it_carries(few_and_many) -> None:
    cost = []
    for backend in few_and_many:
        worker = FakeWorker("a")
        worker.sequence, worker._number = 1, 2 * MANY
        more = [worker.open(user="7") for _ in range(30)]
        with steps(database_of(backend._writer)) as counted:
            assert backend.report(worker.change(*more))
            assert backend.report(worker.change(closed=more))
            assert backend.report(worker.change())
        cost.append(counted[0])
    few, many = cost
    assert many <= few * 1.05


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (ConnectionQuery(), "connection_age"),
        (ConnectionQuery(after=PLACE), "connection_age (opened_at<?)"),
        (ConnectionQuery(type="chat"), "connection_type"),
        (
            ConnectionQuery(type="chat", after=PLACE),
            "connection_type (type=? AND opened_at<?)",
        ),
        (ConnectionQuery(type="chat", labels={"room": "7"}), "connection_type"),
        (ConnectionQuery(user_id="7"), "connection_user"),
        (
            ConnectionQuery(user_id="7", after=PLACE),
            "connection_user (user=? AND opened_at<?)",
        ),
        (ConnectionQuery(user_id="7", labels={"room": "7"}), "connection_user"),
    ],
)
def test_page_comes_in_the_order_of_an_index(
    backend: SqliteBackend, query: ConnectionQuery, index: str
) -> None:
    hold_many(backend, FakeWorker("a"), 1000)
    with backend._searcher.reading() as link:
        assert link is not None
        live = workers(link, backend._clock)[0]
        reading, values = sqlite_search.page_statement(query, live)
        found = plan(link.database, reading, *values)
    assert re.search(f"USING (COVERING )?INDEX {re.escape(index)}", found)
    # Connections that opened at the same instant are sorted, and no others.
    assert "TEMP B-TREE FOR ORDER BY" not in found


def test_page_of_a_label_reads_the_rows_in_their_own_order(backend) -> None:
    """An index would lead to each row by a search of its own: five times as much."""
    hold_many(backend, FakeWorker("a"), 1000)
    with backend._searcher.reading() as link:
        assert link is not None
        live = workers(link, backend._clock)[0]
        query = ConnectionQuery(labels={"room": "7"}, after=PLACE)
        reading, values = sqlite_search.page_statement(query, live)
        found = plan(link.database, reading, *values)
    assert "SCAN connection" in found
    assert "USING INDEX connection" not in found


def test_statements_of_a_report_use_the_keys(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    """No part of it looks through a table, except for those of workers."""
    held = [worker.open(user=str(number)) for number in range(60)]
    assert backend.report(worker.full(()))
    database = database_of(backend._writer)
    with statements(database) as executed:
        assert backend.report(worker.change(*held))
        assert backend.report(worker.change(closed=held))
        assert backend.report(worker.change())
    changes = [it for it in executed if re.match("(UPDATE|DELETE|SELECT)", it)]
    assert len(changes) > 20
    for statement in set(changes):
        assert not re.search("SCAN (connection|presence)", plan(database, statement))


def test_many_rows_are_few_statements(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    assert backend.report(worker.full(()))
    with statements(database_of(backend._writer)) as executed:
        assert backend.report(worker.change(*(worker.open() for _ in range(250))))
    # Two of a hundred rows, and five of ten.
    assert sum("INTO connection" in it for it in executed) == 2 + 5


def test_users_are_counted_in_a_limited_number_of_rows(backend, worker, monkeypatch):
    held = [worker.open("call", user=str(it)) for it in range(20)]
    rare = [worker.open("rare", user="9"), worker.open("rare")]
    assert backend.report(worker.full([*held, *rare]))
    types = ["none", "rare", "call"]
    exact = {"rare": (1, True), "call": (20, True)}
    assert backend.users_by_type(types) == exact
    monkeypatch.setattr(sqlite_search, "USERS_LOOKED_AT", 10)
    found = backend.users_by_type(types)
    # The one with the fewest connections first: it leaves the rest to the other.
    assert found == {"rare": (1, True), "call": (9, False)}
    assert backend.report(worker.full([*held, *rare], complete=False))
    assert backend.users_by_type(types) == {}


def test_oldest_is_not_known_while_connections_are_reported(backend, worker):
    held = [worker.open("call", at=1e9 + it) for it in range(3)]
    assert backend.report(worker.full(held))
    assert backend.oldest_by_type(["call"]) == {"call": 1e9}
    assert backend.report(worker.change(closed=[held[0]]))
    assert backend.oldest_by_type(["call"]) == {"call": 1e9 + 1}
    assert backend.report(worker.full(held, complete=False))
    assert backend.oldest_by_type(["call"]) == {}
