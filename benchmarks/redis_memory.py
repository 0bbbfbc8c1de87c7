"""Bytes that a connection takes in Redis, by ``used_memory``.

Ten workers, every second connection of a different user, and a label for each.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from benchmarks.options import Options
from benchmarks.redis_server import RedisServer, started
from benchmarks.results import Goal, Row
from benchmarks.synthetic import LONG_SECONDS, load
from django_socket_status.backends.redis import RedisBackend

__all__ = ["measure", "run"]

WORKERS = 10

DETAILS_GOAL = Goal(110, of="value")
COUNTS_GOAL = Goal(1, of="value")

COUNTS, DETAILS, HASHES = "counts", "details", "a hash each, with TTL"
GOALS = {COUNTS: COUNTS_GOAL, DETAILS: DETAILS_GOAL}

#: Commands of the other contestant in one round trip.
BATCH = 1_000


def run(options: Options) -> Iterator[Row]:
    """Compare at 100,000 connections."""
    with started("redis_memory") as server:
        if server is not None:
            size = options.size(100_000, 1_000)
            yield from measure(server, "redis_memory", size, WORKERS)


def measure(
    server: RedisServer, benchmark: str, size: int, workers: int
) -> Iterator[Row]:
    """Fill a server with as many connections, in each of the ways."""
    ways: dict[str, Callable[[int], None]] = {
        COUNTS: functools.partial(_report, server, workers, details=False),
        DETAILS: functools.partial(_report, server, workers, details=True),
        HASHES: functools.partial(_write_hashes, server),
    }
    for way in ways.values():
        # Redis keeps a script, and statistics of each command, from the first on.
        server.admin.flushall()
        way(workers)
    found = {name: _bytes(server, way, size) / size for name, way in ways.items()}
    for name, value in found.items():
        yield Row(
            benchmark=benchmark,
            setting=f"{size:,} connections",
            contestant=name,
            value=value,
            unit="bytes each",
            ratio=value / found[HASHES],
            to="a hash each",
            goal=GOALS.get(name),
        )


def _bytes(server: RedisServer, fill: Callable[[int], None], size: int) -> int:
    server.admin.flushall()
    before = server.admin.info("memory")["used_memory"]
    fill(size)
    after = server.admin.info("memory")["used_memory"]
    server.admin.flushall()
    return int(after - before)


def _report(server: RedisServer, workers: int, size: int, *, details: bool) -> None:
    backend = RedisBackend(url=server.socket_url, details=details)
    load(backend, workers, size, details=details)
    backend.close()


def _write_hashes(server: RedisServer, size: int) -> None:
    """Write what is usual: a key for each connection, that ends by itself."""
    for start in range(0, size, BATCH):
        pipeline = server.admin.pipeline(transaction=False)
        for number in range(start, min(start + BATCH, size)):
            key = f"sockets:connection:{number:032x}"
            pipeline.hset(
                key,
                mapping={
                    "type": "call",
                    "user": str(number) if number % 2 else "",
                    "room": str(number % 1_000),
                    "at": "1795837536.123456",
                },
            )
            pipeline.expire(key, round(LONG_SECONDS))
        pipeline.execute()
