"""Several processes, one status file: killed, frozen, going on."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite import connection as sqlite_link
from django_socket_status.testing import FakeWorker
from tests.faults.workers import Worker, wait_until

pytestmark = pytest.mark.faults

Start = Callable[..., Worker]

#: For others that write, and are slow, but go on.
PATIENT_SECONDS = 20.0


def test_every_process_gives_the_same_right_answer(start: Start) -> None:
    workers = [start() for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.ask("open", number=number + 1, user="7")
        worker.ask("open")
    for worker in workers:
        wait_until(lambda worker=worker: worker.total == 14)
        summary = worker.ask("summary")
        assert summary["workers"] == 4
        assert summary["unique_users"] == 1
        assert summary["anonymous_sockets"] == 4
        assert summary["coverage"] == "host"
    assert len({tuple(worker.ask("ids")) for worker in workers}) == 1
    for number, worker in enumerate(workers):
        worker.ask("close", number=number + 2)
    for worker in workers:
        wait_until(lambda worker=worker: worker.total == 0)
        assert worker.ask("warnings") == []


def test_process_that_only_reads_sees_the_same(start: Start) -> None:
    worker, reader = start(), start()
    worker.ask("open", number=3, user="7")
    worker.ask("flush")
    assert reader.total == 3
    assert len(reader.ask("ids")) == 3


def test_processes_that_write_at_once_lose_nothing(start: Start, path: Path) -> None:
    workers = [start(busy_seconds=PATIENT_SECONDS) for _ in range(4)]
    for worker in workers:
        worker.ask("open")
        worker.ask("flush")
    before = set(path.parent.iterdir())
    for worker in workers:
        worker.tell("churn", number=100)
    for worker in workers:
        worker.answer()
    for worker in workers:
        assert worker.total == 404
        assert worker.ask("warnings") == []
    assert set(path.parent.iterdir()) == before


def test_killed_process_is_out_at_the_next_read(start: Start) -> None:
    """Well before its lease: that has thirty seconds here."""
    killed, other = start(), start()
    for worker in (killed, other):
        worker.ask("open", number=5, user="7")
        worker.ask("flush")
    assert other.total == 10
    killed.kill()
    summary = other.ask("summary")
    assert (summary["total_sockets"], summary["workers"]) == (5, 1)
    assert not summary["stale"]
    assert len(other.ask("ids")) == 5
    # And one that has no socket and no status file open yet sees it, too.
    assert start().total == 5


def test_process_that_is_killed_while_it_writes_takes_nothing_along(
    start: Start, path: Path
) -> None:
    other = start(busy_seconds=PATIENT_SECONDS)
    other.ask("open", number=5)
    other.ask("flush")
    before = set(path.parent.iterdir())
    for _ in range(5):
        killed = start(busy_seconds=PATIENT_SECONDS)
        killed.tell("churn", number=100_000)
        wait_until(lambda: other.seen > 20)
        killed.kill()
        assert other.total == 5
        other.ask("churn", number=1)
        other.ask("close")
        assert other.total == 5
    assert other.ask("warnings") == []
    assert set(path.parent.iterdir()) == before


@pytest.mark.parametrize("has_ofd", [True, False], ids=["", "record locks"])
def test_process_that_reads_its_lock_file_is_back_within_a_heartbeat(
    start: Start, has_ofd: bool
) -> None:
    """POSIX drops its record locks; it must neither be left out nor let go of others.

    Where the kernel has other locks, no answer is ever without it.
    """
    reading, other = start(has_ofd=has_ofd), start(has_ofd=has_ofd)
    for worker in (reading, other):
        worker.ask("open", number=3, user="7")
        worker.ask("flush")
    wait_until(lambda: len(other.ask("ids")) == 6)
    before = other.ask("ids")
    for _ in range(3):
        reading.ask("read_files", pattern="*.locks")
        if has_ofd and sys.platform == "linux":
            assert other.total == 6
        wait_until(lambda: other.total == 6)
        assert reading.total == 6
    assert other.ask("ids") == before
    assert reading.ask("warnings") == other.ask("warnings") == []


def test_user_of_a_killed_process_is_gone_with_it(start: Start) -> None:
    killed, other = start(), start()
    killed.ask("open", user="7")
    killed.ask("open", user="8")
    killed.ask("flush")
    other.ask("open", user="8")
    assert other.ask("summary")["unique_users"] == 2
    killed.kill()
    assert other.ask("summary")["unique_users"] == 1


def test_process_that_ends_says_goodbye(start: Start) -> None:
    leaving, other = start(), start()
    leaving.ask("open", number=5)
    leaving.ask("flush")
    leaving.stop()
    assert other.total == 0


def test_frozen_process_leaves_within_its_lease_and_comes_back(start: Start) -> None:
    frozen, other = start(LEASE_SECONDS=4.0), start()
    for worker in (frozen, other):
        worker.ask("open", number=3, user="7")
        worker.ask("flush")
    wait_until(lambda: len(other.ask("ids")) == 6)
    before = other.ask("ids")
    frozen.tell("freeze_between_reports")
    frozen.wait_until_frozen()
    wait_until(
        lambda: other.total == 3,
        lambda: f"{other.ask('summary')}, after {other.ask('warnings')}",
    )
    # It is swept, as well.
    wait_until(lambda: workers_in_the_file(other.path) == 1)
    frozen.signal(signal.SIGCONT)
    frozen.answer()
    wait_until(lambda: other.total == 6)
    wait_until(lambda: other.ask("ids") == before)
    assert frozen.ask("warnings") == other.ask("warnings") == []


def workers_in_the_file(path: Path) -> int:
    backend = SqliteBackend(path=path)
    try:
        with backend._reader.reading() as link:
            assert link is not None
            found = link.database.execute("SELECT COUNT(*) FROM worker").fetchone()
            return int(found[0])
    finally:
        backend.close()


def test_others_go_on_while_a_process_is_frozen_in_a_report(start: Start) -> None:
    frozen, one, two = start(), start(), start()
    for worker in (frozen, one, two):
        worker.ask("open", number=2)
        worker.ask("flush")
    before = sorted(one.ask("ids"))
    assert len(before) == 6
    frozen.tell("freeze_while_writing")
    frozen.wait_until_frozen()
    one.ask("open", number=10)
    two.ask("open", number=10)
    wait_until(lambda: one.seen == 24)
    wait_until(lambda: two.seen == 24)
    messages = one.ask("warnings") + two.ask("warnings")
    assert any("does not go on" in message for message in messages)
    assert all("Traceback" not in message for message in messages)
    frozen.signal(signal.SIGCONT)
    frozen.answer()
    wait_until(lambda: one.seen == 26)
    assert set(before) <= set(one.ask("ids"))
    wait_until(lambda: frozen.seen == 26)


def test_reports_go_on_while_a_process_is_frozen_in_a_read(start: Start) -> None:
    frozen, other = start(LEASE_SECONDS=4.0), start()
    for worker in (frozen, other):
        worker.ask("open")
        worker.ask("flush")
    frozen.tell("freeze_while_reading")
    frozen.wait_until_frozen()
    other.ask("open", number=3)
    wait_until(lambda: other.total == 4)
    frozen.signal(signal.SIGCONT)
    frozen.answer()
    wait_until(lambda: frozen.total == 5)
    assert frozen.ask("warnings") == other.ask("warnings") == []


ROUNDS = 100


def make_first(number: int, barrier: Any, directory: Path, found: Any) -> None:
    """Report to a status file at the same moment as others, in many rounds."""
    sqlite_link.BUSY_SECONDS = PATIENT_SECONDS
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("django_socket_status").addHandler(handler)
    for attempt in range(ROUNDS):
        backend = SqliteBackend(path=directory / f"sockets{attempt}")
        worker = FakeWorker(f"worker{number}", lease_seconds=60.0)
        barrier.wait()
        assert backend.report(worker.full([worker.open()]))
        barrier.wait()
        snapshot = backend.read()
        found.put((len(snapshot.workers), snapshot.complete, tuple(said)))
        barrier.wait()
        backend.close()


def test_processes_that_make_the_first_file_at_once_agree(tmp_path: Path) -> None:
    spawning = multiprocessing.get_context("spawn")
    barrier, found = spawning.Barrier(2), spawning.Queue()
    processes = [
        spawning.Process(target=make_first, args=(number, barrier, tmp_path, found))
        for number in range(2)
    ]
    for process in processes:
        process.start()
    answers = [found.get(timeout=60) for _ in range(2 * ROUNDS)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    found.close()
    assert set(answers) == {(2, True, ())}
