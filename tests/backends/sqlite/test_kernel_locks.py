"""One writer or many readers, by a lock that no other open and close can end."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from django_socket_status.backends.sqlite import SqliteBackend, kernel_locks
from django_socket_status.backends.sqlite.generation import remove_leftovers
from django_socket_status.backends.sqlite.kernel_locks import Guard
from django_socket_status.exceptions import BackendError
from django_socket_status.testing import FakeWorker
from tests.support.backends import in_another_process, total

pytestmark = pytest.mark.python


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "guard"
    file.touch()
    return file


@pytest.fixture
def open_guard(file: Path) -> Iterator[Callable[[], Guard]]:
    opened: list[Guard] = []

    def open_guard() -> Guard:
        opened.append(Guard(file))
        return opened[-1]

    yield open_guard
    for guard in opened:
        guard.close()


def may(guard: Guard, *, exclusive: bool) -> bool:
    return guard.acquire(exclusive=exclusive, seconds=0.0)


def test_many_may_read(open_guard: Callable[[], Guard]) -> None:
    one, two = open_guard(), open_guard()
    assert may(one, exclusive=False)
    assert may(two, exclusive=False)


def test_writer_is_alone(open_guard: Callable[[], Guard]) -> None:
    one, two = open_guard(), open_guard()
    assert may(one, exclusive=True)
    assert not may(two, exclusive=True)
    assert not may(two, exclusive=False)
    one.release()
    assert may(two, exclusive=False)
    assert not may(one, exclusive=True)
    two.release()
    assert may(one, exclusive=True)


def test_waiting_ends_when_the_lock_is_free(
    open_guard: Callable[[], Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = open_guard(), open_guard()
    assert may(one, exclusive=True)
    monkeypatch.setattr("time.sleep", lambda seconds: one.release())
    assert two.acquire(exclusive=True, seconds=60.0)


def test_lock_outlives_another_open_and_close(
    open_guard: Callable[[], Guard], file: Path, tmp_path: Path
) -> None:
    """A record lock, as SQLite's, is lost by this."""
    assert may(open_guard(), exclusive=True)
    file.read_bytes()
    shutil.copy(file, tmp_path / "copy")
    assert not may(open_guard(), exclusive=False)
    assert (
        subprocess.run([sys.executable, "-c", TRY, file], check=False).returncode == 3
    )


TRY = """
import fcntl, sys
with open(sys.argv[1]) as file:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(3)
"""


def test_descriptor_that_the_host_closed_is_opened_again(
    open_guard: Callable[[], Guard],
) -> None:
    one, two = open_guard(), open_guard()
    os.close(one._file)
    other_file = os.open(os.devnull, os.O_RDONLY)
    assert other_file == one._file
    assert may(one, exclusive=True)
    assert not may(two, exclusive=False)
    one.close()
    os.fstat(other_file)
    os.close(other_file)


