"""Decides whether a connection was open at some instant, whatever the clock did since.

``opened_at`` is by the wall clock, which may be set at any time. But a connection gets
its number in the drain that counts it, and drains happen every moment. So its number
says between which two drains it opened, by a clock that never goes back. Within that
interval, ``opened_at`` decides, with the wall clock as it was set then.
"""

from __future__ import annotations

import bisect
import collections
from collections.abc import Callable
from typing import NamedTuple

from django_socket_status.concurrency import clock as clocks

__all__ = ["Openings"]

#: Drains that are remembered: at least half a minute of them at the default interval.
#: A command is younger, or everything older counts as one interval.
MAX_DRAINS = 600
#: How exact two clocks that are read one after the other are, in seconds.
_TOLERANCE = 0.005


class _Drain(NamedTuple):
    last_number: int
    """The largest number that it gave."""
    began: float
    ended: float
    offset: float
    """The wall clock less the other one."""


class Openings:
    """When the connections of this process opened. For one thread at a time.

    Args:
        clock: Seconds that never go back.
        wall_clock: Seconds since the epoch.
    """

    def __init__(
        self,
        clock: Callable[[], float] = clocks.monotonic,
        wall_clock: Callable[[], float] = clocks.wall_clock,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._drains: collections.deque[_Drain] = collections.deque(maxlen=MAX_DRAINS)

    def note(self, last_number: int, began: float) -> None:
        """Note a drain that gave numbers up to this one, and when it began."""
        drains = self._drains
        if last_number and (not drains or drains[-1].last_number < last_number):
            # In this order: a pause in between lets connections seem younger, which
            # spares them.
            wall = self._wall_clock()
            now = self._clock()
            drains.append(_Drain(last_number, began, now, wall - now))

    def were_open(self, at: float) -> Callable[[int, float], bool]:
        """Return what tells whether a connection was open at an instant.

        Args:
            at: The instant, by the clock that never goes back.

        Returns:
            A function of the number of a connection and of its ``opened_at``. In
            doubt, it returns false.
        """
        drains = list(self._drains)
        numbers = [it.last_number for it in drains]
        # Up to here, the number alone decides.
        certain = max((it.last_number for it in drains if it.ended <= at), default=0)

        def was_open(number: int, opened_at: float) -> bool:
            if number <= certain:
                return True
            place = bisect.bisect_left(numbers, number)
            if place == len(drains):
                return False
            until = drains[place]
            since = drains[place - 1] if place else None
            if since is not None and since.began >= at:
                return False
            return _opened(opened_at, since, until) < at

        return was_open

    def forget(self) -> None:
        """Begin as another process."""
        self._drains.clear()


def _opened(opened_at: float, since: _Drain | None, until: _Drain) -> float:
    """Return when a connection opened, at the latest, by the other clock."""
    earliest = since.began if since is not None else float("-inf")
    offsets = {it.offset for it in (since, until) if it is not None}
    found = [
        opened_at - offset
        for offset in offsets
        if earliest - _TOLERANCE <= opened_at - offset <= until.ended + _TOLERANCE
    ]
    return max(found, default=until.ended)
