"""The faults of each backend; this module has those of the workers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from tests.soak import file_faults, redis_faults
from tests.soak.fault import Fault, spell
from tests.soak.listeners import flood
from tests.soak.stores import RedisStore, Store
from tests.soak.workers import Worker


async def worker_killed(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    worker, seconds = rng.choice(workers), spell(rng)
    async with worker.lock:
        worker.kill()
        await asyncio.sleep(seconds / 2)
        await worker.start()


async def worker_terminated(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    worker = rng.choice(workers)
    async with worker.lock:
        await worker.terminate()
        await worker.start()


async def worker_loses_its_goodbye(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    worker = rng.choice(workers)
    async with worker.lock:
        worker.site.process.terminate()
        await asyncio.sleep(rng.uniform(0, 0.2))
        worker.kill()
        await worker.start()


async def worker_frozen(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    worker, seconds = rng.choice(workers), spell(rng)
    async with worker.lock:
        worker.freeze()
        await asyncio.sleep(seconds)
        worker.thaw()


def act(name: str) -> Fault:
    """Return what a worker does to itself, while it serves."""

    async def run(store: Store, workers: Sequence[Worker], rng: random.Random) -> None:
        worker = rng.choice(workers)
        async with worker.lock:
            await asyncio.to_thread(worker.act, name)

    return run


WORKER_FAULTS: dict[str, Fault] = {
    "worker: SIGKILL, and another one": worker_killed,
    "worker: SIGTERM, and another one": worker_terminated,
    "worker: SIGTERM, SIGKILL before its goodbye": worker_loses_its_goodbye,
    "worker: SIGSTOP, SIGCONT": worker_frozen,
    "worker: forks": act("fork"),
    "worker: a flood of handshakes to live push": flood,
}

FAULTS: dict[str, dict[str, Fault]] = {
    "redis": {**WORKER_FAULTS, **redis_faults.FAULTS},
    "sqlite": {
        **WORKER_FAULTS,
        **file_faults.FAULTS,
        "worker: copies the directory": act("copy_directory"),
        "worker: opens and closes the files": act("close_files"),
    },
}

#: Those after which the store may have lost what happened; open connections it has
#: again at once. After the others, it must not.
LOSSES = redis_faults.LOSSES | file_faults.LOSSES


def names_of(store: Store) -> list[str]:
    """Return the faults that can be made to happen to a store here."""
    kind = "redis" if isinstance(store, RedisStore) else "sqlite"
    return [
        name for name in FAULTS[kind] if name != file_faults.DISK_FULL or store.has_disk
    ]
