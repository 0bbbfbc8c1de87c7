"""Closes connections on the event loops that own them, a few at a time.

A loop that has to write ten thousand close frames at once serves nothing else for
seconds. So a task on each loop closes a batch, and lets the loop run before the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.registry.leaving import Departure

__all__ = ["BATCH", "BATCH_SECONDS", "Closing", "close_all", "give_up_later"]

#: So many at a time, and so long from one batch to the next: 2,780 in a second.
BATCH, BATCH_SECONDS = 5, 0.0018
#: The time that the server has for a close that began after the deadline, or so
#: shortly before it.
LEAST_SECONDS, SHORT_SECONDS = 1.0, 0.05


class Closing:
    """The closes of one command on one event loop.

    Args:
        loop: The event loop.
        departures: The connections, all of this loop.
        until: When the server must have taken a close, by ``time.monotonic()``. One
            that began later has :data:`LEAST_SECONDS`.
        rate: The most closes per second; ``None`` for no limit.
        changed: Called on the loop when something has changed. Must not wait or raise.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        departures: Sequence[Departure],
        *,
        until: float,
        rate: float | None,
        changed: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._departures = departures
        self._until = until
        self._rate = rate
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._has_ended = False

    @property
    def is_done(self) -> bool:
        """Return whether nothing more will be sent."""
        return self._has_ended or self._loop.is_closed()

    def start(self) -> None:
        """Hand the closes to the loop. From any thread; does not wait."""
        self._call(self._begin)

    def stop(self) -> None:
        """Begin no further close, and give up those that the server has not taken."""
        self._is_stopped = True
        self._call(self._cancel)

    def _call(self, function: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            # The loop is closed, and all its connections are gone.
            self._has_ended = True

    def _begin(self) -> None:
        if self._is_stopped:
            self._has_ended = True
        else:
            self._task = self._loop.create_task(self._run())

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        size = BATCH if self._rate is None else max(1, min(BATCH, int(self._rate)))
        period = BATCH_SECONDS if self._rate is None else size / self._rate
        due_at = monotonic()
        try:
            for first in range(0, len(self._departures), size):
                await asyncio.sleep(due_at - monotonic())
                began = monotonic()
                batch = [
                    self._loop.create_task(it.close())
                    for it in self._departures[first : first + size]
                ]
                tasks.update(batch)
                # Those that the server takes at once are done in the next turn.
                await asyncio.sleep(0)
                for task in batch:
                    if task.done():
                        tasks.discard(task)
                    else:
                        task.add_done_callback(tasks.discard)
                        give_up_later(task, self._loop, self._seconds_left())
                self._changed()
                # A slow loop has as much time for others, and nothing is caught up.
                now = monotonic()
                due_at = max(due_at + period, now + (now - began))
            if tasks:
                await asyncio.wait(tasks)
        finally:
            # Cancelled: nothing that is not done may be left behind.
            for task in tasks:
                task.cancel()
            self._has_ended = True
            self._changed()

    def _seconds_left(self) -> float:
        left = self._until - monotonic()
        return left if left > SHORT_SECONDS else LEAST_SECONDS


def give_up_later(
    task: asyncio.Task[None], loop: asyncio.AbstractEventLoop, seconds: float
) -> None:
    """Cancel a close that the server has not taken in time.

    Call it when the task has begun: one that never did would close nothing.
    """
    if not task.done():
        timer = loop.call_later(seconds, task.cancel)
        task.add_done_callback(lambda _: timer.cancel())


def close_all(
    departures: Sequence[Departure],
    *,
    until: float,
    rate: float | None,
    changed: Callable[[], None],
) -> Sequence[Closing]:
    """Begin to close connections, each on its loop. From any thread; does not wait.

    A connection without an event loop of asyncio cannot be closed.
    """
    by_loop: dict[asyncio.AbstractEventLoop, list[Departure]] = {}
    for departure in departures:
        connection = departure.connection
        if connection is not None and connection.loop is not None:
            by_loop.setdefault(connection.loop, []).append(departure)
    closings = [
        Closing(loop, them, until=until, rate=rate, changed=changed)
        for loop, them in by_loop.items()
    ]
    for closing in closings:
        closing.start()
    return closings
