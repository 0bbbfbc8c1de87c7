from __future__ import annotations

import errno
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from django_socket_status.backends.base import ENDPOINTS_SECONDS, BaseBackend
from django_socket_status.backends.sqlite import SqliteBackend, kernel_locks
from django_socket_status.backends.sqlite import workers as sqlite_workers
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import BackendContract, Clock, FakeWorker
from tests.support.backends import tell, total
from tests.support.model import run_model

pytestmark = pytest.mark.python


class TestContract(BackendContract):
    @pytest.fixture(autouse=True)
    def file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "sockets"

    def make_backend(self, clock: Clock) -> BaseBackend:
        return SqliteBackend(path=self.path, clock=clock, wall_clock=clock)


class TestContractWithoutLocks(TestContract):
    """As on Windows, where the lease alone tells who lives."""

    @pytest.fixture(autouse=True)
    def no_locks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kernel_locks, "CAN_LOCK", False)


class TestContractWithoutGuard(TestContract):
    """As on a file system without ``flock``, where SQLite's locks are the only ones."""

    @pytest.fixture(autouse=True)
    def no_guard(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(kernel_locks.fcntl, "flock", refuse)


def test_answers_are_those_of_a_plain_model(tmp_path: Path) -> None:
    numbers = itertools.count()

    def make_backend(clock: Clock) -> BaseBackend:
        return SqliteBackend(path=tmp_path / f"sockets{next(numbers)}", clock=clock)

    run_model(make_backend, examples=40)


# Who lives.


def test_report_during_a_read_is_not_of_another_boot(
    make: Callable[..., SqliteBackend], clock: Clock
) -> None:
    worker = FakeWorker("a")
    reporting = make()
    assert reporting.report(worker.full([worker.open()]))

    def clock_of_a_slow_reader() -> float:
        """Give the time, and run a report before it is used."""
        now = clock.now
        clock.advance(0.001)
        assert reporting.report(worker.change())
        return now

    assert total(make(clock=clock_of_a_slow_reader)) == 1


def test_boot_ends_every_lease(
    backend: SqliteBackend, clock: Clock, worker: FakeWorker
) -> None:
    """The clock starts again, and what was reported is of the future."""
    assert backend.report(worker.full([worker.open(user="7")]))
    clock.now = 3.0
    assert backend.read().workers == ()
    assert backend.read().unique_users == 0
    reborn = FakeWorker("b")
    assert backend.report(reborn.full([reborn.open(user="8")]))
    clock.advance(2.0)
    assert backend.report(reborn.change())
    assert [it.worker.worker_id for it in backend.read().workers] == ["b"]
    assert backend.read().unique_users == 1
    assert backend.read().complete


def test_no_user_is_offline_until_each_worker_reported_to_the_new_file(
    backend: SqliteBackend, clock: Clock, worker: FakeWorker, path: Path
) -> None:
    assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.get_connections(ConnectionQuery()).complete
    path.unlink()
    tell(backend, worker)
    assert backend.is_online("7")
    with pytest.raises(BackendError, match="reported again"):
        backend.is_online("8")
    with pytest.raises(BackendError, match="reported again"):
        backend.online_user_ids()
    assert not backend.get_connections(ConnectionQuery()).complete
    for _ in range(5):
        clock.advance(1.0)
        tell(backend, worker)
    assert not backend.is_online("8")
    assert backend.online_user_ids() == {"7"}
    assert backend.get_connections(ConnectionQuery()).complete


def test_page_is_not_complete_while_a_report_comes_in_pieces(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    held = [worker.open() for _ in range(2)]
    assert backend.report(worker.full(held[:1], complete=False))
    assert not backend.get_connections(ConnectionQuery()).complete
    assert backend.report(worker.change(*held[1:]))
    assert backend.get_connections(ConnectionQuery()).complete


def test_file_that_was_replaced_before_a_boot_is_not_incomplete_for_ever(
    backend: SqliteBackend, clock: Clock, worker: FakeWorker, path: Path
) -> None:
    assert backend.report(worker.full([worker.open()]))
    path.unlink()
    tell(backend, worker)
    assert not backend.read().complete
    clock.now = 3.0
    tell(backend, worker)
    assert backend.read().complete


def test_clock_on_the_wall_has_no_effect(
    backend: SqliteBackend, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backend.report(worker.full([worker.open()]))
    for instant in (0.0, 2e9):
        monkeypatch.setattr("time.time", lambda instant=instant: instant)
        assert backend.report(worker.change())
        assert total(backend) == 1


def test_worker_that_another_process_retired_reports_in_full(
    backend: SqliteBackend, other: SqliteBackend, clock: Clock, worker: FakeWorker
) -> None:
    assert backend.report(worker.full([worker.open(user="7")]))
    second = FakeWorker("b")
    assert other.report(second.full(()))
    clock.advance(6.0)
    assert other.report(second.full(()))
    assert total(backend) == 0
    assert not backend.report(worker.change(worker.open()))
    assert backend.report(worker.full())
    assert backend.report(worker.change(worker.open()))
    assert total(other) == 3
    assert len(other.get_connections(ConnectionQuery())) == 3


# What the dead left.


def rows(backend: SqliteBackend, table: str) -> int:
    with backend._writer.transaction() as link:
        found = link.database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return int(found[0])


def test_what_the_dead_left_is_removed_bit_by_bit(
    backend: SqliteBackend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_workers, "SWEEP_ROWS", 100)
    for number in range(3):
        dead = FakeWorker(f"dead{number}")
        held = [dead.open(user=str(n)) for n in range(100)]
        assert backend.report(dead.full(held))
    clock.advance(6.0)
    live = FakeWorker("live")
    assert backend.report(live.full([live.open(user="99"), live.open(user="100")]))
    left = []
    for _ in range(10):
        left.append((rows(backend, "presence") - 2, rows(backend, "connection") - 2))
        assert backend.read().unique_users == 2
        assert total(backend) == 2
        assert len(backend.get_connections(ConnectionQuery())) == 2
        clock.advance(1.0)
        assert backend.report(live.change())
    users_first = [(200, 300), (100, 300), (0, 300), (0, 200), (0, 100), (0, 0)]
    assert left[:6] == users_first
    assert rows(backend, "gone") == 0


def test_sweep_is_due_once_a_second(
    backend: SqliteBackend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_workers, "SWEEP_ROWS", 1)
    dead, live = FakeWorker("dead"), FakeWorker("live")
    assert backend.report(dead.full([dead.open() for _ in range(9)]))
    clock.advance(6.0)
    assert backend.report(live.full(()))
    for _ in range(5):
        assert backend.report(live.change())
        clock.advance(0.1)
    assert rows(backend, "connection") == 8


def test_every_process_sweeps(
    backend: SqliteBackend,
    other: SqliteBackend,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_workers, "SWEEP_ROWS", 10)
    dead, one, two = FakeWorker("dead"), FakeWorker("b"), FakeWorker("c")
    assert backend.report(dead.full([dead.open() for _ in range(50)]))
    clock.advance(6.0)
    assert backend.report(one.full(()))
    assert other.report(two.full(()))
    assert rows(backend, "connection") == 30


def test_full_reports_over_and_over_leave_nothing(
    backend: SqliteBackend, clock: Clock, worker: FakeWorker
) -> None:
    held = [worker.open(user=str(number)) for number in range(50)]
    for _ in range(20):
        assert backend.report(worker.full(held))
        assert backend.read().unique_users == 50
        clock.advance(1.0)
    assert backend.report(worker.change())
    assert rows(backend, "connection") == rows(backend, "presence") == 50
    assert rows(backend, "gone") <= 1


# Endpoints


def test_endpoints_are_kept_for_thirty_days(tmp_path, monkeypatch):
    backend = SqliteBackend(path=tmp_path / "status")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    backend.report_endpoints("old", 10.0)
    now += ENDPOINTS_SECONDS - 1
    assert backend.read_endpoints() == "old"
    now += 1
    assert backend.read_endpoints() is None
    backend.report_endpoints("older", 10 * ENDPOINTS_SECONDS)
    assert backend.read_endpoints() == "older"
    backend.close()


def test_clock_that_is_set_back_does_not_hold_old_endpoints(tmp_path, monkeypatch):
    backend = SqliteBackend(path=tmp_path / "status")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    backend.report_endpoints("old", 0.0)
    now -= 10_000
    backend.report_endpoints("new", 0.0)
    assert backend.read_endpoints() == "new"
    backend.close()


def test_status_file_without_a_table_of_endpoints_gets_one(tmp_path):
    """Workers of an older version made the file, and go on using it."""
    old, new = (SqliteBackend(path=tmp_path / "status") for _ in range(2))
    worker = FakeWorker("a")
    assert old.report(worker.full([worker.open()]))
    assert new.read_endpoints() is None
    new.report_endpoints("served", 0.0)
    assert old.report(worker.change(worker.open()))
    assert old.read().workers[0].total_sockets == 2
    assert new.read_endpoints() == "served"
    for backend in (old, new):
        backend.close()


def test_endpoints_that_are_damaged_are_none(tmp_path):
    backend = SqliteBackend(path=tmp_path / "status")
    backend.report_endpoints("served", 0.0)
    with backend._writer.transaction() as link:
        link.database.execute("UPDATE endpoints SET told_at = 'soon'")
    assert backend.read_endpoints() is None
    backend.report_endpoints("again", 0.0)
    assert backend.read_endpoints() == "again"
    backend.close()
