from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import WARNING

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite import connection as sqlite_link
from django_socket_status.backends.sqlite import current as sqlite_current
from django_socket_status.backends.sqlite import liveness as process_locks
from django_socket_status.backends.sqlite.activity.layout import Layout
from django_socket_status.backends.sqlite.errors import ReplacedError
from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import Clock, FakeWorker
from tests.support.backends import generation_files, in_another_process, tell, total

pytestmark = pytest.mark.python

# The files are in doubt.


FILES = {
    "pointer": lambda name: name == "sockets",
    "database": lambda name: name.endswith(".db"),
    "locks": lambda name: name.endswith(".locks"),
    "guard": lambda name: name.endswith(".guard"),
}


COMBINATIONS = [
    kinds
    for number in range(1, len(FILES) + 1)
    for kinds in itertools.combinations(FILES, number)
]


def clean(path: Path, kinds: tuple[str, ...]) -> None:
    """Remove files as a cleaner of temporary directories does."""
    for file in list(path.parent.iterdir()):
        if any(FILES[kind](file.name) for kind in kinds):
            file.unlink()


@pytest.mark.parametrize("kinds", COMBINATIONS, ids="+".join)
def test_files_that_are_removed_come_back(
    backend: SqliteBackend,
    other: SqliteBackend,
    clock: Clock,
    path: Path,
    kinds: tuple[str, ...],
    warned: Callable[[], list[str]],
) -> None:
    one, two = FakeWorker("a"), FakeWorker("b")
    assert backend.report(one.full([one.open(user="7")]))
    assert other.report(two.full([two.open(user="8")]))
    assert total(other) == total(backend) == 2
    assert backend.read().complete
    clean(path, kinds)
    # The summary says that it is incomplete, whichever process reads first.
    snapshot = other.read()
    assert not snapshot.complete
    clock.advance(1.0)
    for _ in range(2):
        tell(backend, one)
        tell(other, two)
        assert total(other) == total(backend) == 2
        assert other.read().unique_users == 2
    clock.advance(4.5)
    tell(backend, one)
    tell(other, two)
    assert backend.read().complete
    assert len(list(path.parent.iterdir())) == 5
    assert not warned()


@pytest.mark.parametrize("kinds", COMBINATIONS, ids="+".join)
def test_files_that_were_removed_are_made_again(
    make: Callable[[], SqliteBackend],
    path: Path,
    kinds: tuple[str, ...],
    warned: Callable[[], list[str]],
) -> None:
    first = make()
    one = FakeWorker("a")
    assert first.report(one.full([one.open(user="7")]))
    first.close()
    clean(path, kinds)
    second = make()
    assert total(second) == 0
    two = FakeWorker("b")
    assert second.report(two.full([two.open()]))
    assert total(second) == 1
    tell(first, one)
    assert total(second) == 2
    assert not warned()


def test_directory_that_is_removed_comes_back(
    make: Callable[..., SqliteBackend], tmp_path: Path, worker: FakeWorker
) -> None:
    path = tmp_path / "place" / "sockets"
    path.parent.mkdir()
    backend = make(path=path)
    assert backend.report(worker.full([worker.open()]))
    assert total(backend) == 1
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    tell(backend, worker)
    assert total(backend) == 1


def test_file_that_is_only_touched_stays(
    backend: SqliteBackend, worker: FakeWorker, path: Path
) -> None:
    assert backend.report(worker.full([worker.open()]))
    before = generation_files(path)
    path.touch()
    os.utime(path, (1, 1))
    assert backend.report(worker.change())
    assert total(backend) == 1
    assert generation_files(path) == before


DAMAGE = {
    "emptied": "file.truncate(0)",
    "cut short": "file.truncate(5000)",
    "nonsense all over": "file.write(b'\\xa7' * size)",
    "nonsense at its start": "file.write(b'nonsense' * 20)",
    "zeros all over": "file.write(b'\\0' * size)",
    "nonsense after its start": "file.seek(100); file.write(b'\\xa7' * (size - 100))",
}


def damage(path: Path, how: str) -> None:
    in_another_process(
        f"""
import pathlib, sys
(path,) = pathlib.Path(sys.argv[1]).parent.glob("*.db")
size = path.stat().st_size
with path.open("r+b") as file:
    {DAMAGE[how]}
""",
        path,
    )


