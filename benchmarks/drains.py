"""CPU time of the reporter for one connection, with the ``memory`` backend.

Of one that came and went between two reports, of one that the list of closed
connections has, and of one that is held, with counts alone. The reports are made on the
thread that measures. The lowest tenth of all rounds counts: others add to it, and the
clock of a virtual machine may also lose some of it.
"""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.contestants import Contestant, bases, contestants
from benchmarks.drivers import Raw
from benchmarks.options import Options
from benchmarks.results import Goal, Row
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.registry.ends import ENTRY_LIMIT
from django_socket_status.reporter.thread import reporter

__all__ = ["run"]

DRIVER = Raw()

SHORT, ENTRY = "came and went", "entry of the closed list"
HELD = "held, counts alone"
GOALS = {SHORT: Goal(2.0, of="value"), ENTRY: Goal(6.0, of="value")}

#: The reporter's own thread does nothing meanwhile.
NEVER = {
    "REPORT_INTERVAL_SECONDS": 1e6,
    "HEARTBEAT_SECONDS": 5e6,
    "LEASE_SECONDS": 25e6,
}


class CountsAlone(MemoryBackend):
    """Keeps what :class:`.RedisBackend` keeps with ``details`` off."""

    wants_details = False
    keeps = MemoryBackend.keeps - {"endings"}


def run(options: Options) -> Iterator[Row]:
    """Measure behind the middleware, and with the mixin."""
    base, _ = bases()
    rounds, count = options.size(20 * options.rounds, 2), options.size(2_000, 20)
    for contestant in contestants(base, "memory"):
        if not contestant.is_ours:
            continue
        with contestant.measured(**NEVER):
            found = _of_short_ones(contestant, rounds, count)
        counting = dataclasses.replace(contestant, backend=f"{__name__}.CountsAlone")
        with counting.measured(**NEVER):
            found[HELD] = _of_held_ones(counting, rounds, count // 4)
        for setting, value in found.items():
            yield Row(
                benchmark="drains",
                setting=setting,
                contestant=contestant.name,
                value=value,
                unit="µs of CPU",
                goal=GOALS.get(setting),
            )


def _of_short_ones(contestant: Contestant, rounds: int, count: int) -> dict[str, float]:
    def churn(number: int) -> float:
        for it in range(number):
            DRIVER.close(DRIVER.open(contestant.app, it))
        return _report()

    held = DRIVER.open(contestant.app, 0)
    # All but the first hundred are only counted.
    sizes = (0, ENTRY_LIMIT, 2 * ENTRY_LIMIT, 2 * ENTRY_LIMIT + count)
    none, listed, few, many = _lowest(rounds, *(lambda n=n: churn(n) for n in sizes))
    DRIVER.close(held)
    return {SHORT: (many - few) / count, ENTRY: (listed - none) / ENTRY_LIMIT}


def _of_held_ones(contestant: Contestant, rounds: int, count: int) -> float:
    held: list[Any] = []

    def opened() -> float:
        held.extend(DRIVER.open(contestant.app, it) for it in range(count))
        return _report()

    def closed() -> float:
        while held:
            DRIVER.close(held.pop())
        return _report()

    return sum(_lowest(rounds, opened, closed)) / count


def _report() -> float:
    """Report, and return the microseconds of CPU that it takes."""
    reporter.sender._reported_at = float("-inf")
    began = time.thread_time_ns()
    assert reporter.flush()
    return (time.thread_time_ns() - began) / 1000


def _lowest(rounds: int, *measures: Callable[[], float]) -> list[float]:
    found = [[measure() for measure in measures] for _ in range(rounds + 1)]
    gc.collect()
    return [sorted(it)[len(it) // 10] for it in zip(*found[1:], strict=True)]
