from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_socket_status.backends import process_locks
from django_socket_status.backends.process_locks import (
    ProcessLocks,
    close_process_locks,
    open_process_locks,
)
from django_socket_status.testing.harness import in_fork
from tests.backends.tools import open_files

pytestmark = pytest.mark.python

#: Another process: does what each line says, and answers with a line.
OTHER = """
import pathlib, sys
from django_socket_status.backends.process_locks import open_process_locks
locks = open_process_locks(pathlib.Path(sys.argv[1]))
for line in sys.stdin:
    method, worker_id = line.split()
    print(getattr(locks, method)(worker_id), flush=True)
"""


class Other:
    """Another process that has the same file open."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.kill()
        self.process.communicate()

    def tell(self, method: str, worker_id: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{method} {worker_id}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def may_live(self, worker_id: str) -> bool:
        return self.tell("may_live", worker_id) == "True"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "locks"
    path.touch()
    return path


@pytest.fixture
def locks(path: Path) -> Iterator[ProcessLocks]:
    locks = open_process_locks(path)
    yield locks
    close_process_locks(locks)


@pytest.fixture
def other(path: Path) -> Iterator[Other]:
    with Other(path) as other:
        yield other


def test_worker_lives_for_others_while_its_lock_is_held(
    locks: ProcessLocks, other: Other
) -> None:
    assert not other.may_live("a")
    assert locks.hold("a")
    assert other.may_live("a")
    assert not other.may_live("b")
    locks.release("a")
    assert not other.may_live("a")


def test_worker_lives_for_its_own_process(locks: ProcessLocks) -> None:
    locks.hold("a")
    assert locks.may_live("a")
    assert not locks.may_live("b")
    assert locks.holds_any
    locks.release("a")
    assert not locks.may_live("a")
    assert not locks.holds_any


def test_killed_process_lives_no_more(locks: ProcessLocks, other: Other) -> None:
    other.tell("hold", "b")
    assert locks.may_live("b")
    other.process.kill()
    other.process.wait()
    assert not locks.may_live("b")


def test_looking_takes_no_lock_away(locks: ProcessLocks, other: Other) -> None:
    locks.hold("a")
    for _ in range(3):
        assert locks.may_live("a")
        assert other.may_live("a")
    other.tell("hold", "b")
    for _ in range(3):
        assert locks.may_live("b")


def test_one_process_has_one_file_open(locks: ProcessLocks, path: Path) -> None:
    assert open_process_locks(path) is locks
    close_process_locks(locks)


def test_locks_last_until_the_last_use_is_closed(
    locks: ProcessLocks, other: Other, path: Path
) -> None:
    again = open_process_locks(path)
    again.hold("a")
    close_process_locks(again)
    assert other.may_live("a")


def test_all_locks_are_lost_when_the_file_is_closed(path: Path, other: Other) -> None:
    locks = open_process_locks(path)
    locks.hold("a")
    close_process_locks(locks)
    assert not other.may_live("a")
    locks = open_process_locks(path)
    assert not locks.may_live("a")
    close_process_locks(locks)


def test_file_that_is_missing_is_an_error_and_no_leak(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            open_process_locks(tmp_path / "missing")


def test_lock_is_had_although_somebody_looks_at_it(
    locks: ProcessLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    lockf = process_locks.fcntl.lockf
    refusals = [BlockingIOError(errno.EAGAIN, "busy"), OSError(errno.EACCES, "busy")]

    def busy(*args: object) -> None:
        if refusals:
            raise refusals.pop()
        lockf(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(process_locks.fcntl, "lockf", busy)
    assert locks.hold("a")


def test_who_looks_and_does_not_stop_is_reported(
    locks: ProcessLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "busy")

    monkeypatch.setattr(process_locks.fcntl, "lockf", busy)
    monkeypatch.setattr(process_locks, "ATTEMPT_SECONDS", 0.0)
    assert not locks.hold("a")
    assert not locks.holds_any


def test_file_system_without_locks_is_an_error(
    locks: ProcessLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(process_locks.fcntl, "lockf", refuse)
    with pytest.raises(OSError, match="No locks"):
        locks.hold("a")
    # Nobody can tell, so nobody is dead.
    assert locks.may_live("b")


def test_forked_child_has_none_of_them_and_takes_none_away(
    locks: ProcessLocks, other: Other, path: Path
) -> None:
    locks.hold("a")

    def look() -> None:
        process_locks.forget_after_fork()
        its_own = open_process_locks(path)
        assert its_own is not locks
        assert its_own.may_live("a")
        assert its_own.hold("child")
        close_process_locks(its_own)

    assert in_fork(look)
    assert other.may_live("a")
    assert not other.may_live("child")


def test_fork_leaves_no_file_open_in_the_child(locks: ProcessLocks, path: Path) -> None:
    def look() -> None:
        process_locks.forget_after_fork()
        assert str(path) not in open_files()

    assert in_fork(look)


def test_without_locks_the_lease_alone_tells(
    locks: ProcessLocks, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    monkeypatch.setattr(process_locks, "CAN_LOCK", False)
    assert locks.hold("a")
    assert locks.may_live("a")
    assert locks.may_live("b")
    locks.release("a")
    assert not other.may_live("a")


def test_offsets_are_within_what_a_file_may_hold() -> None:
    offsets = {process_locks._offset(f"worker{number}") for number in range(1000)}
    assert len(offsets) == 1000
    assert all(0 <= offset < 2**48 for offset in offsets)
