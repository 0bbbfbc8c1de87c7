"""A million connections on a hundred workers, by synthetic reports: no real sockets.

Everything that grows is measured at a tenth of it, too, so that there is a line to draw
on from there: so much to begin with, and so much for each connection or worker.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks.options import Options
from benchmarks.redis_read import questions
from benchmarks.redis_server import RedisServer, cpu_us, started
from benchmarks.results import Goal, Row
from benchmarks.synthetic import SyntheticWorker, load
from django_socket_status.backends.redis import RedisBackend

__all__ = ["run"]

#: Workers and connections.
SMALL, LARGE = (100, 100_000), (100, 1_000_000)
#: As few connections, for what workers cost.
FEW = (10, 100_000)

MEMORY_GOAL = Goal(110, of="value")

REPEAT = 5


def run(options: Options) -> Iterator[Row]:
    """Load, measure, and draw the line."""
    sizes = [FEW, SMALL, LARGE]
    if options.quick:
        sizes = [(workers // 10, size // 500) for workers, size in sizes]
    with started("million") as server:
        if server is None:
            return
        found = [_measure(server, workers, size) for workers, size in sizes]
    for (workers, size), values in zip(sizes, found, strict=True):
        for name, (value, unit) in values.items():
            is_judged = name == "memory of Redis" and size >= 1_000_000
            yield Row(
                benchmark="million",
                setting=f"{size:,} connections on {workers} workers",
                contestant=name,
                value=value,
                unit=unit,
                goal=MEMORY_GOAL if is_judged else None,
            )
    few, small, large = found
    more = sizes[2][1] - sizes[1][1]
    others = sizes[1][0] - sizes[0][0]
    per_connection = {
        name: (large[name][0] - small[name][0]) / more * 1e6
        for name in ("summary", "first page", "heartbeat, in Redis")
    }
    per_worker = {
        name: (small[name][0] - few[name][0]) / others for name in ("summary",)
    }
    for name, value in per_connection.items():
        yield _growth(name, value, "ms for a million connections")
    for name, value in per_worker.items():
        yield _growth(name, value, "ms for a worker")


def _growth(name: str, value: float, unit: str) -> Row:
    return Row(
        benchmark="million", setting="growth", contestant=name, value=value, unit=unit
    )


def _measure(
    server: RedisServer, workers: int, size: int
) -> dict[str, tuple[float, str]]:
    server.admin.flushall()
    backend = RedisBackend(
        url=server.socket_url, prefix=f"{workers}-{size}", timeout_seconds=60.0
    )
    before = server.admin.info("memory")["used_memory"]
    began, used = time.monotonic(), cpu_us(server)
    loaded = load(backend, workers, size)
    took, used = time.monotonic() - began, cpu_us(server) - used
    memory = server.admin.info("memory")["used_memory"] - before
    found = backend.read()
    if sum(it.total_sockets for it in found.workers) != size:
        raise RuntimeError("Not what was reported.")
    values = {
        "full reports, all workers": (took, "s"),
        "full reports, in Redis": (used / size, "µs a connection"),
        "memory of Redis": (memory / size, "bytes a connection"),
    }
    for name, ask in questions(backend).items():
        values[name.partition(",")[0]] = (_best(ask), "ms")
    used = cpu_us(server)
    values["heartbeat"] = (_beat(backend, loaded), "ms a worker")
    in_redis = (cpu_us(server) - used) / 1000 / len(loaded)
    values["heartbeat, in Redis"] = (in_redis, "ms a worker")
    backend.close()
    return values


def _best(ask: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return min(took) * 1000


def _beat(backend: RedisBackend, workers: list[SyntheticWorker]) -> float:
    """Renew every lease once; return the median of what it takes.

    As with a heartbeat of a fifth of the lease: a fifth of the buckets is renewed.
    """
    took = []
    for worker in workers:
        lease = 5 * (time.monotonic() - worker.reported_at)
        began = time.perf_counter()
        if not backend.report(worker.beat(lease)):
            raise RuntimeError("A worker is not known.")
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000
