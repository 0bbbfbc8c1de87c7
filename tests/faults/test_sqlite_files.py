"""The status file is removed, damaged or replaced under processes that run."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.workers import Worker, wait_until

pytestmark = pytest.mark.faults

Start = Callable[..., Worker]

REMOVED: dict[str, tuple[str, ...]] = {
    "pointer": ("sockets",),
    "database": ("*.db",),
    "locks": ("*.locks",),
    "guard": ("*.guard",),
    "all but the pointer": ("sockets-*",),
    "all": ("*",),
}


@pytest.fixture
def workers(start: Start) -> list[Worker]:
    """Return two workers with three sockets each."""
    workers = [start() for _ in range(2)]
    for worker in workers:
        worker.ask("open", number=3, user="7")
        worker.ask("flush")
    assert workers[0].total == 6
    return workers


def assert_heals(workers: list[Worker], ids: list[str]) -> None:
    """Assert that all are back, and that the answer is incomplete for one lease."""
    for worker in workers:
        wait_until(lambda worker=worker: worker.ask("ids") == ids)
        summary = worker.ask("summary")
        assert summary["total_sockets"] == 6
        assert summary["stale"]
        assert summary["coverage"] == "host"


@pytest.mark.parametrize("what", REMOVED)
def test_cleaner_harms_nothing(workers: list[Worker], path: Path, what: str) -> None:
    ids = workers[0].ask("ids")
    for pattern in REMOVED[what]:
        for file in list(path.parent.glob(pattern)):
            file.unlink(missing_ok=True)
    assert_heals(workers, ids)
    assert [worker.ask("warnings") for worker in workers] == [[], []]


def test_cleaner_may_take_the_directory(workers: list[Worker], path: Path) -> None:
    ids = workers[0].ask("ids")
    path.parent.rename(path.parent.with_name("taken away"))
    assert_heals(workers, ids)
    assert [worker.ask("warnings") for worker in workers] == [[], []]


def test_cleaner_may_come_while_no_worker_runs(start: Start, path: Path) -> None:
    for removed in ("*.db", "sockets", "*"):
        worker = start()
        worker.ask("open")
        assert worker.seen == 1
        worker.stop()
        for file in list(path.parent.glob(removed)):
            file.unlink()
    worker = start()
    assert worker.total == 0
    worker.ask("open")
    assert worker.total == 1
    assert worker.ask("warnings") == []


DAMAGE: dict[str, Callable[[Path], object]] = {
    "emptied": lambda file: file.write_bytes(b""),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:7000]),
    "nonsense": lambda file: file.write_bytes(b"\xa7" * 100_000),
    "text": lambda file: file.write_bytes(b"Dear mother,\n"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_database_is_replaced(
    workers: list[Worker], path: Path, how: str
) -> None:
    ids = workers[0].ask("ids")
    (database,) = (it for it in path.parent.glob("*.db") if "activity" not in it.name)
    DAMAGE[how](database)
    # What a process has in its cache hides it for a while.
    for worker in workers:
        worker.ask("churn", number=400)
        worker.ask("close", number=400)
        worker.ask("flush")
    for worker in workers:
        wait_until(lambda worker=worker: worker.ask("ids") == ids)
        assert worker.seen == 6
        assert worker.coverage == "host"
    messages = workers[0].ask("warnings") + workers[1].ask("warnings")
    assert len(messages) <= 2, messages
    assert all("within a heartbeat" in message for message in messages), messages


@pytest.mark.parametrize("seed", range(3))
def test_accidents_in_any_order_lose_nothing(
    start: Start, path: Path, seed: int
) -> None:
    """Files go, or are damaged, while four processes write as fast as they can."""
    chance = random.Random(seed)
    workers = [start() for _ in range(4)]
    for worker in workers:
        worker.ask("open")
    for accident in chance.choices(ACCIDENTS, k=40):
        for worker in workers:
            worker.tell("churn", number=5)
        with contextlib.suppress(OSError, IndexError):
            accident(path, chance)
        for worker in workers:
            worker.answer()
    for worker in workers:
        wait_until(lambda worker=worker: worker.seen == 4 * 201)
        for message in worker.ask("warnings"):
            assert "Traceback" not in message


def remove_one(path: Path, chance: random.Random) -> None:
    chance.choice(list(path.parent.iterdir())).unlink()


def remove_all(path: Path, chance: random.Random) -> None:
    for file in list(path.parent.iterdir()):
        file.unlink(missing_ok=True)


def take_the_directory(path: Path, chance: random.Random) -> None:
    path.parent.rename(path.parent.with_name(f"taken{chance.random()}"))


def write_nonsense(path: Path, chance: random.Random) -> None:
    with chance.choice(list(path.parent.glob("*.db"))).open("r+b") as file:
        file.seek(chance.randrange(40_000))
        file.write(chance.randbytes(chance.randrange(9_000)))


def cut_short(path: Path, chance: random.Random) -> None:
    database = chance.choice(list(path.parent.glob("*.db")))
    os.truncate(database, chance.randrange(30_000))


def cut_the_pointer_short(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(30))


ACCIDENTS = (
    remove_one,
    remove_all,
    take_the_directory,
    write_nonsense,
    cut_short,
    cut_the_pointer_short,
)


@pytest.mark.parametrize("how", ["emptied", "cut short"])
def test_damaged_pointer_is_replaced(
    workers: list[Worker], path: Path, how: str
) -> None:
    ids = workers[0].ask("ids")
    path.write_bytes(path.read_bytes()[: 0 if how == "emptied" else 30])
    assert_heals(workers, ids)


@pytest.mark.parametrize("what", ["*.db", "*-journal", "*.locks", "*.guard"])
def test_file_that_is_emptied_kills_no_process(
    workers: list[Worker], path: Path, what: str
) -> None:
    ids = workers[0].ask("ids")
    for _ in range(5):
        for file in path.parent.glob(what):
            os.truncate(file, 0)
        for worker in workers:
            worker.ask("churn", number=3)
            worker.ask("close", number=3)
            worker.ask("flush")
    for worker in workers:
        wait_until(lambda worker=worker: worker.ask("ids") == ids)
        assert worker.seen == 6
    messages = [worker.ask("warnings") for worker in workers]
    assert all("Traceback" not in message for said in messages for message in said)


def test_journal_may_be_damaged(workers: list[Worker], path: Path) -> None:
    ids = workers[0].ask("ids")
    for file in path.parent.glob("*-journal"):
        file.write_bytes(b"\xa7" * 3000)
    for worker in workers:
        worker.ask("flush")
    for worker in workers:
        wait_until(lambda worker=worker: worker.ask("ids") == ids)
        assert worker.seen == 6
    messages = [worker.ask("warnings") for worker in workers]
    assert all("Traceback" not in message for said in messages for message in said)
