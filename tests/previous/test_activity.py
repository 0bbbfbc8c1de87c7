"""What a new worker keeps beside old ones, which know nothing of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_socket_status.activity.stored import (
    Activity,
    Bucket,
    Command,
    CountTotals,
    Entries,
    ReportAnswer,
)
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.testing import FakeWorker
from django_socket_status.testing.contract.harness import in_fork
from tests.previous.test_rollout import (
    DEADLINE_SECONDS,
    LEASE_SECONDS,
    OF_THE_OLD,
    Process,
    old_code,
    unzip,
)

__all__ = ["old_code", "unzip"]

pytestmark = pytest.mark.faults

Start = Callable[[], Process]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "status"


@pytest.fixture
def start_old(path: Path, old_code: Path) -> Iterator[Start]:
    """Return what starts a process of an old version on the same status file."""
    settings: dict[str, Any] = {
        "BACKEND": "django_socket_status.backends.sqlite.SqliteBackend",
        "OPTIONS": {"path": str(path)},
        "CACHE_SECONDS": 0.0,
        "HEARTBEAT_SECONDS": 0.1,
        "LEASE_SECONDS": LEASE_SECONDS,
    }
    with contextlib.ExitStack() as started:

        def start() -> Process:
            process = Process(old_code, settings)
            started.callback(process.stop)
            return process

        yield start


@pytest.fixture
def make(path: Path) -> Iterator[Callable[[], SqliteBackend]]:
    with contextlib.ExitStack() as made:

        def make() -> SqliteBackend:
            backend = SqliteBackend(path=path)
            made.callback(backend.close)
            return backend

        yield make


def activity(text: str, *, new: bool = False, stops: bool = False) -> Activity:
    return Activity(
        totals=CountTotals(1, new, text),
        closed=Entries(f"closed {text}", 1),
        condition="fine",
        results={"drain": "done"},
        can_sample=True,
        stops=stops,
    )


def labelled(worker: FakeWorker) -> Any:
    return worker.open(labels={"room": "blue"})


def total(process: Process) -> int:
    """Return how many sockets a process knows; -1 if it cannot read now."""
    answers = process.ask("answers")
    return -1 if "error" in answers else int(answers["summary"]["total_sockets"])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def rows(backend: SqliteBackend) -> set[str]:
    """Return the ids of workers that have a row in the status file."""
    with backend._reader.reading() as link:
        assert link is not None
        found = link.database.execute("SELECT worker_id FROM worker")
        return {row[0] for row in found}


@pytest.mark.parametrize("first", ["old", "new"])
def test_old_worker_reads_and_reports_beside_one_with_activity(
    start_old: Start, make: Callable[[], SqliteBackend], first: str
) -> None:
    backend, worker = make(), FakeWorker("new", lease_seconds=60.0)
    if first == "new":
        assert backend.exchange(worker.full(activity=activity("1", new=True))).is_taken
    old = start_old()
    old.open(OF_THE_OLD)
    backend.give_command(Command("drain", "text", 60.0))
    report = worker.full([labelled(worker)], activity=activity("1", new=True))
    assert [it.text for it in backend.exchange(report).commands] == ["text"]
    wait_until(lambda: total(old) == 3)
    old.close_last()
    wait_until(lambda: total(old) == 2)
    assert backend.exchange(worker.change(activity=activity("2"))).is_taken
    totals = backend.read_totals()
    assert totals is not None
    assert [(it.text, it.is_live) for it in totals.counts] == [("2", True)]
    assert dict(backend.read_commands()[0].results) == {"new": "done"}
    assert backend.read_conditions() == {"new": "fine"}
    assert len(backend.read_ended("closed")) >= 2
    assert backend.read().complete
    assert old.warnings() == []


def test_counters_of_a_killed_worker_are_folded_after_an_old_one_removed_it(
    start_old: Start, make: Callable[[], SqliteBackend]
) -> None:
    old = start_old()
    old.open(OF_THE_OLD)
    backend, killed = make(), FakeWorker("killed", lease_seconds=60.0)

    def report_and_die() -> None:
        backend.forget_after_fork()
        report = killed.full([killed.open()], activity=activity("7", new=True))
        assert backend.exchange(report).is_taken

    assert in_fork(report_and_die)
    wait_until(lambda: "killed" not in rows(backend))
    totals = backend.read_totals()
    assert totals is not None
    assert [(it.text, it.is_live) for it in totals.counts] == [("7", False)]
    # The old worker removed them.
    assert not backend.lost_connections("killed", 10)
    assert backend.fold(totals.counts, "", "7") is True
    after = backend.read_totals()
    assert after is not None
    assert after == totals._replace(base="7", counts=[], now=after.now)
    # It was only frozen, and an old worker took it for lost.
    answer = backend.exchange(killed.full(activity=activity("8")))
    assert answer.folded == 1
    assert old.warnings() == []


def test_activity_is_there_after_a_way_back_to_the_old_version(
    start_old: Start, make: Callable[[], SqliteBackend]
) -> None:
    backend, worker = make(), FakeWorker("first", lease_seconds=60.0)
    backend.give_command(Command("drain", "text", 60.0))
    assert backend.exchange(worker.full(activity=activity("1", new=True))).is_taken
    backend.write_buckets([Bucket("total", 5, "five", 10)], "carry")
    report = worker.change(activity=activity("2", stops=True))
    assert backend.exchange(report).is_taken
    before = backend.read_totals()
    assert before is not None
    backend.close()
    # The release is taken back, and an old worker is killed.
    old = start_old()
    old.open(OF_THE_OLD)
    wait_until(lambda: total(old) == 2)
    old.kill()
    # The new release comes again.
    backend, worker = make(), FakeWorker("second", lease_seconds=60.0)
    answer = backend.exchange(worker.full(activity=activity("5", new=True)))
    assert answer.is_taken
    assert answer._replace(commands=(), samples=False) == ReportAnswer(is_taken=True)
    assert [it.command_id for it in answer.commands] == ["drain"]
    after = backend.read_totals()
    assert after is not None
    assert after.epoch == before.epoch
    assert [(it.text, it.is_live) for it in after.counts] == [
        ("2", False),
        ("5", True),
    ]
    assert after.carry == "carry"
    assert backend.read_buckets({"total": 0}) == [Bucket("total", 5, "five")]
    assert len(backend.read_ended("closed")) == 3
