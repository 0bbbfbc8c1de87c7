"""CPU time that tracking adds to one message after the accept, on its way out and in.

The goals are in instructions: see :mod:`benchmarks.instructions`. A few nanoseconds say
more about the machine.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from benchmarks.applications import Receiver, Sender, TrackedReceiver, TrackedSender
from benchmarks.contestants import (
    BARE,
    Base,
    Contestant,
    bases,
    contestants,
)
from benchmarks.drivers import TEXT, without_thread_hops
from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.rounds import Comparison, take_turns
from django_socket_status.asgi import Message

__all__ = ["one_way", "run"]

#: By which the bare application, measured twice, may differ.
ECHO_GOAL = Goal(1.01)


def run(options: Options) -> Iterator[Row]:
    """Compare messages out and in, and both over Channels."""
    # So many that what the connection itself costs is less than a nanosecond of each.
    count = options.size(100_000, 50)
    for way in ("out", "in"):
        base, messages = one_way(way, count)
        yield from _compare(f"raw, {way}", base, messages, count, None, options)
    _, channels = bases()
    count = options.size(2_000, 20)
    with without_thread_hops():
        yield from _compare(
            "channels, echo", channels, [TEXT] * count, count, ECHO_GOAL, options
        )


def one_way(way: str, count: int) -> tuple[Base, Sequence[Message]]:
    """Return applications that only send, or only receive, by hand.

    Args:
        way: ``"out"`` or ``"in"``.
        count: How many messages pass.

    Returns:
        The applications, and what one connection has to get for that.
    """
    raw, _ = bases()
    if way == "out":
        base = Base("raw", raw.driver, Sender.as_asgi(), TrackedSender.as_asgi())
        return base, [{"type": "websocket.receive", "text": str(count)}]
    base = Base("raw", raw.driver, Receiver.as_asgi(), TrackedReceiver.as_asgi())
    return base, [TEXT] * count


def _compare(
    setting: str,
    base: Base,
    messages: Sequence[Message],
    count: int,
    goal: Goal | None,
    options: Options,
) -> Iterator[Row]:
    competing = {it.name: it for it in contestants(base, "memory")}
    measures = {
        name: functools.partial(_measure, contestant, base, messages, count)
        for name, contestant in competing.items()
    }
    samples = take_turns(measures, options.rounds)
    comparison = Comparison(samples, BARE)
    for name in samples:
        lower, upper = comparison.spread(name)
        yield Row(
            benchmark="messages",
            setting=setting,
            contestant=name,
            value=comparison.added(name),
            unit="ns added",
            ratio=1 + comparison.ratio(name),
            spread=(1 + lower, 1 + upper),
            to="bare",
            goal=goal if competing[name].is_ours else None,
        )


def _measure(
    contestant: Contestant, base: Base, messages: Sequence[Message], count: int
) -> float:
    with contestant.measured():
        contestant.warm_up(base.driver)
        return base.driver.talk(contestant.app, messages) / count
