from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from django_socket_status.control.timetable import Timetable
from django_socket_status.testing import Clock

COUNT, SECONDS = 6_000, 60


class Handle:
    """A timer of the loop below."""

    def __init__(self, when: float, function: Callable[[], None]) -> None:
        self.when = when
        self.function = function
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Loop:
    """An event loop whose timers run when a test says so."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.timers: list[Handle] = []

    def call_soon_threadsafe(self, function: Any, *arguments: Any) -> None:
        function(*arguments)

    def call_later(self, seconds: float, function: Callable[[], None]) -> Handle:
        self.timers.append(Handle(self.clock.now + seconds, function))
        return self.timers[-1]

    def is_closed(self) -> bool:
        return False

    def run_until(self, when: float) -> None:
        """Run the timers up to an instant; those that are late already run now."""
        while True:
            self.timers = [it for it in self.timers if not it.is_cancelled]
            timer = min(self.timers, key=lambda it: it.when, default=None)
            if timer is None or timer.when > when:
                self.clock.now = max(self.clock.now, when)
                return
            self.timers.remove(timer)
            self.clock.now = max(self.clock.now, timer.when)
            timer.function()


class Drain:
    """A timetable, and when it closed what."""

    def __init__(self) -> None:
        self.clock = Clock(0.0)
        self.loop = Loop(self.clock)
        self.closed: list[float] = []
        self.table = Timetable(
            cast(asyncio.AbstractEventLoop, self.loop),
            self._depart,
            lambda: None,
            begins_at=0.0,
            ends_at=float(SECONDS),
            clock=self.clock,
        )
        self.table.add([(SECONDS * it / COUNT, it) for it in range(COUNT)])

    def _depart(self, place: int) -> None:
        self.closed.append(self.clock.now)

    @property
    def busiest(self) -> float:
        """Return how many times the mean the busiest second closed."""
        by_second = Counter(int(it) for it in self.closed if it < SECONDS)
        return max(by_second.values()) / (COUNT / SECONDS)


@pytest.fixture
def drain() -> Drain:
    return Drain()


def test_each_second_closes_the_same(drain):
    drain.loop.run_until(SECONDS)
    assert len(drain.closed) == COUNT
    assert drain.busiest <= 1.02


def test_stuck_loop_does_not_close_what_is_late_at_once(drain):
    drain.loop.run_until(20)
    # Nothing runs for three seconds.
    drain.clock.now = 23.0
    drain.loop.run_until(SECONDS)
    assert len(drain.closed) == COUNT
    assert 1.2 < drain.busiest <= 1.5


def test_what_is_late_at_the_end_of_the_window_is_closed_at_once(drain):
    drain.loop.run_until(20)
    drain.clock.now = 55.0
    drain.loop.run_until(SECONDS)
    assert drain.busiest <= 1.5
    assert len(drain.closed) < COUNT
    drain.loop.run_until(SECONDS + 5)
    assert len(drain.closed) == COUNT


def test_many_at_a_time_are_not_held_up_by_their_timers():
    drain = Drain()
    drain.closed.clear()
    drain.table.add([(SECONDS * it / 60_000, it) for it in range(60_000)])
    drain.loop.run_until(SECONDS + 1)
    assert len(drain.closed) == COUNT + 60_000


def test_stop_closes_nothing_more(drain):
    drain.loop.run_until(20)
    closed = len(drain.closed)
    drain.table.stop()
    drain.table.add([(30.0, 1)])
    drain.loop.run_until(SECONDS)
    assert len(drain.closed) == closed
    assert drain.table.is_done
