"""CPU time that tracking adds to the life of one connection.

A life over Channels takes some 50 µs, and the floor adds 2 or 3 to it. Within a second
the machine changes by more than that, so in churn the contestants take short turns, and
many. The thread that serves the sockets is measured alone. What the reporter does for
it, in a separate thread, is measured by itself and added.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Iterator

from benchmarks.contestants import (
    BARE,
    FLOOR,
    Base,
    Contestant,
    bases,
    contestants,
    settle,
)
from benchmarks.drivers import without_thread_hops
from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.rounds import Comparison, take_turns

__all__ = ["run"]

TRACKING_GOAL = Goal(1.5)
REPORTING_GOAL = Goal(4.0)

#: Short turns for each round.
TURNS = 40

#: How many turns fit into one look at the reporter.
LOOK = 100

Samples = dict[str, list[float]]


def run(options: Options) -> Iterator[Row]:
    """Compare on both bases, in churn and held."""
    raw, channels = bases()
    yield from _churn(raw, options.size(1_000, 20), options)
    yield from _hold(raw, options.size(1_000, 50), options.rounds)
    with without_thread_hops():
        yield from _churn(channels, options.size(100, 10), options)
        # No turn of a thousand is short, so that it takes more rounds to see the floor.
        rounds = options.rounds * options.size(4, 1)
        yield from _hold(channels, options.size(1_000, 20), rounds)


def _churn(base: Base, count: int, options: Options) -> Iterator[Row]:
    competing = contestants(base, "memory", "sqlite")
    samples = _short_turns(
        base, competing, count, options.rounds * options.size(TURNS, 1)
    )
    for contestant in competing:
        if contestant.is_ours:
            looks = [
                _reporters_share(contestant, base, count * options.size(LOOK, 1))
                for _ in range(min(options.rounds, 5))
            ]
            share = statistics.median(looks)
            samples[contestant.name] = [it + share for it in samples[contestant.name]]
    yield from _rows(f"{base.name}, churn", samples, TRACKING_GOAL)


def _short_turns(
    base: Base, competing: list[Contestant], count: int, turns: int
) -> Samples:
    """Return what a life takes of the thread that serves it, whatever the backend."""
    with competing[0].measured():
        for contestant in competing:
            contestant.warm_up(base.driver)
        measures = {
            it.name: functools.partial(
                base.driver.churn, it.app, count, _go_on, time.thread_time_ns
            )
            for it in competing
        }
        return take_turns(measures, turns)


def _go_on() -> None:
    """Do not wait for the reporter."""


def _reporters_share(contestant: Contestant, base: Base, count: int) -> float:
    """Return what a life takes of other threads than the one that serves it."""
    with contestant.measured():
        contestant.warm_up(base.driver)
        return base.driver.churn(contestant.app, count, settle, _other_threads)


def _other_threads() -> int:
    return time.process_time_ns() - time.thread_time_ns()


def _hold(base: Base, count: int, rounds: int) -> Iterator[Row]:
    measures = {
        contestant.name: functools.partial(_held, contestant, base, count)
        for contestant in contestants(base, "memory", "sqlite")
    }
    yield from _rows(f"{base.name}, hold", take_turns(measures, rounds), None)


def _held(contestant: Contestant, base: Base, count: int) -> float:
    with contestant.measured():
        contestant.warm_up(base.driver)
        return base.driver.hold(contestant.app, count, settle)


def _rows(setting: str, samples: Samples, goal: Goal | None) -> Iterator[Row]:
    comparison = Comparison(samples, BARE, FLOOR)
    for name in samples:
        of_memory = goal if name.endswith("memory") else None
        yield Row(
            benchmark="lifecycle",
            setting=setting,
            contestant=name,
            value=comparison.added(name) / 1000,
            unit="µs added",
            ratio=comparison.ratio(name),
            spread=comparison.spread(name),
            to="floor",
            goal=REPORTING_GOAL if name.endswith("sqlite") else of_memory,
        )
