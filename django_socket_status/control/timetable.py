"""Closes connections on one event loop, each at its moment.

Timers do it, and not a task that sleeps: an application, or a server that stops, finds
no task of this package that waits for a minute. What is late after the loop was stuck
is not closed at once: the clients would come back together.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.closing import BATCH, BATCH_SECONDS, give_up_later
from django_socket_status.registry.leaving import Departure

__all__ = ["Timetable"]

#: The time that the server has to take a close.
TAKING_SECONDS = 5.0

#: After a stall, this many times as many as on average are closed until none is late.
CATCHING_UP = 1.3
#: How much of that may go out at once.
BURST_SECONDS = 0.05

#: When to close a connection, by ``time.monotonic()``, and its place in the drain.
Moment = tuple[float, int]


class Timetable:
    """The moments of one event loop.

    Args:
        loop: The event loop.
        begins_at: When the window begins, by the clock.
        ends_at: When it ends. What is late then is closed without a limit.
        depart: Returns the departure of a connection by its place; ``None`` if there is
            nothing to close. Called on the loop.
        changed: Called on the loop when something has changed. Must not wait or raise.
        clock: Seconds that never go back, as event loops count them.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        depart: Callable[[int], Departure | None],
        changed: Callable[[], None],
        *,
        begins_at: float,
        ends_at: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._loop = loop
        self._depart = depart
        self._changed = changed
        self._begins_at, self._ends_at = begins_at, ends_at
        self._clock = clock
        #: The least seconds between two closes, and when the next one may be.
        self._pace = 0.0
        self._free_at = begins_at
        self._moments: list[Moment] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_stopped = False

    @property
    def is_done(self) -> bool:
        """Return whether it was stopped, and nothing more will be sent."""
        has_stopped = self._has_stopped and not self._tasks
        return has_stopped or self._loop.is_closed()

    def add(self, moments: Sequence[Moment]) -> None:
        """Hand moments to the loop. From any thread; does not wait."""
        self._call(self._add, moments)

    def stop(self) -> None:
        """Begin no further close, and give up those that the server has not taken."""
        self._call(self._stop)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop is closed, and all its connections are gone.
            self._has_stopped = True

    # On the loop.

    def _add(self, moments: Sequence[Moment]) -> None:
        if self._has_stopped:
            return
        for moment in moments:
            heapq.heappush(self._moments, moment)
        left = max(0.0, self._ends_at - max(self._begins_at, self._clock()))
        self._pace = left / (CATCHING_UP * len(self._moments))
        self._arm(0.0)

    def _stop(self) -> None:
        self._has_stopped = True
        self._moments.clear()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._changed()

    def _arm(self, least_seconds: float) -> None:
        """Wait for the next moment."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._moments:
            due_at = max(self._moments[0][0], min(self._free_at, self._ends_at))
            seconds = due_at - self._clock()
            self._timer = self._loop.call_later(max(least_seconds, seconds), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._clock()
        for _ in range(BATCH):
            if not self._moments or self._moments[0][0] > now:
                break
            if self._free_at > now and now < self._ends_at:
                break
            self._free_at = max(self._free_at, now - BURST_SECONDS) + self._pace
            self._begin(heapq.heappop(self._moments)[1])
        # After a loop was stuck, others of its callbacks run between two batches.
        self._arm(BATCH_SECONDS)

    def _begin(self, place: int) -> None:
        departure = self._depart(place)
        if departure is not None:
            task = self._loop.create_task(departure.close())
            self._tasks.add(task)
            task.add_done_callback(self._end)
            # After the first step of the task.
            self._loop.call_soon(give_up_later, task, self._loop, TAKING_SECONDS)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
        self._changed()