@pytest.mark.parametrize("how", DAMAGE)
def test_database_that_is_damaged_is_replaced(
    backend: SqliteBackend,
    other: SqliteBackend,
    clock: Clock,
    path: Path,
    how: str,
    warned: Callable[[], list[str]],
) -> None:
    one, two = FakeWorker("a"), FakeWorker("b")
    assert backend.report(one.full([one.open(user="7") for _ in range(300)]))
    assert other.report(two.full([two.open(user="8")]))
    assert total(backend) == 301
    damage(path, how)
    for _ in range(8):
        clock.advance(1.0)
        for backend_of, worker in ((backend, one), (other, two)):
            # A read may fail, and never tells of what is not there.
            with contextlib.suppress(ReplacedError):
                assert total(backend_of) in {0, 1, 300, 301}
            with contextlib.suppress(ReplacedError):
                backend_of.get_connections(ConnectionQuery(limit=1000))
            tell(backend_of, worker)
    assert total(backend) == total(other) == 301
    assert backend.read().unique_users == 2
    assert len(backend.get_connections(ConnectionQuery(limit=1000))) == 301
    messages = warned()
    assert len(messages) <= 2
    assert all("Nothing is lost" in message for message in messages)


def test_database_that_two_processes_replace_at_once_is_replaced_once(
    backend: SqliteBackend,
    other: SqliteBackend,
    path: Path,
    warned: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The slower one does not lose what was reported to the file of the faster one."""
    one, two = FakeWorker("a"), FakeWorker("b")
    assert backend.report(one.full([one.open()]))
    assert other.report(two.full([two.open()]))
    damage(path, "nonsense all over")
    create = Layout.create
    made: list[set[str]] = []

    def create_slowly(layout: Layout, at: Path, **given: Any) -> None:
        create(layout, at, **given)
        if not made:
            made.append(set())
            tell(other, two)
            made[0] = {it.name for it in path.parent.glob("*.db")} - {at.name}

    monkeypatch.setattr(Layout, "create", create_slowly)
    tell(backend, one)
    assert {it.name for it in path.parent.glob("*.db")} == made[0]
    assert total(backend) == total(other) == 2
    assert len(warned()) == 1


def test_error_is_not_hidden_by_the_undoing(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    """SQLite may have ended the transaction by itself."""
    assert backend.report(worker.full(()))
    with (
        pytest.raises(BackendUnusableError, match="disk is full"),
        backend._writer.transaction() as link,
    ):
        link.database.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")
    assert backend.report(worker.change())


def test_transaction_that_fails_leaves_nothing(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    assert backend.report(worker.full([worker.open()]))
    with pytest.raises(RuntimeError), backend._writer.transaction() as link:
        link.database.execute("DELETE FROM worker")
        raise RuntimeError
    assert total(backend) == 1


def test_what_sqlite_cannot_take_does_not_cost_the_others_their_file(
    backend: SqliteBackend, path: Path, worker: FakeWorker
) -> None:
    assert backend.report(worker.full([worker.open()]))
    before = generation_files(path)
    malformed = FakeWorker("b")
    no_type = malformed.open(None)  # type: ignore[arg-type]
    with pytest.raises(BackendError, match="NOT NULL"):
        backend.report(malformed.full([no_type]))
    no_text = malformed.open(user=object())  # type: ignore[arg-type]
    with pytest.raises(BackendError):
        backend.report(malformed.full([no_text]))
    assert generation_files(path) == before
    assert total(backend) == 1


def test_nothing_stays_open_when_files_are_replaced(
    backend: SqliteBackend, worker: FakeWorker, path: Path
) -> None:
    def use() -> None:
        tell(backend, worker)
        total(backend)
        backend.get_connections(ConnectionQuery())

    use()
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        path.unlink()
        use()
        for file in generation_files(path):
            file.unlink()
        use()
    assert len(os.listdir("/dev/fd")) == before
    assert len(process_locks._open_files) == 1


def test_attempts_that_fail_leave_nothing_open(
    make: Callable[..., SqliteBackend], tmp_path: Path, worker: FakeWorker
) -> None:
    (tmp_path / "file").touch()
    backend = make(path=tmp_path / "file" / "sockets")
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        for attempt in (lambda: backend.report(worker.full()), backend.read):
            with pytest.raises(BackendUnusableError):
                attempt()
    assert len(os.listdir("/dev/fd")) == before


def test_database_that_cannot_be_opened_leaves_nothing_open(
    backend: SqliteBackend, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite_link, "_connect", fail)
    for _ in range(2):
        with pytest.raises(BackendUnusableError, match="unable to open"):
            backend.report(worker.full())
        assert not process_locks._open_files


# Another process holds the lock.


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_link, "BUSY_SECONDS", 0.02)


@pytest.fixture
def frozen(
    impatient: None, backend: SqliteBackend, path: Path
) -> Iterator[sqlite3.Connection]:
    """Return a connection that holds the write lock."""
    assert backend.report(FakeWorker("frozen").full(()))
    (found,) = path.parent.glob("*.db")
    frozen = sqlite3.connect(found, isolation_level=None)
    frozen.execute("BEGIN IMMEDIATE")
    yield frozen
    frozen.close()


def test_file_is_replaced_when_no_writer_makes_progress(
    make: Callable[[], SqliteBackend],
    frozen: sqlite3.Connection,
    worker: FakeWorker,
    warned: Callable[[], list[str]],
) -> None:
    backend = make()
    with pytest.raises(BackendError, match="busy"):
        backend.report(worker.full([worker.open()]))
    assert total(backend) == 0
    assert backend.report(worker.full())
    assert total(backend) == 1
    (message,) = warned()
    assert "write lock does not go on" in message
    # The frozen process notices that when it continues.
    frozen.execute("COMMIT")


def test_file_is_not_replaced_while_others_get_on(
    make: Callable[[], SqliteBackend],
    frozen: sqlite3.Connection,
    worker: FakeWorker,
    path: Path,
    warned: Callable[[], list[str]],
) -> None:
    before = generation_files(path)
    backend = make()
    for _ in range(5):
        with pytest.raises(BackendError, match="busy"):
            backend.report(worker.full([worker.open()]))
        frozen.execute("UPDATE worker SET anonymous = anonymous + 1")
        frozen.execute("COMMIT")
        frozen.execute("BEGIN IMMEDIATE")
    frozen.execute("COMMIT")
    assert backend.report(worker.full())
    assert backend.report(worker.change())
    assert generation_files(path) == before
    assert not warned()


def test_success_in_between_resets_the_waiting(
    make: Callable[[], SqliteBackend],
    frozen: sqlite3.Connection,
    worker: FakeWorker,
    path: Path,
) -> None:
    before = generation_files(path)
    backend = make()
    for _ in range(3):
        with pytest.raises(BackendError, match="busy"):
            backend.report(worker.full())
        frozen.execute("ROLLBACK")
        assert backend.report(worker.full())
        frozen.execute("BEGIN IMMEDIATE")
    assert generation_files(path) == before


def test_worker_whose_lock_another_process_has_costs_the_others_nothing(
    backend: SqliteBackend,
    other: SqliteBackend,
    worker: FakeWorker,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert other.report(FakeWorker("b").full())
    before = generation_files(path)
    monkeypatch.setattr(process_locks.ProcessLocks, "_acquire", lambda *args: False)
    for _ in range(3):
        with pytest.raises(BackendError, match="Another process holds the lock of a"):
            backend.report(worker.full([worker.open()]))
    assert total(other) == 0
    assert generation_files(path) == before
    monkeypatch.undo()
    assert backend.report(worker.full())
    assert total(other) == 1


def test_readers_do_not_wait_for_a_writer(
    make: Callable[[], SqliteBackend], frozen: sqlite3.Connection
) -> None:
    assert len(make().read().workers) == 1


def test_summary_does_not_wait_for_a_search(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    assert backend.report(worker.full([worker.open()]))
    with backend._searcher.reading():
        assert total(backend) == 1
        assert backend.report(worker.change())


# Where nothing can be written.


def test_place_that_cannot_be_used_is_unusable_for_all(
    make: Callable[..., SqliteBackend], tmp_path: Path, worker: FakeWorker
) -> None:
    (tmp_path / "file").touch()
    backend = make(path=tmp_path / "file" / "sockets")
    for attempt in (
        lambda: backend.report(worker.full()),
        lambda: backend.report(worker.change()),
        lambda: backend.goodbye("a"),
        backend.read,
        lambda: backend.get_connections(ConnectionQuery()),
        lambda: backend.is_online("7"),
        backend.online_user_ids,
    ):
        with pytest.raises(BackendUnusableError, match=r"OPTIONS.*path"):
            attempt()
    (message,) = backend.check()
    assert message.level == WARNING
    assert message.id == "django_socket_status.W010"
    assert "is not a directory" in message.msg
    assert message.hint is not None
    assert "OPTIONS" in message.hint


def test_reader_of_a_file_that_no_worker_can_write_does_not_say_zero(
    make: Callable[..., SqliteBackend], tmp_path: Path
) -> None:
    backend = make(path=tmp_path / "missing" / "place" / "sockets")
    with pytest.raises(BackendUnusableError, match="place does not exist"):
        backend.read()


def test_check_makes_nothing(backend: SqliteBackend, path: Path) -> None:
    assert list(backend.check()) == []
    assert not list(path.parent.iterdir())


def test_reading_makes_nothing(backend: SqliteBackend, path: Path) -> None:
    assert total(backend) == 0
    backend.goodbye("unknown")
    assert not list(path.parent.iterdir())


def test_report_that_is_replaced_again_and_again_is_an_error(
    backend: SqliteBackend, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def replaced(**options: Any) -> Iterator[None]:
        raise ReplacedError("again")
        yield

    monkeypatch.setattr(backend._writer, "transaction", replaced)
    with pytest.raises(BackendError, match="does not last"):
        backend.report(worker.full())
    assert backend.report(worker.change()) is False


def test_file_that_is_always_being_replaced_is_an_error(
    backend: SqliteBackend, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(*args: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(sqlite_current, "Link", vanish)
    with pytest.raises(BackendError, match="being replaced"):
        backend.report(worker.full())
