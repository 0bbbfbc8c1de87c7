"""Activity in a Redis that workers of an earlier version share, and do not know of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_socket_status.activity.stored import (
    Activity,
    Command,
    CountTotals,
    Entries,
    ReportAnswer,
)
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.testing import FakeWorker
from tests.previous.test_rollout import (
    LEASE_SECONDS,
    OF_THE_OLD,
    Process,
    Start,
    new_code,
    old_code,
    start,
    unzip,
)
from tests.support.redis_fixtures import PATIENT_SECONDS
from tests.support.redis_servers.server import RedisServer, wait_until

__all__ = ["new_code", "old_code", "start", "unzip"]

pytestmark = [pytest.mark.faults, pytest.mark.redis]

SOCKETS = 5


@pytest.fixture
def store(redis_server: RedisServer) -> dict[str, Any]:
    """Return the settings of the processes of the earlier version."""
    return {
        "BACKEND": "django_socket_status.backends.redis.RedisBackend",
        "OPTIONS": {"url": redis_server.url},
        "CACHE_SECONDS": 0.0,
        "HEARTBEAT_SECONDS": 0.1,
        "LEASE_SECONDS": LEASE_SECONDS,
    }


@pytest.fixture
def backend(redis_server: RedisServer) -> Iterator[RedisBackend]:
    """Return a backend of the new version, for workers that exist only here."""
    backend = RedisBackend(url=redis_server.url, timeout_seconds=PATIENT_SECONDS)
    yield backend
    backend.close()


@pytest.fixture
def old(start: Start, old_code: Path) -> Process:
    process = start(old_code)
    # No lease of a test begins while it imports.
    process.ask("where")
    return process


def report(
    backend: RedisBackend, worker: FakeWorker, text: str, *, new: bool = False
) -> ReportAnswer:
    """Report as a new worker does: all that activity may be, and its counters."""
    activity = Activity(
        totals=CountTotals(1, new, text),
        closed=Entries(text, 1),
        condition="fine",
        can_sample=True,
    )
    make: Callable[..., Any] = worker.full if new else worker.change
    answer = backend.exchange(make(activity=activity))
    if not answer.is_taken:
        answer = backend.exchange(worker.full(activity=activity))
    assert answer.is_taken
    return answer


def total(process: Process) -> int:
    answers = process.ask("answers")
    return -1 if "error" in answers else int(answers["summary"]["total_sockets"])


def begin(backend: RedisBackend, worker_id: str) -> FakeWorker:
    """Have a new worker report sockets, counters and a closed connection."""
    worker = FakeWorker(worker_id, lease_seconds=LEASE_SECONDS)
    labels = {"room": "red"}
    for _ in range(SOCKETS):
        opened = worker.open(user="7", labels=labels)
        worker.connections[opened.number] = opened
    report(backend, worker, "T1", new=True)
    return worker


def test_old_worker_reads_and_keeps_what_a_new_one_reports(
    old: Process, backend: RedisBackend
) -> None:
    worker = begin(backend, "new")
    old.open(OF_THE_OLD)
    for number in range(2, 12):
        report(backend, worker, f"T{number}")
        time.sleep(0.05)
    wait_until(lambda: total(old) == SOCKETS + len(OF_THE_OLD))
    assert len(backend.read().workers) == 2
    totals = backend.read_totals()
    assert totals is not None
    assert [(it.text, it.is_live) for it in totals.counts] == [("T11", True)]
    assert backend.read_conditions() == {"new": "fine"}
    assert len(backend.read_ended("closed")) == 11
    assert old.warnings() == []


def test_old_worker_removes_a_killed_one_without_losing_its_counters(
    old: Process, backend: RedisBackend
) -> None:
    worker = begin(backend, "killed")
    old.open(OF_THE_OLD)
    wait_until(lambda: total(old) == SOCKETS + len(OF_THE_OLD))
    # It reports no more. The old worker is the only one that is left.
    wait_until(lambda: total(old) == len(OF_THE_OLD))
    totals = backend.read_totals()
    assert totals is not None
    (count,) = totals.counts
    assert (count.text, count.is_live) == ("T1", False)
    assert len(backend.lost_connections("killed", 1000)) == SOCKETS
    assert backend.fold([count], "", "base")
    # It was frozen, and not killed.
    assert report(backend, worker, "T2").folded == count.sequence
    wait_until(lambda: total(old) == SOCKETS + len(OF_THE_OLD))
    assert old.warnings() == []


def test_new_after_old_after_new_goes_on_with_the_same_totals(
    start: Start, old_code: Path, backend: RedisBackend
) -> None:
    first = begin(backend, "first")
    activity = Activity(totals=CountTotals(1, False, "first"), stops=True)
    assert backend.exchange(first.change(activity=activity)).is_taken
    # The release is taken back: its last worker is killed when only old ones are there.
    old = start(old_code)
    old.ask("where")
    second = begin(backend, "second")
    old.open(OF_THE_OLD)
    wait_until(lambda: total(old) == len(OF_THE_OLD))
    before = backend.read_totals()
    assert before is not None
    backend.give_command(Command("one", "text", 60.0))
    # And tried again.
    third = begin(backend, "third")
    old.kill()
    answer = report(backend, third, "T2")
    assert [it.command_id for it in answer.commands] == ["one"]
    totals = backend.read_totals()
    assert totals is not None
    assert totals.epoch == before.epoch
    found = {it.worker_id: (it.text, it.is_live) for it in totals.counts}
    assert found == {
        "first": ("first", False),
        "second": ("T1", False),
        "third": ("T2", True),
    }
    dead = [it for it in totals.counts if not it.is_live]
    assert backend.fold(dead, "", "base")
    assert report(backend, second, "T2").folded == 1
    assert len(backend.read_ended("closed")) == 5
