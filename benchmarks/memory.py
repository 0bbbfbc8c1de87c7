"""Bytes that tracking adds to one open connection, wrappers included.

What Python allocates, by tracemalloc. Sets and dictionaries grow in leaps, so that the
bytes for each connection depend on how many there are: the worst of several numbers is
what counts. SQLite's own page cache, of a fixed size, is not in it.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator, Sequence

from benchmarks.contestants import (
    AGAIN,
    BARE,
    FLOOR,
    Base,
    Contestant,
    bases,
    contestants,
    settle,
)
from benchmarks.drivers import Driver, without_thread_hops
from benchmarks.options import Options
from benchmarks.results import Goal, Row

__all__ = ["run"]

#: With ``sqlite``. A third of it is the coroutine that sees a disconnect when it is
#: received, see docs/internals/decisions.md.
HELD_GOAL = Goal(950, of="value")


def run(options: Options) -> Iterator[Row]:
    """Compare connections that are held, and what is left when they are closed."""
    counts = (20,) if options.quick else (1_000, 3_000, 10_000)
    raw, channels = bases()
    # What is there already takes most of the time of a garbage collection.
    gc.collect()
    gc.freeze()
    try:
        yield from _compare(raw, counts)
        with without_thread_hops():
            yield from _compare(channels, counts)
    finally:
        gc.unfreeze()


def _compare(base: Base, counts: Sequence[int]) -> Iterator[Row]:
    competing = contestants(base, "memory", "sqlite")
    measured = {
        it.name: [_measure(it, base.driver, count) for count in counts]
        for it in competing
    }
    for setting, moment in (("held", 0), ("left after the close", 1)):
        added = {
            name: max(
                pair[moment] - bare[moment]
                for pair, bare in zip(pairs, measured[BARE], strict=True)
            )
            for name, pairs in measured.items()
        }
        for name in added:
            if name in (BARE, AGAIN):
                continue
            with_default = name.endswith("sqlite") and not moment
            yield Row(
                benchmark="memory",
                setting=f"{base.name}, {setting}",
                contestant=name,
                value=added[name],
                unit="bytes added",
                ratio=None if moment else added[name] / added[FLOOR],
                to="floor",
                goal=HELD_GOAL if with_default else None,
            )


def _measure(contestant: Contestant, driver: Driver, count: int) -> tuple[float, float]:
    """Return the bytes of one connection, while it is held and after it closed."""
    held: list[int] = []

    def look() -> None:
        settle()
        held.append(_allocated())

    with contestant.measured():
        contestant.warm_up(driver)
        # What asyncio keeps once it has seen so many at once belongs to none.
        driver.hold(contestant.app, count, settle)
        gc.collect()
        tracemalloc.start()
        try:
            before = _allocated()
            driver.hold(contestant.app, count, look)
            settle()
            left = _allocated() - before
        finally:
            tracemalloc.stop()
    return (held[0] - before) / count, left / count


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
