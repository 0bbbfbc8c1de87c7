from __future__ import annotations

import pytest

from django_socket_status.backends import sqlite_rows
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker


@pytest.mark.parametrize("number", [1, 9, 10, 11, 99, 100, 101, 215])
def test_rows_are_written_whatever_their_number(
    backend: SqliteBackend, worker: FakeWorker, number: int
) -> None:
    """Many with one statement, and the rest one by one."""
    held = [worker.open(user=str(n), labels={"room": str(n)}) for n in range(number)]
    assert backend.report(worker.full(held))
    page = backend.get_connections(ConnectionQuery(limit=1000))
    assert {it.labels["room"] for it in page} == set(map(str, range(number)))
    assert set(backend.online_user_ids()) == worker.users
    assert backend.report(worker.change(closed=held[1:]))
    assert len(backend.get_connections(ConnectionQuery())) == 1
    assert backend.online_user_ids() == {"0"}


def test_largest_batch_fits_the_parameters_that_old_sqlite_takes() -> None:
    columns = sqlite_rows.sql.OPEN_ROW.count("?")
    assert max(sqlite_rows.BATCHES) * columns <= 999


def test_separators_in_labels_do_no_harm(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    """Nobody who keeps to the bounds lets them through."""
    hostile = {"a\x1fb\x1ec": "d\x1ee\x1ff", "room": "blue"}
    assert backend.report(worker.full([worker.open(labels=hostile)]))
    (found,) = backend.get_connections(ConnectionQuery())
    assert found.labels == {"a\ufffdb\ufffdc": "d\ufffde\ufffdf", "room": "blue"}
    for labels, number in (({"room": "blue"}, 1), (hostile, 1), ({"e": "f"}, 0)):
        assert len(backend.get_connections(ConnectionQuery(labels=labels))) == number
