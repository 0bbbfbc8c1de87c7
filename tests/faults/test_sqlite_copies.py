"""The directory is copied again and again while workers report and readers ask.

To copy a file is to open and close it, and a process that does so loses its record
locks on it: SQLite's too.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite import connection as sqlite_link
from django_socket_status.backends.sqlite.errors import ReplacedError
from django_socket_status.testing import FakeWorker

pytestmark = pytest.mark.faults

PROCESSES = 4
SECONDS = 4.0
#: For others that write, and are slow, but go on.
PATIENT_SECONDS = 20.0


def contradictions(database: sqlite3.Connection) -> list[object]:
    """Return what in a view of the file contradicts something else in it."""
    found: list[object] = []
    (known,) = database.execute("SELECT users FROM tally").fetchone()
    counting = "SELECT COUNT(DISTINCT user) FROM presence"
    if database.execute(counting).fetchone() != (known,):
        found.append(("users", known))
    grouped = "SELECT worker, COUNT(*) FROM connection GROUP BY worker"
    rows = dict(database.execute(grouped).fetchall())
    for key, counts in database.execute("SELECT key, counts FROM worker").fetchall():
        if sum(json.loads(counts).values()) != rows.get(key, 0):
            found.append(("connections", counts, rows.get(key, 0)))
    return found


def copy_until(stop: threading.Event, path: Path, number: int) -> None:
    target = path.parent.with_name(f"copy{number}")
    while not stop.is_set():
        # Each file of it; those that go meanwhile are none of our business.
        shutil.rmtree(target, ignore_errors=True)
        try:
            shutil.copytree(path.parent, target)
        except (OSError, shutil.Error):
            continue


def work(number: int, path: Path, answers: Any) -> None:
    """Report and ask for a while, with a thread that copies the directory."""
    sqlite_link.BUSY_SECONDS = PATIENT_SECONDS
    stop = threading.Event()
    copying = threading.Thread(target=copy_until, args=(stop, path, number))
    copying.start()
    backend, worker = SqliteBackend(path=path), FakeWorker(f"w{number}")
    chance, held = random.Random(number), list[Any]()
    asked, wrong = 0, list[object]()
    until = time.monotonic() + SECONDS
    try:
        backend.report(worker.full(held))
        while time.monotonic() < until or not asked:
            opened = [
                worker.open(user=str(chance.randrange(200)), labels={"room": "x" * 50})
                for _ in range(chance.randrange(30))
            ]
            closed = [held.pop() for _ in range(min(len(held), chance.randrange(30)))]
            held += opened
            if not backend.report(worker.change(*opened, closed=closed)):
                backend.report(worker.full(held))
            with backend._reader.reading() as link:
                assert link is not None
                asked += 1
                wrong += contradictions(link.database)
    except ReplacedError as error:
        wrong.append(str(error))
    finally:
        stop.set()
        copying.join()
        backend.close()
        answers.put((asked, wrong))


def test_copying_the_directory_under_load_makes_no_answer_wrong(tmp_path: Path) -> None:
    path = tmp_path / "place" / "sockets"
    path.parent.mkdir()
    spawning = multiprocessing.get_context("spawn")
    answers = spawning.Queue()
    processes = [
        spawning.Process(target=work, args=(number, path, answers))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    # With shared memory, SQLite cut it short under the others: SIGBUS.
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    for _ in processes:
        asked, wrong = answers.get(timeout=10)
        assert asked
        assert not wrong
    answers.close()
    (database,) = path.parent.glob("*.db")
    found = sqlite3.connect(database)
    assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found.close()
