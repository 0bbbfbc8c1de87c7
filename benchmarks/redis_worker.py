"""A worker with 100,000 open sockets: while nothing happens, and when it dies."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from time import process_time_ns as cpu
from typing import Any

from benchmarks.contestants import settle
from benchmarks.echo_worker import open_sockets
from benchmarks.options import Options
from benchmarks.redis_server import (
    REDIS,
    WATCHING,
    RedisServer,
    cpu_us,
    longest_ms,
    started,
)
from benchmarks.results import Goal, Row
from benchmarks.synthetic import SyntheticWorker
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.backends.redis.ledger import kept_ms
from django_socket_status.exceptions import BackendError
from django_socket_status.testing import isolated_socket_status

__all__ = ["run"]

COMMANDS_GOAL = Goal(1.0, of="value")
BLOCKING_GOAL = Goal(1.0, of="value")

HEARTBEAT_SECONDS = 1.0

#: Of a worker that dies.
LEASE_SECONDS = 1.0
QUICK_LEASE_SECONDS = 0.2

#: How long it waits for the keys to be gone, if it only has to run.
QUICK_SECONDS = 1.0

BATCH = 1_000

#: Puts connections into a server, on a lease; returns when they will be gone.
Way = Callable[[RedisServer, int, float], float]


def run(options: Options) -> Iterator[Row]:
    """Count commands, then wait for what a dead worker left to be gone."""
    size = options.size(100_000, 500)
    with started("redis_worker") as server:
        if server is None:
            return
        yield from _idle(server, size, options.size(10, 2))
    lease = QUICK_LEASE_SECONDS if options.quick else LEASE_SECONDS
    longest = QUICK_SECONDS if options.quick else math.inf
    ways: dict[str, Way] = {
        "nobody dies": _nobody,
        "a worker, others live": _worker_among_others,
        "a worker, the only one": _only_worker,
        "keys with TTL": _keys,
    }
    found = {
        name: [_leave(way, size, lease, longest) for _ in range(options.size(3, 1))]
        for name, way in ways.items()
    }
    for position, what in enumerate(("longest command", "longest expiry", "PING")):
        for name, measured in found.items():
            ours = name == "a worker, others live" and what != "PING"
            yield Row(
                benchmark="redis_worker",
                setting=f"{size:,} connections leave, {what}",
                contestant=name,
                # The least: on busy cores the thread of Redis that frees memory, or
                # anybody else, has its turn before the one that serves.
                value=min(it[position] for it in measured),
                unit="ms",
                goal=BLOCKING_GOAL if ours else None,
            )


def _idle(server: RedisServer, size: int, heartbeats: int) -> Iterator[Row]:
    options = {"url": server.socket_url}
    settings: dict[str, Any] = {"BACKEND": REDIS, "OPTIONS": options}
    with isolated_socket_status(**settings, HEARTBEAT_SECONDS=HEARTBEAT_SECONDS):
        opened = open_sockets(size)
        settle()
        used, in_redis = cpu(), cpu_us(server)
        time.sleep(heartbeats * HEARTBEAT_SECONDS)
        used, in_redis = cpu() - used, cpu_us(server) - in_redis
        commands = _commands(server, heartbeats)
        opened.clear()
    values = {
        "commands": (commands, "a heartbeat"),
        "CPU time": (used / heartbeats / 1e6, "ms a heartbeat"),
        "CPU time of Redis": (in_redis / heartbeats / 1e3, "ms a heartbeat"),
    }
    for name, (value, unit) in values.items():
        yield Row(
            benchmark="redis_worker",
            setting=f"idle, {size:,} open sockets",
            contestant=name,
            value=value,
            unit=unit,
            goal=COMMANDS_GOAL if name == "commands" else None,
        )


def _commands(server: RedisServer, heartbeats: int) -> float:
    """Return how many commands a worker sends in a heartbeat.

    From what Redis shows of all that it is told, without what a script calls.
    """
    times: list[float] = []
    with server.admin.monitor() as monitor:
        while len(times) <= heartbeats:
            command = monitor.next_command()
            if command["client_type"] != "lua":
                times.append(command["time"])
    return (len(times) - 1) * HEARTBEAT_SECONDS / (times[-1] - times[0])


def _leave(
    way: Way, size: int, lease: float, longest: float
) -> tuple[float, float, float]:
    """Return what holds Redis up: a command, the expiry of keys; and a client."""
    with RedisServer(*WATCHING) as server:
        until = min(way(server, size, lease), time.time() + longest)
        server.admin.slowlog_reset()
        server.admin.execute_command("LATENCY", "RESET")
        pings = []
        with server.client() as client:
            while time.time() < until:
                began = time.perf_counter()
                client.ping()
                pings.append(time.perf_counter() - began)
                time.sleep(0.0005)
        latest = server.admin.execute_command("LATENCY", "LATEST")
        expiry = max((it[3] for it in latest if "expire" in it[0]), default=0)
        return longest_ms(server), float(expiry), max(pings) * 1000


def _nobody(server: RedisServer, size: int, lease: float) -> float:
    return time.time() + kept_ms(round(lease * 1000)) / 1000


def _only_worker(server: RedisServer, size: int, lease: float) -> float:
    backend = RedisBackend(url=server.socket_url)
    worker = SyntheticWorker(0, size, lease_seconds=lease)
    for report in worker.full():
        backend.report(report)
    # For a lease, in which each of its keys is renewed at its time.
    until = time.time() + lease * 1.2
    while time.time() < until:
        backend.report(worker.beat())
        time.sleep(lease / 5)
    backend.close()
    return time.time() + kept_ms(round(lease * 1000)) / 1000 + lease / 2


def _worker_among_others(server: RedisServer, size: int, lease: float) -> float:
    until = _only_worker(server, size, lease)

    def live() -> None:
        backend = RedisBackend(url=server.socket_url)
        worker = SyntheticWorker(1, 10, lease_seconds=lease)
        for report in worker.full():
            backend.report(report)
        # A quick run stops the server before that.
        with contextlib.suppress(BackendError):
            while time.time() < until:
                backend.report(worker.beat())
                time.sleep(lease / 5)
        backend.close()

    threading.Thread(target=live, daemon=True).start()
    return until


def _keys(server: RedisServer, size: int, lease: float) -> float:
    for start in range(0, size, BATCH):
        pipeline = server.admin.pipeline(transaction=False)
        for number in range(start, min(start + BATCH, size)):
            pipeline.hset(f"connection:{number}", mapping={"type": "call", "user": 1})
            pipeline.pexpire(f"connection:{number}", kept_ms(round(lease * 1000)))
        pipeline.execute()
    return time.time() + kept_ms(round(lease * 1000)) / 1000 + lease
