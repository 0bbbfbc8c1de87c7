from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from django_socket_status.backends.sqlite import kernel_locks
from django_socket_status.backends.sqlite import liveness as process_locks
from django_socket_status.backends.sqlite.liveness import (
    ProcessLocks,
    close_process_locks,
    open_process_locks,
)
from django_socket_status.testing.contract.harness import in_fork
from tests.support.backends import open_files
from tests.support.forking import Forked

pytestmark = pytest.mark.python

#: Another process: does what each line says, and answers with a line.
OTHER = """
import pathlib, sys
from django_socket_status.backends.sqlite import kernel_locks
from django_socket_status.backends.sqlite import liveness as process_locks
kernel_locks.MAY_HAVE_OFD &= sys.argv[2] == "open file"
locks = process_locks.open_process_locks(pathlib.Path(sys.argv[1]))
for line in sys.stdin:
    method, worker_id = line.split()
    print(getattr(locks, method)(worker_id), flush=True)
"""

#: Record locks are also what workers of the first versions hold and look at.
KINDS = ["open file", "record"]


class Other:
    """Another process that has the same file open."""

    def __init__(self, path: Path, kind: str) -> None:
        its_in, asked = os.pipe()
        told, its_out = os.pipe()
        self._asked, self._told = os.fdopen(asked, "w"), os.fdopen(told)
        self.process = Forked(
            OTHER,
            str(path),
            kind,
            env=os.environ,
            streams=(its_in, its_out, 2),
        )
        os.close(its_in)
        os.close(its_out)

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        self._told.close()
        # What was not written has no reader.
        with contextlib.suppress(BrokenPipeError):
            self._asked.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def tell(self, method: str, worker_id: str) -> str:
        self._asked.write(f"{method} {worker_id}\n")
        self._asked.flush()
        return self._told.readline().strip()

    def may_live(self, worker_id: str) -> bool:
        return self.tell("may_live", worker_id) == "True"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "locks"
    path.touch()
    return path


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return which kind of locks this process uses."""
    may_have = kernel_locks.MAY_HAVE_OFD and request.param == "open file"
    monkeypatch.setattr(kernel_locks, "MAY_HAVE_OFD", may_have)
    return str(request.param)


@pytest.fixture
def locks(path: Path, kind: str) -> Iterator[ProcessLocks]:
    locks = open_process_locks(path)
    yield locks
    close_process_locks(locks)


@pytest.fixture
def other(path: Path, kind: str) -> Iterator[Other]:
    with Other(path, kind) as other:
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


@pytest.mark.parametrize("others_kind", KINDS)
def test_workers_see_each_other_whatever_kind_each_has(
    locks: ProcessLocks, path: Path, others_kind: str
) -> None:
    with Other(path, others_kind) as other:
        assert locks.hold("a")
        assert other.tell("hold", "b") == "True"
        for _ in range(2):
            assert other.may_live("a") and locks.may_live("b")
            assert not other.may_live("c") and not locks.may_live("c")
        assert other.tell("hold", "c") == "True"
        locks.release("a")
        assert not other.may_live("a")
        other.kill()
        assert not locks.may_live("b")


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
    other.kill()
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


def test_lock_is_of_the_right_kind(locks: ProcessLocks, kind: str) -> None:
    has_ofd = kind == "open file" and sys.platform == "linux"
    expected = kernel_locks.OpenFileLocks if has_ofd else kernel_locks.RecordLocks
    assert type(locks._kernel) is expected


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EPERM, errno.ENOSYS])
def test_kernel_without_open_file_locks_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """As some that imitate Linux: the command is not known, or not allowed."""

    def refuse(*args: object) -> bool:
        raise OSError(error, "refused")

    monkeypatch.setattr(kernel_locks, "MAY_HAVE_OFD", True)
    monkeypatch.setattr(kernel_locks.OpenFileLocks, "is_taken", refuse)
    locks = open_process_locks(path)
    assert type(locks._kernel) is kernel_locks.RecordLocks
    close_process_locks(locks)


class Refusing(kernel_locks.RecordLocks):
    """A kernel that refuses a lock, as often as it has errors for it."""

    def __init__(self, *errors: OSError, forever: bool = False) -> None:
        self.errors = list(errors)
        self.forever = forever

    def take(self, file: int, offset: int) -> None:
        if self.errors:
            raise self.errors[0] if self.forever else self.errors.pop()

    def is_taken(self, file: int, offset: int) -> bool:
        raise self.errors[0]


def test_lock_is_taken_although_a_reader_looks_at_it(locks: ProcessLocks) -> None:
    busy = BlockingIOError(errno.EAGAIN, "busy"), OSError(errno.EACCES, "busy")
    locks._kernel = Refusing(*busy)
    assert locks.hold("a")


def test_reader_that_does_not_stop_looking_is_reported(
    locks: ProcessLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks._kernel = Refusing(BlockingIOError(errno.EAGAIN, "busy"), forever=True)
    monkeypatch.setattr(process_locks, "ATTEMPT_SECONDS", 0.0)
    assert not locks.hold("a")
    assert not locks.holds_any


def test_file_system_without_locks_is_an_error(locks: ProcessLocks) -> None:
    none = OSError(errno.ENOLCK, "No locks available")
    locks._kernel = Refusing(none, forever=True)
    with pytest.raises(OSError, match="No locks"):
        locks.hold("a")
    # Nothing can be told, so every worker may live.
    assert locks.may_live("b")


def test_lock_is_back_at_the_next_report_after_the_file_was_opened_and_closed(
    locks: ProcessLocks, other: Other, path: Path, kind: str
) -> None:
    """As a copy of the directory does; POSIX drops record locks then."""
    locks.hold("a")
    path.read_bytes()
    if isinstance(locks._kernel, kernel_locks.OpenFileLocks):
        assert other.may_live("a")
    assert locks.hold("a")
    assert other.may_live("a")


def put_another_file_at(file: int, path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    if opened != file:
        os.dup2(opened, file)
        os.close(opened)


@pytest.mark.parametrize("reused", [False, True], ids=["closed", "of another file"])
def test_lock_is_back_after_other_code_closed_the_descriptor(
    locks: ProcessLocks, other: Other, path: Path, tmp_path: Path, reused: bool
) -> None:
    """As a daemon does at its start, with all of them."""
    locks.hold("a")
    assert other.tell("hold", "b") == "True"
    file = locks._file
    os.close(file)
    if reused:
        put_another_file_at(file, tmp_path)
    assert locks.may_live("b")
    assert not locks.may_live("c")
    assert locks.hold("a")
    assert other.may_live("a")


def test_descriptor_that_other_code_closed_is_not_closed_again(
    path: Path, tmp_path: Path
) -> None:
    locks = open_process_locks(path)
    file = locks._file
    os.close(file)
    put_another_file_at(file, tmp_path)
    close_process_locks(locks)
    os.close(file)


def test_file_that_was_replaced_meanwhile_is_an_error(path: Path) -> None:
    locks = open_process_locks(path)
    kept = path.with_name("kept")
    os.close(locks._file)
    path.rename(kept)
    path.touch()
    with pytest.raises(FileNotFoundError):
        locks.hold("a")
    assert locks.may_live("b")
    close_process_locks(locks)


def test_two_spellings_of_a_path_are_one_file(
    locks: ProcessLocks, other: Other, path: Path
) -> None:
    (path.parent / "link").symlink_to(path.parent)
    for spelling in (path.parent / "link" / path.name, path.parent / "." / path.name):
        again = open_process_locks(spelling)
        assert again is locks
        assert again.hold("a")
        close_process_locks(again)
        assert other.may_live("a")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has record locks only")
def test_two_copies_of_the_package_leave_each_other_their_locks(path: Path) -> None:
    """As two interpreters of one process have them, or a vendored copy."""
    spec = importlib.util.find_spec(process_locks.__name__)
    assert spec is not None and spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    locks, its_own = open_process_locks(path), copy.open_process_locks(path)
    assert locks.hold("a") and its_own.hold("b")
    assert locks.may_live("b") and its_own.may_live("a")
    copy.close_process_locks(its_own)
    with Other(path, "record") as other:
        assert other.may_live("a")
        assert not locks.may_live("b") and not other.may_live("b")
    close_process_locks(locks)


def make_link(path: Path) -> None:
    path.with_name("elsewhere").touch()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("make", [make_link, os.mkfifo, Path.mkdir])
def test_only_a_regular_file_is_opened(
    path: Path, make: Callable[[Path], None]
) -> None:
    """Root opens it in the directory of another user, who may have put it there."""
    path.unlink()
    make(path)
    before = open_files()
    with pytest.raises(OSError, match="not a regular file"):
        open_process_locks(path)
    assert open_files() == before


def test_child_that_lives_on_does_not_keep_a_worker_alive(
    locks: ProcessLocks, path: Path
) -> None:
    """A lock of ``flock`` would: a worker forked the child, and was killed."""
    script = """
