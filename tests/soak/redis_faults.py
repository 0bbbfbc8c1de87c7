"""What goes wrong with Redis, and with the network to it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import threading
import time
from collections.abc import Callable, Sequence

import redis

from tests.soak.fault import Fault, spell
from tests.soak.redis_damage import (
    clock_set_back,
    clock_set_forward,
    index_expired,
    reports_damaged,
    totals_damaged,
)
from tests.soak.stores import RedisStore, Store
from tests.soak.workers import Worker
from tests.support.redis_servers.proxy import Network
from tests.support.redis_servers.server import free_port, wait_until

#: The end of the name of a key that holds connections.
BUCKET = re.compile(r":\d+:\d+$")

# The server.


def redis_fault(
    act: Callable[[RedisStore, random.Random, float], None], *, is_outage: bool = False
) -> Fault:
    """Return a fault of the server, which a thread waits for.

    Args:
        act: What is done.
        is_outage: Whether nothing can be written for as long as it lasts.
    """

    async def run(store: Store, workers: Sequence[Worker], rng: random.Random) -> None:
        assert isinstance(store, RedisStore)
        async with store.lock:
            seconds, began = spell(rng), time.time()
            if is_outage:
                store.outages.append((began, began + seconds))
            await asyncio.to_thread(act, store, rng, seconds)

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


def script_killed(store: RedisStore, rng: random.Random, seconds: float) -> None:
    """Run a script that never ends: Redis is BUSY until an operator kills it."""
    admin = store.server.admin
    admin.config_set("lua-time-limit", 10)
    running = threading.Thread(target=run_endless_script, args=(store,))
    running.start()
    time.sleep(seconds)

    def is_killed() -> bool:
        with contextlib.suppress(redis.ResponseError):
            # It says so if nothing runs yet.
            admin.script_kill()
        return not running.is_alive()

    wait_until(is_killed)
    admin.config_set("lua-time-limit", 5000)


def run_endless_script(store: RedisStore) -> None:
    client = store.server.client()
    with contextlib.closing(client), contextlib.suppress(redis.ResponseError):
        client.eval("while true do end", 0)


def clients_killed(store: RedisStore, rng: random.Random, seconds: float) -> None:
    store.server.admin.client_kill_filter(_type="normal", skipme=True)


def read_only(store: RedisStore, rng: random.Random, seconds: float) -> None:
    # A replica of an unreachable master, so that it keeps its data.
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


FAULTS: dict[str, Fault] = {
    "Redis: SIGKILL, restarted empty": redis_fault(redis_killed, is_outage=True),
    "Redis: SIGSTOP, SIGCONT": redis_fault(redis_frozen, is_outage=True),
    "Redis: FLUSHALL": redis_fault(flushed),
    "Redis: keys deleted": redis_fault(keys_deleted),
    "Redis: connections deleted": redis_fault(bucket_deleted),
    "Redis: index expired": redis_fault(index_expired),
    "Redis: reports damaged": redis_fault(reports_damaged),
    "Redis: totals damaged": redis_fault(totals_damaged),
    "Redis: clock set back": redis_fault(clock_set_back),
    "Redis: clock set forward": redis_fault(clock_set_forward),
    "Redis: SCRIPT FLUSH": redis_fault(scripts_flushed),
    "Redis: SCRIPT KILL of an endless script": redis_fault(
        script_killed, is_outage=True
    ),
    "Redis: CLIENT KILL": redis_fault(clients_killed),
    "Redis: READONLY": redis_fault(read_only, is_outage=True),
    "Redis: OOM": redis_fault(out_of_memory, is_outage=True),
    "Redis: requirepass": redis_fault(password_wanted, is_outage=True),
    **{
        f"network: {network.value}": network_fault(network)
        for network in Network
        if network is not Network.WORKS
    },
}

#: Those after which the store may have lost what happened.
LOSSES = {
    "Redis: SIGKILL, restarted empty",
    "Redis: FLUSHALL",
    "Redis: keys deleted",
    "Redis: totals damaged",
}
