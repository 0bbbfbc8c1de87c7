"""Reading from Redis: by number of workers, and by number of connections.

A read is stated in multiples of an empty round trip, and of the read of one worker.
What Redis does at a stretch is the longest command in its slow log: for so long it
serves no other client.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from time import perf_counter_ns as wall

import redis

from benchmarks.options import Options
from benchmarks.redis_server import WATCHING, RedisServer, longest_ms, started
from benchmarks.results import Goal, Row
from benchmarks.rounds import Comparison, take_turns
from benchmarks.synthetic import load
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.records import ConnectionQuery

__all__ = ["questions", "run"]

#: Connections of each of many workers.
SIZE = 100

GOALS = {128: Goal(8.0), 1_024: Goal(55.0)}
BLOCKING_GOAL = Goal(5.0, of="value")

PING = "an empty PING"

#: Workers of the many connections.
WORKERS = 10


def run(options: Options) -> Iterator[Row]:
    """Compare reads, and what they hold up."""
    with started("redis_read") as server:
        if server is None:
            return
        counts = (1, 4, 8) if options.quick else (1, 16, 128, 1_024)
        yield from _by_workers(server, counts, options)
    sizes = (10, 1_000) if options.quick else (10, 100_000, 1_000_000)
    with started("redis_read", *WATCHING) as server:
        if server is not None:
            for size in sizes:
                yield from _by_connections(server, size, options)


def _by_workers(
    server: RedisServer, counts: tuple[int, ...], options: Options
) -> Iterator[Row]:
    backends = {
        workers: RedisBackend(url=server.url, prefix=f"workers-{workers}")
        for workers in counts
    }
    for workers, backend in backends.items():
        load(backend, workers, workers * SIZE)
    repeat = options.size(30, 2)
    measures: dict[str, Callable[[], float]] = {
        f"{workers:,} workers": functools.partial(_time, backend.read, repeat)
        for workers, backend in backends.items()
    }
    one, *_ = measures
    with redis.Redis(port=server.port, protocol=2) as client:
        measures[PING] = functools.partial(_time, client.ping, repeat)
        samples = take_turns(measures, options.rounds)
    goals = {f"{workers:,} workers": goal for workers, goal in GOALS.items()}
    for base, to in ((one, "one worker"), (PING, "PING")):
        comparison = Comparison(samples, base)
        for name in samples:
            lower, upper = comparison.spread(name)
            ratio = 1 + comparison.ratio(name)
            yield Row(
                benchmark="redis_read",
                setting=f"summary, in multiples of {to}",
                contestant=name,
                value=ratio * comparison.unit / 1000,
                unit="µs",
                ratio=ratio,
                spread=(1 + lower, 1 + upper),
                to=to,
                goal=goals.get(name) if base == one else None,
            )
    for backend in backends.values():
        backend.close()


def _time(read: Callable[[], object], repeat: int) -> float:
    """Return the least of some reads: what is above it, the machine does meanwhile."""
    took = []
    for _ in range(repeat):
        began = wall()
        read()
        took.append(wall() - began)
    return min(took)


def _by_connections(server: RedisServer, size: int, options: Options) -> Iterator[Row]:
    server.admin.flushall()
    # A new prefix has no earlier report, so nothing was lost.
    backend = RedisBackend(
        url=server.socket_url, prefix=f"{size}-connections", timeout_seconds=60.0
    )
    load(backend, min(WORKERS, size), size)
    held: dict[str, list[float]] = {}
    took: dict[str, float] = {}
    for name, ask in questions(backend).items():
        ask()
        held[name] = []
        for _ in range(min(options.rounds, 5)):
            server.admin.slowlog_reset()
            began = wall()
            ask()
            took[name] = min(took.get(name, float("inf")), (wall() - began) / 1e6)
            held[name].append(longest_ms(server))
    for name, longest in held.items():
        yield Row(
            benchmark="redis_read",
            setting=f"{size:,} connections, longest command",
            contestant=name,
            # The least: whatever is above it, the machine has done meanwhile.
            value=min(longest),
            unit="ms",
            goal=BLOCKING_GOAL,
        )
    for name, value in took.items():
        yield Row(
            benchmark="redis_read",
            setting=f"{size:,} connections, answer",
            contestant=name,
            value=value,
            unit="ms",
        )
    backend.close()


def questions(backend: RedisBackend) -> dict[str, Callable[[], object]]:
    """Return what a reader asks, by name."""
    user = ConnectionQuery(user_id="3")
    room = ConnectionQuery(labels={"room": "3"})
    return {
        "summary, has_listeners": backend.read,
        "first page": lambda: backend.get_connections(ConnectionQuery()),
        "of a user": lambda: backend.get_connections(user),
        "of a room": lambda: backend.get_connections(room),
        "is_online": lambda: backend.is_online("3"),
        "online_user_ids": backend.online_user_ids,
    }