def test_file_system_that_has_no_such_lock_has_those_of_sqlite(
    open_guard: Callable[[], Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    guard = open_guard()
    monkeypatch.setattr(kernel_locks.fcntl, "flock", refuse)
    assert may(guard, exclusive=True)
    guard.release()


def test_without_fcntl_sqlite_locks_alone(
    open_guard: Callable[[], Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    one, two = open_guard(), open_guard()
    monkeypatch.setattr(kernel_locks, "CAN_LOCK", False)
    assert may(one, exclusive=True)
    assert may(two, exclusive=True)
    one.release()


# What a transaction does with it.


def test_reader_never_sees_half_of_what_another_process_writes(
    backend: SqliteBackend,
    other: SqliteBackend,
    worker: FakeWorker,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where SQLite's own locks are lost, and a writer has spilled its cache."""
    assert backend.report(worker.full([worker.open()]))
    assert total(other) == 1
    (database,) = path.parent.glob("*.db")
    monkeypatch.setattr(
        "django_socket_status.backends.sqlite.connection.BUSY_SECONDS", 0.01
    )
    with pytest.raises(RuntimeError), backend._writer.transaction() as link:
        link.database.execute("PRAGMA cache_size=5")
        link.database.execute("DELETE FROM worker")
        link.database.execute("CREATE TABLE much (text)")
        link.database.executemany(
            "INSERT INTO much VALUES (?)", [("x" * 3000,) for _ in range(100)]
        )
        database.read_bytes()
        with pytest.raises(BackendError, match="busy"):
            other.read()
        raise RuntimeError
    assert total(other) == 1


KILLED = """
import os, sys
import django
django.setup()
from django_socket_status.backends.sqlite import SqliteBackend
backend = SqliteBackend(path=sys.argv[1])
with backend._writer.transaction() as link:
    # Some of the transaction is in the file already.
    link.database.execute("PRAGMA cache_size=5")
    link.database.execute("DELETE FROM worker")
    link.database.execute("CREATE TABLE much (text)")
    for _ in range(100):
        link.database.execute("INSERT INTO much VALUES (?)", ("x" * 3000,))
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("replaced", [False, True], ids=["going on", "replaced"])
def test_process_that_is_killed_in_the_middle_of_a_commit_leaves_no_trace(
    backend: SqliteBackend,
    other: SqliteBackend,
    worker: FakeWorker,
    path: Path,
    replaced: bool,
) -> None:
    assert backend.report(worker.full([worker.open(user="7")]))
    result = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert result.returncode == -9
    (journal,) = path.parent.glob("*.db-journal")
    assert journal.stat().st_size > 0
    if replaced:
        # The journal of one generation is never undone in another one.
        path.unlink()
        assert not backend.report(worker.change())
        assert backend.report(worker.full())
    assert total(other) == 1
    assert other.is_online("7")
    with other._reader.reading() as link:
        assert link is not None
        assert link.database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_no_file_is_mapped_into_memory(
    backend: SqliteBackend, worker: FakeWorker, path: Path
) -> None:
    """A process that uses a mapped file is killed when another cuts it short."""
    assert backend.report(worker.full([worker.open()]))
    assert total(backend) == 1
    assert not list(path.parent.glob("*-shm"))
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(path) not in maps.read_text()


@pytest.mark.parametrize("kind", ["db", "db-journal", "locks", "guard"])
def test_file_that_is_cut_short_is_never_read_as_truth(
    backend: SqliteBackend, worker: FakeWorker, path: Path, kind: str
) -> None:
    assert backend.report(worker.full([worker.open(user="7")]))
    assert total(backend) == 1
    (file,) = path.parent.glob(f"*.{kind}")
    in_another_process("import os, sys; os.truncate(sys.argv[1], 0)", file)
    try:
        assert total(backend) == 1
    except BackendError:
        assert kind == "db"
    if not backend.report(worker.change()):
        assert backend.report(worker.full())
    assert total(backend) == 1


# Readers that do not end.


def test_frozen_reader_delays_no_other_process(
    backend: SqliteBackend,
    other: SqliteBackend,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    warned: Callable[[], list[str]],
) -> None:
    monkeypatch.setattr(
        "django_socket_status.backends.sqlite.connection.BUSY_SECONDS", 0.02
    )
    one, two = FakeWorker("a"), FakeWorker("b")
    assert backend.report(one.full([one.open(user="7")]))
    assert other.report(two.full([two.open(user="8") for _ in range(3)]))
    frozen = SqliteBackend(path=path, clock=backend._clock)
    with frozen._reader.reading() as link:
        assert link is not None
        # No report fails or has to say everything again.
        assert backend.report(one.change(one.open(user="9")))
        assert other.report(two.change())
        for asked in (backend, other):
            assert total(asked) == 5
            assert asked.read().unique_users == 3
        # It sees what was true when it began.
        assert link.database.execute("SELECT COUNT(*) FROM worker").fetchone() == (2,)
    assert total(frozen) == 5
    frozen.close()
    assert not warned()


def test_generation_that_a_slow_reader_uses_is_removed_later(
    backend: SqliteBackend,
    other: SqliteBackend,
    worker: FakeWorker,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "django_socket_status.backends.sqlite.connection.BUSY_SECONDS", 0.02
    )
    assert backend.report(worker.full([worker.open()]))
    before = set(path.parent.glob("sockets-*"))
    with other._reader.reading():
        assert backend.report(worker.change())
    assert {it for it in before if it.exists()}
    monkeypatch.setattr(
        "django_socket_status.backends.sqlite.generation.LEFTOVER_SECONDS", -1.0
    )
    generation = backend._file.current()
    assert generation is not None
    remove_leftovers(path, generation)
    assert not {it for it in before if it.exists()}
    assert total(other) == 1


# Workers of earlier versions.


def make_generation_of_an_earlier_version(path: Path) -> None:
    generation = SqliteBackend(path=path)._file._generation("0123456789abcdef")
    in_another_process(
        """
import pathlib, sqlite3, sys
from django_socket_status.backends.sqlite import schema as sql
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.executescript(sql.SCHEMA)
database.execute(sql.ADD_TALLY, (0.0, False))
pathlib.Path(sys.argv[2]).touch()
""",
        generation.database,
        generation.locks,
    )
    path.write_bytes(b"django-socket-status 1 0123456789abcdef\n")


def test_file_with_shared_memory_is_replaced(
    backend: SqliteBackend, worker: FakeWorker, path: Path
) -> None:
    """A worker of the version that made it goes on in the new one."""
    make_generation_of_an_earlier_version(path)
    assert backend.report(worker.full([worker.open()]))
    assert total(backend) == 1
    # Others have yet to report again.
    assert not backend.read().complete
    assert not list(path.parent.glob("*0123456789abcdef*"))


def test_transaction_of_an_earlier_version_is_waited_for(
    backend: SqliteBackend,
    worker: FakeWorker,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has SQLite's own locks, and no other."""
    monkeypatch.setattr(
        "django_socket_status.backends.sqlite.connection.BUSY_SECONDS", 0.02
    )
    assert backend.report(worker.full([worker.open()]))
    (database,) = path.parent.glob("*.db")
    earlier = sqlite3.connect(database, isolation_level=None)
    earlier.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendError, match="busy"):
        backend.report(worker.change())
    assert total(backend) == 1
    earlier.execute("COMMIT")
    earlier.close()
    assert backend.report(worker.full())


def test_move_does_not_wait_without_end_for_an_earlier_version(
    backend: SqliteBackend,
    worker: FakeWorker,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker of it is frozen in a commit, while a reader of ours is frozen too."""
    monkeypatch.setattr(
        "django_socket_status.backends.sqlite.connection.BUSY_SECONDS", 0.02
    )
    assert backend.report(worker.full([worker.open()]))
    backend._writer.close()
    (database,) = path.parent.glob("*.db")
    (file,) = path.parent.glob("*.guard")
    assert backend.report(worker.full())
    reader = Guard(file)
    assert may(reader, exclusive=False)
    earlier = sqlite3.connect(database, isolation_level=None)
    earlier.execute("BEGIN EXCLUSIVE")
    with pytest.raises(BackendError, match="busy"):
        backend.report(worker.change())
    earlier.execute("COMMIT")
    earlier.close()
    reader.close()
    assert backend.report(worker.full())
