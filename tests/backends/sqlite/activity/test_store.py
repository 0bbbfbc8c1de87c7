"""The activity file: when it is opened, damaged, in the way, or lost."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable
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
    Rewritten,
)
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import Clock, FakeWorker
from django_socket_status.testing.contract.harness import in_fork
from tests.backends.sqlite.test_space import fill_up, small_disk

__all__ = ["small_disk"]

pytestmark = pytest.mark.python

FORGOTTEN = ReportAnswer(is_taken=True, is_forgotten=True)
HEARTBEAT = Activity(condition="fine", can_sample=True)


def counted(text: str, *, new: bool = False, number: int = 1) -> Activity:
    return Activity(totals=CountTotals(number, new, text))


def files(path: Path) -> list[Path]:
    """Return the files of the activity."""
    return sorted(path.parent.glob(f"{path.name}.activity*"))


def database(path: Path) -> Path:
    (found,) = path.parent.glob(f"{path.name}.activity-*.db")
    return found


@contextlib.contextmanager
def changing(path: Path) -> Any:
    """Open the database past the backend."""
    with contextlib.closing(sqlite3.connect(database(path))) as found, found:
        yield found


@pytest.fixture
def started(backend: SqliteBackend, worker: FakeWorker) -> FakeWorker:
    """Return a worker that has counters, an entry and a bucket in the file."""
    held = [worker.open(user="7")]
    activity = Activity(totals=CountTotals(1, True, "one"), closed=Entries("closed", 1))
    assert backend.exchange(worker.full(held, activity=activity)).is_taken
    backend.write_buckets([Bucket("total", 5, "five", 10)], "carry")
    return worker


# When it is opened.


def test_heartbeats_conditions_and_commands_make_no_activity_file(
    backend: SqliteBackend, worker: FakeWorker, path: Path
) -> None:
    assert backend.exchange(worker.full(activity=HEARTBEAT)).samples
    backend.give_command(Command("one", "text", 60.0))
    assert backend.exchange(worker.change(activity=HEARTBEAT)).commands
    assert backend.read_totals() is None
    assert not backend.read_ended("closed")
    assert files(path) == []


def test_heartbeats_leave_the_activity_file_closed(
    backend: SqliteBackend,
    clock: Clock,
    started: FakeWorker,
    path: Path,
) -> None:
    backend._store.close()
    for _ in range(30):
        clock.advance(1.0)
        assert backend.exchange(started.change(activity=HEARTBEAT)).is_taken
    assert backend._store._writer._current.link is None
    assert backend._store._reader._current.link is None


def test_activity_file_is_private(started: FakeWorker, path: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in files(path)} == {0o600}


# Damage.


def test_worker_replaces_a_damaged_file_and_begins_a_new_count(
    backend: SqliteBackend,
    started: FakeWorker,
    path: Path,
    warned: Callable[[], list[str]],
) -> None:
    epoch = backend.read_totals().epoch
    backend._store.close()
    database(path).write_bytes(b"no database" * 1000)
    answer = backend.exchange(started.change(activity=counted("two")))
    assert answer == FORGOTTEN
    (message,) = warned()
    assert f"{path}.activity is replaced" in message
    assert backend.read_totals() is None
    backend._wall_clock = lambda: epoch + 5
    backend._store._wall_clock = lambda: epoch + 5
    activity = counted("new", new=True, number=2)
    assert backend.exchange(started.change(activity=activity)).is_taken
    totals = backend.read_totals()
    assert totals.epoch == epoch + 5
    assert [it.text for it in totals.counts] == ["new"]
    # The open connections are in the other file.
    assert backend.read().workers[0].total_sockets == 1
    assert backend.read().complete
    assert warned() == []


def test_reader_of_a_damaged_file_raises_and_replaces_it(
    backend: SqliteBackend,
    started: FakeWorker,
    path: Path,
    warned: Callable[[], list[str]],
) -> None:
    backend._store.close()
    database(path).write_bytes(b"no database" * 1000)
    with pytest.raises(BackendError, match="activity file"):
        backend.read_totals()
    assert len(warned()) == 1
    assert backend.read_totals() is None
    assert backend.exchange(started.change(activity=counted("two"))) == FORGOTTEN


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE count SET sequence = 'many'",
        "UPDATE count SET text = x'00'",
        "UPDATE state SET value = 'long ago' WHERE name = 'epoch'",
        "UPDATE state SET value = 7 WHERE name = 'carry'",
        "UPDATE state SET value = 'x' WHERE name = 'written_at'",
        "DROP TABLE count",
    ],
)
def test_damaged_row_is_never_an_answer(
    backend: SqliteBackend, started: FakeWorker, path: Path, statement: str
) -> None:
    with changing(path) as found:
        found.execute(statement)
    with pytest.raises(BackendError):
        backend.read_totals()
    assert backend.read_totals() is None


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        (
            "UPDATE ended SET kept_at = 'now'",
            lambda backend: backend.read_ended("closed"),
        ),
        (
            "UPDATE ended SET kept_at = -9e999",
            lambda backend: backend.read_ended("closed"),
        ),
        (
            "UPDATE ended SET text = x'00'",
            lambda backend: backend.read_ended("closed"),
        ),
        (
            "UPDATE bucket SET text = x'00'",
            lambda backend: backend.read_buckets({"total": 0}),
        ),
    ],
)
def test_damaged_list_is_never_an_answer(
    backend: SqliteBackend, started: FakeWorker, path: Path, statement: str, read: Any
) -> None:
    with changing(path) as found:
        found.execute(statement)
    with pytest.raises(BackendError):
        read(backend)
    assert not read(backend)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE command SET given_at = 'now'",
        "UPDATE command SET text = x'00'",
        "UPDATE sample SET at = 'now'",
    ],
)
def test_damaged_command_does_not_stop_the_reports(
    make: Callable[..., SqliteBackend],
    backend: SqliteBackend,
    worker: FakeWorker,
    statement: str,
) -> None:
    assert backend.exchange(worker.full(activity=HEARTBEAT)).samples
    backend.give_command(Command("one", "text", 60.0))
    with backend._writer.transaction() as link:
        link.database.execute(statement)
    other = make()
    assert other.exchange(worker.change(activity=HEARTBEAT)).is_taken is False
    assert other.exchange(worker.full(activity=HEARTBEAT)).is_taken


@pytest.mark.parametrize(
    "statement",
    ["UPDATE count SET sequence = 'many'", "UPDATE ended SET number = 'many'"],
)
def test_damaged_row_does_not_stop_the_reports(
    backend: SqliteBackend, started: FakeWorker, path: Path, statement: str
) -> None:
    with changing(path) as found:
        found.execute(statement)
    for _ in range(105):
        activity = Activity(
            totals=CountTotals(1, False, "two"), closed=Entries("more", 1)
        )
        assert backend.exchange(started.change(activity=activity)).is_taken
    assert backend.read_totals() is None
    assert backend.read_ended("closed")


@pytest.mark.parametrize("what", ["*.activity", "*.activity-*.db", "*.activity*"])
def test_file_that_a_cleaner_removes_begins_again(
    backend: SqliteBackend, started: FakeWorker, path: Path, what: str
) -> None:
    for file in path.parent.glob(what):
        file.unlink()
    assert backend.exchange(started.change(activity=counted("two"))) == FORGOTTEN
    activity = counted("new", new=True, number=2)
    assert backend.exchange(started.change(activity=activity)).is_taken
    assert [it.text for it in backend.read_totals().counts] == ["new"]


def test_file_that_cannot_be_read_is_not_an_empty_one(
    backend: SqliteBackend, started: FakeWorker, path: Path
) -> None:
    pointer = path.with_name(f"{path.name}.activity")
    pointer.unlink()
    pointer.mkdir()
    reads: list[Callable[[], object]] = [
        backend.read_totals,
        lambda: backend.read_ended("closed"),
        lambda: backend.read_buckets({"total": 0}),
    ]
    for read in reads:
        with pytest.raises(BackendError):
            read()
    with pytest.raises(BackendError):
        backend.exchange(started.change(activity=counted("two")))
    # The open connections were taken.
    assert backend.read().workers[0].total_sockets == 1
    assert backend.exchange(started.full(activity=HEARTBEAT)).is_taken


# Who is live.


def test_worker_is_live_until_it_can_have_reported_to_a_new_status_file(
    make: Callable[..., SqliteBackend],
    clock: Clock,
    backend: SqliteBackend,
    started: FakeWorker,
    path: Path,
) -> None:
    read = backend.read_totals()
    backend.close()
    # A cleaner removes the status file, and a process that never saw it makes another.
    for file in path.parent.glob(f"{path.name}*"):
        if ".activity" not in file.name:
            file.unlink()
    assert [it.is_live for it in backend.read_totals().counts] == [True]
    assert backend.fold(read.counts, "", "base") is False
    other, process = FakeWorker("b"), make()
    assert process.report(other.full())
    assert [it.is_live for it in process.read_totals().counts] == [True]
    assert process.fold(read.counts, "", "base") is False
    clock.advance(5.1)
    assert process.report(other.full())
    counts = process.read_totals().counts
    assert [it.is_live for it in counts] == [False]
    assert process.fold(counts, "", "base") is True


def test_killed_worker_is_not_live_before_its_lease_ends(
    make: Callable[..., SqliteBackend], backend: SqliteBackend, started: FakeWorker
) -> None:
    process, other = make(), FakeWorker("b")
    activity = counted("b", new=True)
    assert in_fork(lambda: report_and_die(process, other, activity))
    found = {it.worker_id: it.is_live for it in backend.read_totals().counts}
    assert found == {"a": True, "b": False}


def report_and_die(
    backend: SqliteBackend, worker: FakeWorker, activity: Activity
) -> None:
    backend.forget_after_fork()
    held = [worker.open(user="8") for _ in range(3)]
    assert backend.exchange(worker.full(held, activity=activity)).is_taken


# Connections of the lost.


def test_connections_of_a_dead_worker_outlive_its_rows(
    backend: SqliteBackend, clock: Clock, worker: FakeWorker
) -> None:
    held = [worker.open(user=str(n), labels={"room": "é"}) for n in range(1_200)]
    activity = counted("T", new=True)
    assert backend.exchange(worker.full(held, activity=activity)).is_taken
    clock.advance(5.1)
    other = FakeWorker("b")
    for _ in range(4):
        clock.advance(1.1)
        assert backend.report(other.full())
    with backend._reader.reading() as link:
        rows = link.database.execute("SELECT COUNT(*) FROM connection").fetchone()
    assert rows == (0,)
    assert list(backend.lost_connections("a", 5_000)) == held[:-1_001:-1]
    assert backend.fold(backend.read_totals().counts, "", "base") is True
    assert not backend.lost_connections("a", 10)


def test_dead_worker_without_counters_leaves_nothing(
    backend: SqliteBackend, clock: Clock, started: FakeWorker
) -> None:
    """As a worker of an older version, which no one asks for."""
    old = FakeWorker("old")
    assert backend.report(old.full([old.open()]))
    clock.advance(3.0)
    assert backend.report(started.change())
    clock.advance(3.0)
    assert backend.report(started.change())
    assert not backend.lost_connections("old", 10)
    assert len(backend.read().workers) == 1


def test_many_dead_workers_are_retired_some_at_a_time(
    backend: SqliteBackend,
    clock: Clock,
    started: FakeWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = [FakeWorker(f"w{number}") for number in range(40)]
    for it in workers:
        report = it.full([it.open()], activity=counted("T", new=True))
        assert backend.exchange(report).is_taken
    clock.advance(3.0)
    assert backend.report(started.change())
    clock.advance(3.0)
    assert backend.report(started.change())
    assert len(backend.read().workers) == 1
    for _ in range(3):
        clock.advance(1.1)
        assert backend.report(started.change())
    with backend._reader.reading() as link:
        rows = link.database.execute("SELECT worker_id FROM worker").fetchall()
    assert rows == [("a",)]
    lost = [backend.lost_connections(it.worker.worker_id, 10) for it in workers]
    assert all(lost)
    # Not more than a list has space for, and always those of one worker.
    monkeypatch.setattr(
        "django_socket_status.backends.sqlite.activity.totals.LOST_BYTES", 1
    )
    backend.activity_part._store.keep_lost({})  # type: ignore[attr-defined]
    lost = [backend.lost_connections(it.worker.worker_id, 10) for it in workers]
    assert len([it for it in lost if it]) == 1


# Space.


def test_lists_go_before_the_details_of_open_connections(
    make: Callable[..., SqliteBackend],
    clock: Clock,
    worker: FakeWorker,
    path: Path,
    warned: Callable[[], list[str]],
) -> None:
    limit = 4 * 2**20
    backend = make(max_bytes=limit)
    assert backend.exchange(worker.full(activity=counted("T", new=True))).is_taken
    for number in range(20):
        backend.keep_ended("closed", Entries(f"{number:020}" * 1_000, 10))
    backend.write_buckets([Bucket("total", 5, "five", 10)], "carry")
    assert len(backend.read_ended("closed")) >= 15
    labels = {f"label{number}": "x" * 200 for number in range(16)}
    dropped_at = 0
    for number in range(100):
        opened = [worker.open(labels=labels) for _ in range(20)]
        clock.advance(1.1)
        assert backend.report(worker.change(*opened))
        if not any(it.number for it in backend.read_ended("closed")):
            dropped_at = dropped_at or number + 1
        if not backend.wants_details:
            break
    assert dropped_at
    # More connections were taken after the lists had gone.
    assert not backend.wants_details
    assert number + 1 > dropped_at
    assert len(warned()) == 1
    # Counters and history stay.
    assert [it.text for it in backend.read_totals().counts] == ["T"]
    assert backend.read_buckets({"total": 0})
    # There is no use in filling the list again at once.
    backend.keep_ended("closed", Entries("closed", 1))
    # What is left says that the list is a sample.
    assert [it.number for it in backend.read_ended("closed")] == [0]
    assert sum(it.stat().st_size for it in path.parent.iterdir()) <= limit


def test_lists_take_an_eighth_of_the_limit(
    make: Callable[..., SqliteBackend],
) -> None:
    backend = make(max_bytes=2**20)
    for number in range(100):
        backend.keep_ended("closed", Entries(f"{number:010}" * 1_000, 10))
    kept = backend.read_ended("closed")
    assert 10 <= len(kept) <= 13
    assert kept[0].text.startswith("0000000099")


def test_full_disk_takes_the_lists_and_leaves_the_counters(
    small_disk: Path,
    make: Callable[..., SqliteBackend],
    clock: Clock,
    worker: FakeWorker,
) -> None:
    backend = make(path=small_disk / "sockets")
    held = [worker.open(user="7")]
    activity = counted("one", new=True)
    assert backend.exchange(worker.full(held, activity=activity)).is_taken
    for number in range(15):
        backend.keep_ended("closed", Entries(f"{number:010}" * 10_000, 10))
    before = backend.read_totals()
    fill_up(small_disk)
    for number in range(20):
        clock.advance(1.1)
        activity = Activity(
            totals=CountTotals(1, False, f"T{number}"),
            closed=Entries(f"{number:010}" * 1_000, 10),
        )
        report = worker.change(worker.open(user="8"), activity=activity)
        if not backend.exchange(report).is_taken:
            assert backend.exchange(worker.full(activity=activity)).is_taken
    after = backend.read_totals()
    assert after.epoch == before.epoch
    assert [it.text for it in after.counts] == ["T19"]
    assert backend.read().workers[0].total_sockets == 21


# Around a fork.


def test_forked_child_has_an_activity_file_of_its_own(
    backend: SqliteBackend, started: FakeWorker
) -> None:
    assert backend.read_totals() is not None
    child = FakeWorker("child")

    def serve() -> None:
        backend.forget_after_fork()
        activity = counted("child", new=True)
        assert backend.exchange(child.full(activity=activity)).is_taken
        assert len(backend.read_totals().counts) == 2
        report = child.change(activity=Activity(stops=True))
        assert backend.exchange(report).is_taken
        backend.close()

    assert in_fork(serve)
    assert backend.exchange(started.change(activity=counted("two"))).is_taken
    counts = backend.read_totals().counts
    assert [(it.text, it.is_live) for it in counts] == [
        ("two", True),
        ("child", False),
    ]


def test_damaged_clock_of_a_boot_does_not_stop_the_sampling(
    backend: SqliteBackend, make: Callable[..., SqliteBackend], clock: Clock
) -> None:
    """The clock of the leases starts again at a boot."""
    worker = FakeWorker("a")
    assert backend.exchange(worker.full(activity=HEARTBEAT)).samples
    clock.now = 3.0
    reborn, again = make(), FakeWorker("b")
    assert reborn.exchange(again.full(activity=HEARTBEAT)).samples
    assert not reborn.exchange(again.change(activity=HEARTBEAT)).samples


def test_commands_survive_the_worker_of_an_older_version(
    backend: SqliteBackend, make: Callable[..., SqliteBackend], worker: FakeWorker
) -> None:
    """It made the file, without these tables."""
    old = FakeWorker("old")
    assert make().report(old.full())
    assert backend.read_commands() == ()
    assert backend.read_conditions() == {}
    assert backend.exchange(worker.full(activity=HEARTBEAT)).is_taken
    assert make().report(old.change())
    assert backend.read_conditions() == {"a": "fine"}
    assert backend.get_connections(ConnectionQuery()).complete


def test_nothing_is_logged_where_all_is_well(
    backend: SqliteBackend, started: FakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert backend.exchange(started.change(activity=counted("two"))).is_taken
    backend.close()
    assert backend.read_totals() is not None
    assert caplog.records == []


def test_replaced_text_is_overwritten_in_the_file(backend, path):
    """A user who was forgotten is not in what the file system backs up either."""
    for number in range(50):
        entries = Entries(f"{number}." + "the user" * 300, 1)
        backend.keep_ended("closed", entries)
    assert b"the user" in database(path).read_bytes()

    def rewrite(text: str) -> Rewritten:
        return Rewritten(text.replace("the user", "null"), 1)

    assert backend.rewrite_ended("closed", rewrite) == 50
    assert b"the user" not in b"".join(it.read_bytes() for it in files(path))


def test_damaged_row_is_not_rewritten_and_the_caller_learns_that(backend, path):
    backend.keep_ended("closed", Entries("a", 1))
    with changing(path) as other:
        other.execute("UPDATE ended SET text = ?", (b"a",))
    with pytest.raises(BackendError):
        backend.rewrite_ended("closed", lambda text: Rewritten("b", 1))


def test_rewriting_creates_no_file(backend, path):
    assert backend.rewrite_ended("closed", lambda text: Rewritten("b", 1)) == 0
    assert not files(path)
