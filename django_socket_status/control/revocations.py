"""Closes what belongs to sessions and users that lost their access, for a while.

A handshake may have looked up a session just before it was signed out, and open its
socket just after. So a worker keeps each order until it expires, and compares with it
the connections that open meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.execution import Execution
from django_socket_status.control.matching import in_pieces
from django_socket_status.control.openings import Openings
from django_socket_status.control.revocation import CLOSE_CODE, RevocationOrder
from django_socket_status.control.revoked import ByKey, Ends, kept_of
from django_socket_status.control.selector import Selector
from django_socket_status.control.texts import DisconnectOrder
from django_socket_status.registry.leaving import Departure
from django_socket_status.registry.lifecycle import LiveConnection
from django_socket_status.registry.registry import Registry

__all__ = ["Revocations"]

#: The most ends that are kept: more than a store has commands for.
MAX_KEPT = 20_000


class Revocations:
    """The orders that are in force in this process. For one thread at a time.

    Args:
        registry: The connections of this process.
        openings: When they opened.
        clock: Seconds that never go back, as event loops count them.
    """

    def __init__(
        self,
        registry: Registry,
        openings: Openings,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._registry = registry
        self._openings = openings
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin as another worker. What was begun is not stopped."""
        self._kept: ByKey = {}
        self._ends = Ends(self._kept, self._openings)
        self._running: list[tuple[Execution, Sequence[Departure]]] = []
        self._forget_at = float("inf")

    @property
    def is_closing(self) -> bool:
        """Return whether a close is on its way."""
        return bool(self._running)

    def take(self, order: RevocationOrder, at: float) -> None:
        """Close what an order means, and keep the order until it expires.

        Args:
            order: What to close.
            at: When it was given, by the clock.
        """
        kept = {
            key: it
            for key, it in kept_of(order, at)
            if not it.repeats(self._kept.get(key))
        }
        if not kept:
            return
        self._keep(kept)
        self._close(self._candidates(kept), Ends(kept, self._openings))

    def _candidates(self, kept: ByKey) -> Sequence[LiveConnection]:
        """Return the connections that may be meant: all, if only a scan finds them."""
        users = {it.end.user_id for it in kept.values()}
        # An anonymous connection may have a user that cannot be seen.
        is_known = None not in users and not self._registry.anonymous
        found: list[LiveConnection] = []
        for user_id in users if is_known else ():
            some = self._registry.connections_of(user_id or "")
            is_known = is_known and some is not None
            found += some or ()
        return found if is_known else tuple(self._registry.intake.counted)

    def _keep(self, kept: ByKey) -> None:
        for key, it in kept.items():
            # A later change of the same user decides.
            if key not in self._kept or self._kept[key].at <= it.at:
                self._kept.pop(key, None)
                self._kept[key] = it
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._changed()

    def _changed(self) -> None:
        times = (it.expires_at for it in self._kept.values())
        self._forget_at = min(times, default=float("inf"))
        self._ends = Ends(self._kept, self._openings)

    def meet(self, opened: Sequence[LiveConnection]) -> None:
        """Close which of the connections that opened just now an order means."""
        now = self._clock()
        if now >= self._forget_at:
            kept = self._kept.items()
            self._kept = {key: it for key, it in kept if now < it.expires_at}
            self._changed()
        if self._kept and opened:
            self._close(opened, self._ends)
        if self._running:
            self._settle(now)

    def _settle(self, now: float) -> None:
        """Forget what has ended, and give up what takes too long."""
        running, self._running = self._running, []
        departing = self._registry.intake.departures
        for execution, departures in running:
            if now >= execution.ends_at:
                execution.stop()
            if not execution.outcome(settles=True).is_final:
                self._running.append((execution, departures))
                continue
            for it in departures:
                connection = it.connection
                if connection is not None and departing.get(connection) is it:
                    departing.pop(connection, None)

    def _close(self, connections: Iterable[LiveConnection], ends: Ends) -> None:
        ends.look_again()
        by_reason: dict[str, list[LiveConnection]] = {}
        for connection in in_pieces(connections):
            reason = ends.reason_for(connection)
            if reason is not None:
                by_reason.setdefault(reason, []).append(connection)
        for reason, found in by_reason.items():
            self._begin(reason, found)

    def _begin(self, reason: str, connections: Iterable[LiveConnection]) -> None:
        intake = self._registry.intake
        departures = []
        for connection in connections:
            known = intake.departures.get(connection)
            if known is None or known.has_failed:
                departure = Departure(connection, CLOSE_CODE, reason, "sign_out")
                intake.departures[connection] = departure
                departures.append(departure)
        if departures:
            order = DisconnectOrder(
                selector=Selector(), code=CLOSE_CODE, reason=reason, wait_seconds=0.0
            )
            now = self._clock()
            execution = Execution(departures, order, until=now, changed=self._wake)
            self._running.append((execution, departures))

    def _wake(self) -> None:
        intake = self._registry.intake
        if intake.quiet:
            intake.wake()
