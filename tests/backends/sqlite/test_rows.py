from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite import rows as sqlite_rows
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from django_socket_status.testing.contract.harness import records_of

pytestmark = pytest.mark.python


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


@given(st.lists(st.integers(1, 400), max_size=400), st.integers(0, 400))
def test_closed_numbers_are_parted_into_ranges_that_hold_no_others(
    numbers: list[int], many: int
) -> None:
    closed = [*range(1000, 1000 + many), *numbers]
    ranges, others = sqlite_rows._parted(closed)
    covered = [it for first, last in ranges for it in range(first, last + 1)]
    assert sorted(covered + others) == sorted(set(closed))


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("at_once", [1, 7, 300])
def test_exactly_those_that_closed_are_gone(
    backend: SqliteBackend, worker: FakeWorker, step: int, at_once: int
) -> None:
    held = [worker.open() for _ in range(1000)]
    assert backend.report(worker.full(held))
    closed = held[100::step][:at_once]
    assert backend.report(worker.change(closed=closed))
    page = backend.get_connections(ConnectionQuery(limit=1000))
    assert {it.connection_id: it for it in page} == records_of(worker)
    assert len(page) == 1000 - len(closed)
    gone = {it.number for it in closed}
    left = [it for it in held if it.number not in gone]
    assert backend.report(worker.change(closed=left))
    assert len(backend.get_connections(ConnectionQuery())) == 0


def test_largest_batch_fits_the_parameters_that_old_sqlite_takes() -> None:
    columns = sqlite_rows.sql.CONNECTION_ROW.count("?")
    assert max(sqlite_rows.BATCHES) * columns <= 999


def test_separators_in_labels_do_no_harm(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    """Only callers that bypass the limits pass them."""
    hostile = {"a\x1fb\x1ec": "d\x1ee\x1ff", "room": "blue"}
    assert backend.report(worker.full([worker.open(labels=hostile)]))
    (found,) = backend.get_connections(ConnectionQuery())
    assert found.labels == {"a\ufffdb\ufffdc": "d\ufffde\ufffdf", "room": "blue"}
    for labels, number in (({"room": "blue"}, 1), (hostile, 1), ({"e": "f"}, 0)):
        assert len(backend.get_connections(ConnectionQuery(labels=labels))) == number
