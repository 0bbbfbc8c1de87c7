"""The drain of this worker: every connection is closed at its own random moment."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import itertools
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.drain_orders import DrainOrder
from django_socket_status.control.execution import (
    AFTERWARDS_SECONDS,
    GRAIN,
    REST_SECONDS,
)
from django_socket_status.control.texts import Outcome
from django_socket_status.control.timetable import TAKING_SECONDS, Moment, Timetable
from django_socket_status.registry.intake import Intake
from django_socket_status.registry.leaving import Departure
from django_socket_status.registry.lifecycle import OPEN, LiveConnection

__all__ = ["Draining", "Window"]

#: How often the connections are looked at, to say what became of them.
LOOK_SECONDS = 0.5


class Window(NamedTuple):
    """When the connections of a worker are closed, by ``time.monotonic()``."""

    begins_at: float
    ends_at: float
    code: int
    reason: str

    def moment(self, now: float, chance: float) -> float:
        """Return a moment of what is left, for a chance from 0 to 1."""
        begins_at = max(self.begins_at, now)
        return begins_at + chance * max(0.0, self.ends_at - begins_at)


class Draining:
    """The execution of one drain in this worker.

    Everything but :attr:`window`, :attr:`is_draining` and :meth:`outcome` is for the
    thread that holds the reporter's lock. The event loops take connections out of
    :attr:`_waiting`, each in one step.

    Args:
        order: What to do.
        intake: The connections.
        at: When the drain was asked for, by the clock.
        code: The close code that this server can send.
        changed: Called on an event loop when something has changed. Must not wait.
        is_meant: Whether this worker drains, or only answers that it does not.
        clock: Seconds that never go back, as event loops count them.
    """

    def __init__(
        self,
        order: DrainOrder,
        intake: Intake,
        *,
        at: float,
        code: int,
        changed: Callable[[], None],
        is_meant: bool = True,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        begins_at = at + order.grace_seconds
        ends_at = begins_at + order.over_seconds
        self.window = Window(begins_at, ends_at, code, order.reason)
        #: Its outcome is read with the reports, which come often enough.
        self.until = float("-inf")
        self.ends_at = ends_at + TAKING_SECONDS + AFTERWARDS_SECONDS
        self.forget_at = self.ends_at + AFTERWARDS_SECONDS
        #: The last text that the store has taken.
        self.taken = ""
        self._intake = intake
        self._changed = changed
        self._clock = clock
        # System random numbers: forked workers must not choose the same moments.
        self._random = random.SystemRandom()
        self._places = itertools.count()
        self._last_number = 0
        self._timetables: dict[asyncio.AbstractEventLoop, Timetable] = {}
        self._waiting: dict[int, LiveConnection] = {}
        #: Those whose moment has come, as the loops add them.
        self._begun: collections.deque[Departure] = collections.deque()
        #: The same, as far as they have not ended.
        self._pending: list[Departure] = []
        self._ended: collections.Counter[str] = collections.Counter()
        self._codes: collections.Counter[int] = collections.Counter()
        self._is_meant = is_meant
        self._is_stopped = not is_meant
        self._looked_at = float("-inf")
        self._outcome = Outcome(is_final=not is_meant, waiting=0 if is_meant else None)

    @property
    def is_draining(self) -> bool:
        """Return whether what opens now gets a moment, too."""
        return not self._is_stopped and self._clock() < self.window.ends_at

    def welcome(self) -> int:
        """Give every counted connection that has none its moment. O(connections).

        Returns:
            How many there were.
        """
        found = [
            it
            for it in tuple(self._intake.counted)
            if it.number > self._last_number and it.state == OPEN
        ]
        if found:
            self._last_number = max(it.number for it in found)
            self._shuffle(found)
            for piece in _pieces(found, self._moments(len(found))):
                self._schedule(piece)
                time.sleep(REST_SECONDS)
            known = self._outcome
            self._outcome = dataclasses.replace(
                known,
                matched=known.matched + len(found),
                waiting=(known.waiting or 0) + len(found),
            )
        return len(found)

    def _shuffle(self, found: list[LiveConnection]) -> None:
        """Shuffle in place, and let the host run meanwhile."""
        for place in range(len(found) - 1, 0, -1):
            other = int(self._random.random() * (place + 1))
            found[place], found[other] = found[other], found[place]
            if not place % GRAIN:
                time.sleep(REST_SECONDS)

    def _moments(self, number: int) -> Iterator[float]:
        """Yield a moment for each of some connections in random order, ascending.

        One falls into each part of the window, so no second has many more than another.
        """
        now = self._clock()
        for place in range(number):
            chance = (place + self._random.random()) / number
            yield self.window.moment(now, chance)

    def _schedule(self, piece: Sequence[tuple[LiveConnection, float]]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Moment]] = {}
        for connection, moment in piece:
            place = next(self._places)
            self._waiting[place] = connection
            # Without an event loop of asyncio, it cannot be closed.
            if connection.loop is not None:
                by_loop.setdefault(connection.loop, []).append((moment, place))
        for loop, moments in by_loop.items():
            if loop not in self._timetables:
                self._timetables[loop] = Timetable(
                    loop,
                    self._depart,
                    self._changed,
                    begins_at=self.window.begins_at,
                    ends_at=self.window.ends_at,
                    clock=self._clock,
                )
            self._timetables[loop].add(moments)

    def _depart(self, place: int) -> Departure | None:
        """Return the departure of a connection. On its event loop."""
        connection = self._waiting.pop(place, None)
        if connection is None:
            # It has ended.
            return None
        departures = self._intake.departures
        known = departures.get(connection)
        if known is not None and not known.has_failed:
            # A disconnect closes it already.
            self._begun.append(known)
            return None
        _, _, code, reason = self.window
        departure = Departure(connection, code, reason, "drain")
        departures[connection] = departure
        self._begun.append(departure)
        return departure

    def outcome(self, *, settles: bool = False, is_last: bool = False) -> Outcome:
        """Return the outcome by now; half a second old at most while many wait.

        Args:
            settles: Whether to look at the connections. O(connections that have not
                ended), for one thread at a time; lets the host run meanwhile.
            is_last: Whether it must not be old.
        """
        now = self._clock()
        is_due = is_last or now >= self._looked_at + LOOK_SECONDS
        if settles and (is_due or len(self._waiting) < GRAIN):
            self._looked_at = now
            self._outcome = self._look()
        return self._outcome

    def _look(self) -> Outcome:
        # First: what is said then is not changed by what a loop does meanwhile.
        is_over = self._is_over
        self._settle_waiting()
        others, sent = self._settle_begun()
        waiting = len(self._waiting)
        unsent = others["unsent"] + (0 if self.is_draining else waiting)
        parts = {**self._ended, "sent": others["sent"], "unsent": unsent}
        still = waiting if self.is_draining else 0
        return Outcome(
            **parts,
            matched=sum(parts.values()) + still,
            waiting=still if self._is_meant else None,
            codes=dict(+(self._codes + sent)),
            is_final=is_over or not (self.is_draining or waiting or self._pending),
        )

    @property
    def _is_over(self) -> bool:
        return self._is_stopped and all(it.is_done for it in self._timetables.values())

    def _settle_waiting(self) -> None:
        for number, (place, connection) in enumerate(tuple(self._waiting.items()), 1):
            loop = connection.loop
            has_ended = connection.state > OPEN or (
                loop is not None and loop.is_closed()
            )
            if has_ended and self._waiting.pop(place, None) is not None:
                self._ended["gone"] += 1
            if not number % GRAIN:
                time.sleep(REST_SECONDS)

    def _settle_begun(
        self,
    ) -> tuple[collections.Counter[str], collections.Counter[int]]:
        while self._begun:
            self._pending.append(self._begun.popleft())
        others: collections.Counter[str] = collections.Counter()
        sent: collections.Counter[int] = collections.Counter()
        left = []
        for departure in self._pending:
            became = departure.outcome()
            if became in ("closed", "gone"):
                self._ended[became] += 1
                self._codes[departure.code] += became == "closed"
                # Nothing is to be judged any more.
                if departure.connection is not None:
                    self._intake.departures.pop(departure.connection, None)
            else:
                others[became] += 1
                sent[departure.code] += became == "sent"
                left.append(departure)
        self._pending = left
        return others, sent

    def is_settled(self, own: Collection[LiveConnection] | None) -> bool:
        """Return true: who asks for a drain does not wait for its ends like this."""
        return True

    def stop(self) -> None:
        """Stop what is not done."""
        if not self._is_stopped:
            self._is_stopped = True
            for timetable in self._timetables.values():
                timetable.stop()


def _pieces(
    found: Sequence[LiveConnection], moments: Iterator[float]
) -> Iterator[Sequence[tuple[LiveConnection, float]]]:
    both = zip(found, moments, strict=True)
    while piece := tuple(itertools.islice(both, GRAIN)):
        yield piece
