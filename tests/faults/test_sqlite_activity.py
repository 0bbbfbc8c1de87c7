"""Processes that write the activity file together are killed and frozen."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from django_socket_status.activity.stored import StoredTotals
from django_socket_status.backends.sqlite import SqliteBackend
from tests.faults.activity_process import LEASE_SECONDS, fold_once, number_of

pytestmark = pytest.mark.faults

ROUNDS = 8


class Process:
    """A process of ``activity_process.py``, and the lines that it prints."""

    def __init__(self, role: str, path: Path, worker_id: str, *limit: int) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.faults.activity_process",
                role,
                str(path),
                worker_id,
                *map(str, limit),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders = self._process.stdin
        self._lines = self._process.stdout

    def read(self, number: int) -> list[str]:
        """Wait for so many lines."""
        found = [self._lines.readline().strip() for _ in range(number)]
        assert all(found), "it ended"
        return found

    def ask(self, number: int) -> list[str]:
        """Have it report so many times."""
        self._orders.write("\n" * number)
        self._orders.flush()
        return self.read(number)

    def send(self, signum: signal.Signals) -> None:
        os.kill(self._process.pid, signum)

    def kill(self) -> list[str]:
        """Kill it, and return what it had printed since the last read."""
        self._process.kill()
        return self.wait()

    def wait(self) -> list[str]:
        """Return what it prints until it ends."""
        lines = self._lines.read().split("\n")
        self._process.wait()
        self._orders.close()
        self._lines.close()
        return [line for line in lines if line]

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._orders.close()
        self._lines.close()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "run").mkdir()
    with contextlib.ExitStack() as started:

        def start(role: str, worker_id: str, *limit: int) -> Process:
            process = Process(role, tmp_path / "run" / "sockets", worker_id, *limit)
            started.callback(process.end)
            return process

        yield start


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    backend = SqliteBackend(path=tmp_path / "run" / "sockets")
    yield backend
    backend.close()


def read(backend: SqliteBackend) -> StoredTotals:
    totals = backend.read_totals()
    assert totals is not None
    return totals


def total(totals: StoredTotals) -> int:
    return number_of(totals.base) + sum(number_of(it.text) for it in totals.counts)


def test_totals_are_right_after_workers_and_folds_are_killed_in_mid_write(
    start: Start, backend: SqliteBackend, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(14)
    acknowledged = 0
    last, epochs = 0, set()
    for number in range(ROUNDS):
        worker = start("count", f"w{number}")
        lines = worker.read(chance.randrange(1, 30))
        folder = start("fold", "folder")
        folder.read(1)
        time.sleep(chance.random() * 0.02)
        lines += worker.kill()
        acknowledged += int(lines[-1])
        time.sleep(chance.random() * 0.02)
        assert folder.kill() == []
        totals = read(backend)
        epochs.add(totals.epoch)
        # A killed worker may not have read the last acknowledgement.
        assert acknowledged <= total(totals) <= acknowledged + number + 1
        assert last <= total(totals)
        last = total(totals)
    while read(backend).counts:
        fold_once(backend)
    assert total(read(backend)) == last
    assert len(epochs) == 1
    assert caplog.records == []


def test_two_processes_lose_no_report_while_files_are_copied(
    start: Start, backend: SqliteBackend
) -> None:
    """A copy in a process makes it lose SQLite's own locks."""
    processes = [start("copy", f"w{number}", 150) for number in range(2)]
    for process in processes:
        assert process.wait() == [str(number) for number in range(1, 151)]
    totals = read(backend)
    assert [(it.worker_id, number_of(it.text)) for it in totals.counts] == [
        ("w0", 150),
        ("w1", 150),
    ]
    assert not any(it.is_live for it in totals.counts)
    texts = [it.text for it in backend.read_ended("closed")]
    for worker in ("w0", "w1"):
        mine = [text for text in texts if text.startswith(f"{worker} ")]
        assert mine == [f"{worker} {number}" for number in range(150, 0, -1)]


def test_worker_that_was_frozen_and_folded_counts_nothing_twice(
    start: Start, backend: SqliteBackend
) -> None:
    worker = start("ask", "frozen")
    for number in (10, 20, 30):
        assert worker.ask(10)[-1] == str(number)
        worker.send(signal.SIGSTOP)
        deadline = time.monotonic() + 60
        while any(it.is_live for it in read(backend).counts):
            assert time.monotonic() < deadline
            time.sleep(LEASE_SECONDS / 10)
        assert total(read(backend)) == number
        while read(backend).counts:
            assert time.monotonic() < deadline
            fold_once(backend)
        assert total(read(backend)) == number
        worker.send(signal.SIGCONT)
    assert worker.ask(10)[-1] == "40"
    totals = read(backend)
    assert total(totals) == 40
    assert [(it.count_number, number_of(it.text)) for it in totals.counts] == [(4, 10)]
