"""What tracking adds to one message after the accept, on its way out and in."""

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
from django_socket_status.tracking import Message

__all__ = ["run"]

SEND_GOAL = Goal(30, of="value")
#: By which the bare application, measured twice, may differ.
ECHO_GOAL = Goal(1.01)


def run(options: Options) -> Iterator[Row]:
    """Compare messages out and in, and both over Channels."""
    raw, channels = bases()
    # So many that what the connection itself costs is less than a nanosecond of each.
    count = options.size(100_000, 50)
    sender = Base("raw", raw.driver, Sender.as_asgi(), TrackedSender.as_asgi())
    asking = [{"type": "websocket.receive", "text": str(count)}]
    yield from _compare("raw, send", sender, asking, count, SEND_GOAL, options)
    receiver = Base("raw", raw.driver, Receiver.as_asgi(), TrackedReceiver.as_asgi())
    yield from _compare("raw, receive", receiver, [TEXT] * count, count, None, options)
    count = options.size(2_000, 20)
    with without_thread_hops():
        yield from _compare(
            "channels, echo", channels, [TEXT] * count, count, ECHO_GOAL, options
        )


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
