"""What goes wrong: each fault begins, lasts for a while, and is mended.

A fault holds the lock of what it breaks until that is mended, so that faults of one
thing take turns, and those of several things come at once.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence

from tests.redis_servers.proxy import Network
from tests.redis_servers.server import free_port
from tests.soak.stores import RedisStore, SqliteStore, Store
from tests.soak.workers import Worker

#: How long what lasts may last, in seconds: up to three leases of a second.
SHORTEST, LONGEST = 0.2, 3.0

#: The end of the name of a key that holds connections.
BUCKET = re.compile(r":\d+:\d+$")

Fault = Callable[[Store, Sequence[Worker], random.Random], Awaitable[None]]


def spell(rng: random.Random) -> float:
    """Return how long something lasts."""
    return rng.uniform(SHORTEST, LONGEST)


# Workers.


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


async def worker_frozen(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    worker, seconds = rng.choice(workers), spell(rng)
    async with worker.lock:
        worker.freeze()
        await asyncio.sleep(seconds)
        worker.thaw()


# Redis.


def redis_fault(
    act: Callable[[RedisStore, random.Random, float], None],
) -> Fault:
    """Return a fault of the server, which a thread waits for."""

    async def run(store: Store, workers: Sequence[Worker], rng: random.Random) -> None:
        assert isinstance(store, RedisStore)
        async with store.lock:
            await asyncio.to_thread(act, store, rng, spell(rng))

    return run


def redis_killed(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.kill()
    time.sleep(seconds)
    store.server.start()


def redis_frozen(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.freeze()
    time.sleep(seconds)
    store.server.thaw()


def flushed(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.admin.flushall()


def keys_deleted(store: RedisStore, rng: random.Random, seconds: float) -> None:
    keys = sorted(store.server.admin.keys())
    for key in rng.sample(keys, min(len(keys), rng.choice([1, 5, 20]))):
        store.server.admin.delete(key)


def bucket_deleted(store: RedisStore, rng: random.Random, seconds: float) -> None:
    """Take away a part of what a worker told, and leave the rest."""
    buckets = sorted(filter(BUCKET.search, store.server.admin.keys()))
    for key in rng.sample(buckets, min(len(buckets), rng.choice([1, 5, 20]))):
        store.server.admin.delete(key)


def scripts_flushed(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.admin.script_flush()


def clients_killed(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.admin.client_kill_filter(_type="normal", skipme=True)


def read_only(store: RedisStore, rng: random.Random, seconds: float) -> None:
    # Of a master that nobody can reach, so that it keeps what it has.
    store.server.admin.replicaof("127.0.0.1", free_port())
    time.sleep(seconds)
    store.server.admin.replicaof("NO", "ONE")


def out_of_memory(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.admin.config_set("maxmemory", 1)
    time.sleep(seconds)
    store.server.admin.config_set("maxmemory", 0)


def password_wanted(store: RedisStore, rng: random.Random, seconds: float) -> None:
    admin = store.server.admin
    admin.config_set("requirepass", "secret")
    admin.client_kill_filter(_type="normal", skipme=True)
    time.sleep(seconds)
    admin.config_set("requirepass", "")


# The network between some workers and Redis.


def network_fault(network: Network) -> Fault:
    """Return a fault of the network: for some workers, or for all."""

    async def run(store: Store, workers: Sequence[Worker], rng: random.Random) -> None:
        assert isinstance(store, RedisStore)
        count = len(store.proxies)
        some = rng.sample(store.proxies, rng.choice([1, rng.randint(1, count), count]))
        async with store.network_lock:
            for proxy in some:
                proxy.network = network
            await asyncio.sleep(spell(rng))
            for proxy in some:
                proxy.network = Network.WORKS

    return run


# The status file.


async def files_removed(
    store: Store, workers: Sequence[Worker], rng: random.Random
) -> None:
    assert isinstance(store, SqliteStore)
    for file in sorted(store.directory.glob("status*")):
        if rng.random() < 0.5:
            file.unlink(missing_ok=True)


WORKER_FAULTS: dict[str, Fault] = {
    "worker: SIGKILL, and another one": worker_killed,
    "worker: SIGTERM, and another one": worker_terminated,
    "worker: SIGSTOP, SIGCONT": worker_frozen,
}

FAULTS: dict[str, dict[str, Fault]] = {
    "redis": {
        **WORKER_FAULTS,
        "Redis: SIGKILL, restarted empty": redis_fault(redis_killed),
        "Redis: SIGSTOP, SIGCONT": redis_fault(redis_frozen),
        "Redis: FLUSHALL": redis_fault(flushed),
        "Redis: keys deleted": redis_fault(keys_deleted),
        "Redis: connections deleted": redis_fault(bucket_deleted),
        "Redis: SCRIPT FLUSH": redis_fault(scripts_flushed),
        "Redis: CLIENT KILL": redis_fault(clients_killed),
        "Redis: READONLY": redis_fault(read_only),
        "Redis: OOM": redis_fault(out_of_memory),
        "Redis: requirepass": redis_fault(password_wanted),
        **{
            f"network: {network.value}": network_fault(network)
            for network in Network
            if network is not Network.WORKS
        },
    },
    "sqlite": {**WORKER_FAULTS, "files removed": files_removed},
}