import os, pathlib, subprocess, sys, time
from django_socket_status.backends.sqlite import kernel_locks
from django_socket_status.backends.sqlite import liveness as process_locks
from django_socket_status.backends.sqlite import fork_safety as sqlite_forks
kernel_locks.MAY_HAVE_OFD &= sys.argv[2] == "open file"
locks = process_locks.open_process_locks(pathlib.Path(sys.argv[1]))
locks.hold("b")
pid = os.fork()
if pid:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    print(pid, subprocess.Popen(sleep, close_fds=False).pid, flush=True)
time.sleep(60)
"""
    kind = "open file" if kernel_locks.MAY_HAVE_OFD else "record"
    command = [sys.executable, "-c", script, str(path), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        children = [int(pid) for pid in process.stdout.readline().split()]
        try:
            assert locks.may_live("b")
            process.kill()
            process.wait()
            assert not locks.may_live("b")
        finally:
            for pid in children:
                os.kill(pid, signal.SIGKILL)


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
    monkeypatch.setattr(kernel_locks, "CAN_LOCK", False)
    assert locks.hold("a")
    assert locks.may_live("a")
    assert locks.may_live("b")
    locks.release("a")
    assert not other.may_live("a")


def test_offsets_are_within_what_a_file_may_hold() -> None:
    offsets = {process_locks._offset(f"worker{number}") for number in range(1000)}
    assert len(offsets) == 1000
    assert all(0 <= offset < 2**48 for offset in offsets)
