from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from django_socket_status.backends.sqlite import SqliteBackend, fork_safety
from django_socket_status.backends.sqlite.liveness import ProcessLocks
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from django_socket_status.testing.contract.harness import in_fork
from tests.support.backends import generation_files, open_files, tell, total

pytestmark = pytest.mark.python


def test_no_open_file_is_carried_across_a_fork(
    backend: SqliteBackend, worker: FakeWorker, path: Path
) -> None:
    assert backend.report(worker.full([worker.open()]))
    assert total(backend) == 1
    backend.get_connections(ConnectionQuery())

    def look() -> None:
        assert not any(file.startswith(str(path)) for file in open_files())

    assert in_fork(look)
    assert backend.report(worker.change())


def test_worker_lives_on_while_its_process_forks(
    backend: SqliteBackend, worker: FakeWorker
) -> None:
    """The database is closed for the fork; the locks are not."""
    assert backend.report(worker.full([worker.open(user="7")]))

    def look() -> None:
        backend.forget_after_fork()
        assert total(backend) == 1

    for _ in range(3):
        assert in_fork(look)
    assert backend.report(worker.change())
    assert total(backend) == 1


def test_locks_are_never_let_go_of_for_a_fork(
    backend: SqliteBackend, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even for a moment: a reader would take the worker for dead."""
    assert backend.report(worker.full([worker.open(user="7")]))
    assert in_fork(lambda: None)
    with monkeypatch.context() as patched:
        patched.setattr(ProcessLocks, "close", lambda self: pytest.fail("closed"))
        assert backend.report(worker.change())


def test_child_of_a_fork_in_the_middle_of_a_report_starts_a_file_of_its_own(
    backend: SqliteBackend, worker: FakeWorker, path: Path
) -> None:
    """It would share locks that it does not have."""
    assert backend.report(worker.full([worker.open()]))
    before = generation_files(path)

    def report() -> None:
        backend.forget_after_fork()
        child = FakeWorker("child")
        assert backend.report(child.full([child.open()]))
        assert not set(before) & set(generation_files(path))

    with backend._writer.transaction():
        assert in_fork_of_another_thread(report)
    tell(backend, worker)
    assert total(backend) == 1


def in_fork_of_another_thread(serve: Callable[[], None]) -> bool:
    result = []

    def fork() -> None:
        with warnings.catch_warnings():
            # That is what is tested.
            warnings.simplefilter("ignore", DeprecationWarning)
            result.append(in_fork(serve))

    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    return result[0]


END = """
import django, sys
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_socket_status"])
django.setup()
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
backend = SqliteBackend(path=sys.argv[1])
worker = FakeWorker("a")
assert backend.report(worker.full([worker.open()]))
assert backend.read().workers
assert len(backend.get_connections(ConnectionQuery())) == 1
{end}
"""


@pytest.mark.parametrize(
    "end",
    [
        "",
        "backend.goodbye('a')",
        # As the reporter does: at the end of the process, after ours.
        "import atexit; atexit.register(backend.goodbye, 'a')",
        "raise SystemExit(0)",
    ],
)
def test_process_ends_with_nothing_open(path: Path, end: str) -> None:
    """Python 3.13 warns of a database that was not closed."""
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", END.format(end=end), path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_last_goodbye_closes_the_file(
    backend: SqliteBackend, worker: FakeWorker, path: Path
) -> None:
    other = FakeWorker("b")
    assert backend.report(worker.full(()))
    assert backend.report(other.full(()))
    backend.goodbye("a")
    assert backend._writer._current.link is not None
    backend.goodbye("b")
    assert backend._writer._current.link is None
    assert backend.report(worker.full(()))


def test_fork_waits_for_a_search_outside_of_a_handle():
    """A child that inherits SQLite's own locks locked can open no file."""
    lock = fork_safety.GuardedLock()
    with lock:
        assert not lock.pause(0)
    assert lock.pause(0)
    assert not lock.pause(0)
    lock.resume()
    assert lock.pause(0)
    lock.forget()
    with lock:
        pass


def test_searches_of_labels_are_guarded(backend):
    assert backend._copying in fork_safety._handles
