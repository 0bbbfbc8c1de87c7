"""The execution of one command in this worker: its closes, and their outcome by now."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.closing import close_all
from django_socket_status.control.texts import DisconnectOrder, Outcome
from django_socket_status.registry.leaving import Departure
from django_socket_status.registry.lifecycle import LiveConnection

__all__ = ["Execution"]

#: For how long after the deadline closes still begin, and outcomes still change.
AFTERWARDS_SECONDS = 60.0
#: With a rate, that is what it takes, but at most an hour.
LONGEST_SECONDS = 3600.0

#: The pause between two looks, for each connection that has not ended: some fifty times
#: what a look at it takes. It is short as soon as few are left.
LOOK_SECONDS_EACH, LONGEST_LOOK_SECONDS = 1e-4, 1.0

#: Connections that are looked at before the host's event loop gets the interpreter.
GRAIN = 500
#: Not zero: see ``reporter/full_report.py``.
REST_SECONDS = 0.0002


class _State(NamedTuple):
    """What has become of the connections."""

    ended: collections.Counter[str]
    codes: collections.Counter[int]
    pending: list[Departure]
    """Those that have not ended, as far as was looked."""


class Execution:
    """The execution of one command."""

    def __init__(
        self,
        departures: Sequence[Departure],
        order: DisconnectOrder,
        *,
        until: float,
        changed: Callable[[], None],
    ) -> None:
        self.until = until
        paced = len(departures) / order.rate if order.rate else 0.0
        self.ends_at = until + min(paced + AFTERWARDS_SECONDS, LONGEST_SECONDS)
        self.forget_at = self.ends_at + AFTERWARDS_SECONDS
        #: The last text that the store has taken.
        self.taken = ""
        self._matched = len(departures)
        self._is_dry = self._is_stopped = order.dry_run
        #: One assignment replaces it, so that no reader needs a lock.
        self._state = _State(
            collections.Counter(),
            collections.Counter(),
            [] if order.dry_run else list(departures),
        )
        #: What was found by the last look, and when to look next.
        self._seen: Outcome | None = None
        self._look_at = float("-inf")
        self._closings = (
            ()
            if order.dry_run
            else close_all(departures, until=until, rate=order.rate, changed=changed)
        )

    @property
    def _is_over(self) -> bool:
        return self._is_stopped and all(it.is_done for it in self._closings)

    def outcome(self, *, settles: bool = False, is_last: bool = False) -> Outcome:
        """Return the outcome by now. O(connections that have not ended).

        Args:
            settles: Whether to count those that have ended for good, and to let the
                host run meanwhile; then it may be a second old while many have not
                ended. For one thread at a time.
            is_last: Whether it must not be old.
        """
        if not settles:
            return self._look(settles=False)
        now = monotonic()
        if self._seen is None or is_last or now >= self._look_at:
            self._seen = self._look(settles=True)
            pause = LOOK_SECONDS_EACH * len(self._state.pending)
            self._look_at = now + min(pause, LONGEST_LOOK_SECONDS)
        return self._seen

    def _look(self, *, settles: bool) -> Outcome:
        state = self._state
        ended, ended_codes = state.ended.copy(), state.codes.copy()
        others: collections.Counter[str] = collections.Counter()
        codes: collections.Counter[int] = collections.Counter()
        left: list[Departure] = []
        for place, departure in enumerate(state.pending, 1):
            became = departure.outcome()
            if became in ("closed", "gone"):
                ended[became] += 1
                ended_codes[departure.code] += became == "closed"
            else:
                others[became] += 1
                codes[departure.code] += became == "sent"
                left.append(departure)
            if settles and not place % GRAIN:
                time.sleep(REST_SECONDS)
        if settles:
            self._state = _State(ended, ended_codes, left)
        if self._is_dry:
            others["unsent"] = self._matched
        return Outcome(
            matched=self._matched,
            closed=ended["closed"],
            gone=ended["gone"],
            sent=others["sent"],
            unsent=others["unsent"],
            codes=dict(+(ended_codes + codes)),
            is_final=self._is_over or not left,
        )

    def is_settled(self, own: Collection[LiveConnection] | None) -> bool:
        """Return whether there is nothing to wait for.

        Args:
            own: The connections whose applications cannot end before the caller goes
                on: it is enough that the server took their closes. ``None``: all.
        """
        # An event loop may ask: no lock, and no further than to the first.
        return self._is_over or all(
            (became := it.outcome()) in ("closed", "gone")
            or (became == "sent" and (own is None or it.connection in own))
            for it in self._state.pending
        )

    def stop(self) -> None:
        """Stop what is not done."""
        if self._is_stopped:
            return
        self._is_stopped = True
        for departure in tuple(self._state.pending):
            departure.give_up()
        for closing in self._closings:
            closing.stop()
        self._seen = None
