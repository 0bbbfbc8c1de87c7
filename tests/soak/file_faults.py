"""What goes wrong with the status file, and with the disk that it is on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence

from tests.soak.fault import Fault, spell
from tests.soak.stores import SqliteStore, Store
from tests.soak.workers import Worker

PAGE_BYTES = 4096

#: Only where the status file has a disk for itself.
DISK_FULL = "files: no space left on the disk"

#: The databases and journals of the status file, and of what happened.
DATABASES = "status*-*"

#: Values that no worker writes, and the columns that they are in.
DAMAGE = (
    ("worker", "counts", '{"async_room": "many"}'),
    ("worker", "counts", '{"async_room": NaN}'),
    ("worker", "counts", '{"async_room": -7}'),
    ("worker", "counts", "something else"),
    ("worker", "anonymous", -1),
    ("worker", "identity", "7"),
    ("worker", "reported_at", "now"),
    ("tally", "users", "many"),
    ("tally", "users", -1),
)
ACTIVITY_DAMAGE = (
    ("state", "value", "something else"),
    ("count", "text", '{"opened": "many"}'),
    ("count", "sequence", "many"),
    ("mark", "folded_at", "now"),
    ("ended", "text", "something else"),
    ("ended", "kept_at", "now"),
    ("bucket", "text", '{"samples": -1}'),
    ("lost", "connections", "7"),
)


async def files_removed(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    assert isinstance(store, SqliteStore)
    for file in sorted(store.directory.glob("status*")):
        if rng.random() < 0.5:
            file.unlink(missing_ok=True)


async def files_cut_short(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    """Truncate files that processes have open: with shared memory, that is SIGBUS."""
    assert isinstance(store, SqliteStore)
    for file in sorted(store.directory.glob(DATABASES)):
        if rng.random() < 0.5:
            with contextlib.suppress(FileNotFoundError):
                os.truncate(file, rng.randrange(file.stat().st_size + 1))


async def pages_of_garbage(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    """Write over pages of the database and its journal.

    Not over the file that names them: what is no status file is never replaced.
    """
    assert isinstance(store, SqliteStore)
    for path in sorted(store.directory.glob(DATABASES)):
        if rng.random() < 0.5:
            continue
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            page = rng.randrange(path.stat().st_size // PAGE_BYTES + 1)
            file.seek(page * PAGE_BYTES)
            file.write(rng.randbytes(PAGE_BYTES))


async def values_damaged(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    assert isinstance(store, SqliteStore)
    damage, names = rng.choice(
        [(DAMAGE, "status-*.db"), (ACTIVITY_DAMAGE, "status.activity-*.db")]
    )
    table, column, value = rng.choice(damage)
    for path in sorted(store.directory.glob(names)):
        with contextlib.suppress(sqlite3.Error):
            database = sqlite3.connect(path, timeout=1.0)
            with contextlib.closing(database), database:
                database.execute(f"UPDATE {table} SET {column} = ?", [value])


async def directory_copied(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    """Copy the directory in this process, which reads the status file as well."""
    assert isinstance(store, SqliteStore)

    def copy() -> None:
        with tempfile.TemporaryDirectory() as target, contextlib.suppress(shutil.Error):
            shutil.copytree(store.directory, target, dirs_exist_ok=True)

    await asyncio.to_thread(copy)


async def disk_full(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    """Have something else take every byte that is left."""
    assert isinstance(store, SqliteStore)
    ballast = store.directory / "ballast"
    async with store.lock:
        try:
            await asyncio.to_thread(fill, ballast)
            await asyncio.sleep(spell(rng))
        finally:
            ballast.unlink()


def fill(ballast: os.PathLike[str]) -> None:
    with open(ballast, "wb", buffering=0) as file:
        for size in (2**16, 2**10, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


FAULTS: dict[str, Fault] = {
    "files removed": files_removed,
    "files cut short": files_cut_short,
    "files: pages of garbage": pages_of_garbage,
    "files: values damaged": values_damaged,
    "files: directory copied by a reader": directory_copied,
    DISK_FULL: disk_full,
}

#: Those after which the store may have lost what happened.
LOSSES = {
    "files removed",
    "files cut short",
    "files: pages of garbage",
    "files: values damaged",
    DISK_FULL,
}
