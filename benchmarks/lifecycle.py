"""CPU time that tracking adds to the life of one connection."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from benchmarks.contestants import (
    BARE,
    FLOOR,
    Base,
    Contestant,
    bases,
    contestants,
    settle,
)
from benchmarks.drivers import Settle, without_thread_hops
from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.rounds import Comparison, take_turns
from django_socket_status.tracking import Application

__all__ = ["run"]

TRACKING_GOAL = Goal(1.5)
REPORTING_GOAL = Goal(4.0)

Drive = Callable[[Application, int, Settle], float]


def run(options: Options) -> Iterator[Row]:
    """Compare on both bases, in churn and held."""
    raw, channels = bases()
    yield from _compare(raw, "churn", options.size(10_000, 50), options)
    yield from _compare(raw, "hold", options.size(1_000, 50), options)
    with without_thread_hops():
        yield from _compare(channels, "churn", options.size(1_000, 20), options)
        yield from _compare(channels, "hold", options.size(1_000, 20), options)


def _compare(base: Base, way: str, count: int, options: Options) -> Iterator[Row]:
    competing = contestants(base, "memory", "sqlite")
    drive: Drive = getattr(base.driver, way)
    measures = {
        contestant.name: functools.partial(_measure, contestant, base, drive, count)
        for contestant in competing
    }
    samples = take_turns(measures, options.rounds)
    comparison = Comparison(samples, BARE, FLOOR)
    for name in samples:
        yield Row(
            benchmark="lifecycle",
            setting=f"{base.name}, {way}",
            contestant=name,
            value=comparison.added(name) / 1000,
            unit="µs added",
            ratio=comparison.ratio(name),
            spread=comparison.spread(name),
            to="floor",
            goal=_goal(name, way),
        )


def _measure(contestant: Contestant, base: Base, drive: Drive, count: int) -> float:
    with contestant.measured():
        contestant.warm_up(base.driver)
        return drive(contestant.app, count, settle)


def _goal(name: str, way: str) -> Goal | None:
    if name.endswith("sqlite"):
        return REPORTING_GOAL
    return TRACKING_GOAL if name.endswith("memory") and way == "churn" else None
