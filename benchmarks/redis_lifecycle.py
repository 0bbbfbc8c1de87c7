"""What one connection costs with Redis: CPU time of the process, and of Redis.

With 1,000 connections held. Ours is driven by hand, as in ``lifecycle``. Those who
await Redis need an event loop, and are compared with a bare application and a floor,
and with ours, on the same one; django-channels-presence needs Channels besides.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Iterator, Sequence

from benchmarks import presence
from benchmarks.applications import Echo, EchoConsumer, TrackedEcho, TrackedEchoConsumer
from benchmarks.contestants import AGAIN, BARE, FLOOR, Base, bases, settle
from benchmarks.drivers import OverChannels
from benchmarks.options import Options
from benchmarks.redis_contestants import (
    COUNTS,
    DETAILS,
    RedisContestant,
    ours,
    plain,
    writers,
)
from benchmarks.redis_server import RedisServer, cpu_us, started
from benchmarks.results import Goal, Row
from benchmarks.rounds import Comparison, take_turns

__all__ = ["run"]

CPU_GOALS = {COUNTS: Goal(1.5), DETAILS: Goal(3.0)}
REDIS_GOALS = {COUNTS: Goal(1.0, of="value"), DETAILS: Goal(3.0, of="value")}


def run(options: Options) -> Iterator[Row]:
    """Compare by hand, on an event loop, and over Channels."""
    with started("redis_lifecycle") as server:
        if server is None:
            return
        count = options.size(1_000, 20)
        raw, _ = bases()
        competing = [*plain(raw, server), *ours(raw, server)]
        rows = list(_compare(raw, competing, count, options.rounds))
        yield from rows
        floor = next(it.value for it in rows if it.contestant == FLOOR)
        loop = Base("loop", OverChannels(), Echo.as_asgi(), TrackedEcho.as_asgi())
        competing = [*plain(loop, server), *ours(loop, server), *writers(loop, server)]
        yield from _compare(loop, competing, count, options.rounds)
        yield from _with_presence(server, floor, options)


def _with_presence(
    server: RedisServer, floor: float, options: Options
) -> Iterator[Row]:
    """Compare with django-channels-presence, as it is used.

    The floor is the one by hand: over Channels it cannot be seen.
    """
    if not presence.is_installed():
        print("redis_lifecycle: django-channels-presence is missing", file=sys.stderr)
        return
    driver, bare = OverChannels(), EchoConsumer.as_asgi()
    base = Base("channels as shipped", driver, bare, TrackedEchoConsumer.as_asgi())
    with presence.prepared() as app:
        other = RedisContestant(
            name=presence.NAME, app=app, server=server, written=presence.count
        )
        competing = [*plain(base, server), *ours(base, server), other]
        count, rounds = options.size(50, 3), min(options.rounds, 7)
        for row in _compare(base, competing, count, rounds):
            if row.ratio is not None:
                ratio = row.value / floor if floor else 0.0
                yield dataclasses.replace(
                    row, ratio=ratio, spread=None, to="floor by hand"
                )


def _compare(
    base: Base,
    competing: Sequence[RedisContestant],
    count: int,
    rounds: int,
) -> Iterator[Row]:
    used: dict[str, list[float]] = {it.name: [] for it in competing}
    measures = {
        it.name: functools.partial(_measure, it, base, count, used[it.name])
        for it in competing
    }
    comparison = Comparison(take_turns(measures, rounds), BARE, FLOOR)
    place = f"{base.name}, {count:,} held"
    for name in measures:
        yield Row(
            benchmark="redis_lifecycle",
            setting=place,
            contestant=name,
            value=comparison.added(name) / 1000,
            unit="µs added",
            ratio=comparison.ratio(name),
            spread=comparison.spread(name),
            to="floor",
            # On a loop the floor is not what the goals are stated in.
            goal=CPU_GOALS.get(_kind(name)) if base.name == "raw" else None,
        )
    # Without the round before those that count, as everywhere.
    in_redis = Comparison({name: it[-rounds:] for name, it in used.items()}, BARE)
    for name in measures:
        if name in (BARE, AGAIN, FLOOR):
            continue
        yield Row(
            benchmark="redis_lifecycle",
            setting=f"{place}, in Redis",
            contestant=name,
            value=in_redis.added(name),
            unit="µs of Redis",
            goal=REDIS_GOALS.get(_kind(name)),
        )


def _kind(name: str) -> str:
    return name.rpartition(", ")[2]


def _measure(
    contestant: RedisContestant, base: Base, count: int, used: list[float]
) -> float:
    with contestant.measured():
        contestant.warm_up(base.driver)
        before = cpu_us(contestant.server)
        value = base.driver.hold(contestant.app, count, settle)
        used.append((cpu_us(contestant.server) - before) / count)
        return value
