"""Closes what belongs to sessions and users that lost their access, for a while.

A handshake may have looked up a session just before it was signed out, and open its
socket just after. So a worker keeps each order until it expires, and compares with it
the connections that open meanwhile.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from django_socket_status.control.execution import Execution
from django_socket_status.control.openings import Openings
from django_socket_status.control.revocation import (
    CLOSE_CODE,
    RevocationOrder,
    SessionEnd,
    UserEnd,
)
from django_socket_status.control.selector import Selector
from django_socket_status.control.session_keys import (
    auth_hash_of,
    keyed_hashes,
    session_key_of,
)
from django_socket_status.control.texts import DisconnectOrder
from django_socket_status.registry.leaving import Departure
from django_socket_status.registry.lifecycle import OPEN, LiveConnection
from django_socket_status.registry.registry import Registry
from django_socket_status.users import user_id_of

__all__ = ["Revocations"]

#: The most ends that are kept: more than a store has commands for.
MAX_KEPT = 20_000
#: Within so many seconds, the same end is known already.
SAME_SECONDS = 1.0
#: As in :mod:`.matching`.
GRAIN, PIECE_SECONDS, REST_SECONDS = 50, 0.0005, 0.0002


class _Kept(NamedTuple):
    """An end that is in force."""

    end: SessionEnd | UserEnd
    at: float
    """When it took effect, by the clock."""
    expires_at: float

    def repeats(self, known: _Kept | None) -> bool:
        """Return whether this is known: this process may have queued it itself."""
        if known is None or abs(self.at - known.at) > SAME_SECONDS:
            return False
        if isinstance(self.end, UserEnd) and isinstance(known.end, UserEnd):
            return dataclasses.replace(self.end, ago_seconds=known.end.ago_seconds) == (
                known.end
            )
        return self.end == known.end


#: The keyed hash of a session's key, or a user and the reason.
_Key = str | tuple[str, str]
_ByKey = dict[_Key, _Kept]


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._openings = openings
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin as another worker. What was begun is not stopped."""
        self._kept: _ByKey = {}
        self._ends = _Ends(self._kept, self._openings)
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
            for key, it in _kept_of(order, at)
            if not it.repeats(self._kept.get(key))
        }
        if not kept:
            return
        self._keep(kept)
        counted = tuple(self._registry.intake.counted)
        self._close(counted, _Ends(kept, self._openings))

    def _keep(self, kept: _ByKey) -> None:
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
        self._ends = _Ends(self._kept, self._openings)

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
                if departing.get(it.connection) is it:
                    del departing[it.connection]

    def _close(self, connections: Iterable[LiveConnection], ends: _Ends) -> None:
        ends.look_again()
        by_reason: dict[str, list[LiveConnection]] = {}
        for connection in _in_pieces(connections):
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
                departure = Departure(connection, CLOSE_CODE, reason)
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


class _Ends:
    """Decides why a connection is to be closed, if it is."""

    def __init__(self, kept: _ByKey, openings: Openings) -> None:
        self._kept = kept
        self._openings = openings
        #: Users of whom a session ended; ``None`` among them: it may be any user's.
        self._signed_out = {
            it.end.user_id for it in kept.values() if isinstance(it.end, SessionEnd)
        }
        self._users = {key[0] for key in kept if isinstance(key, tuple)}
        self.look_again()

    def look_again(self) -> None:
        """Begin with other connections: it is known better now when they opened."""
        self._was_open: dict[float, Callable[[int, float], bool]] = {}

    def reason_for(self, connection: LiveConnection) -> str | None:
        """Return the reason; ``None`` if the connection may stay."""
        if connection.state != OPEN or connection.scope is None:
            return None
        try:
            user_id = _user_id(connection)
            if user_id in self._users:
                reason = self._reason_of_user(user_id, connection)
                if reason is not None:
                    return reason
            return "logout" if self._is_signed_out(user_id, connection) else None
        except Exception:  # noqa: BLE001 - a session or user of the project may raise
            return None

    def _is_signed_out(self, user_id: str | None, connection: LiveConnection) -> bool:
        signed_out = self._signed_out
        if not signed_out:
            return False
        # An anonymous connection may have a user that cannot be seen.
        if user_id is not None and not {None, user_id} & signed_out:
            return False
        return any(it in self._kept for it in _session_hashes(connection))

    def _reason_of_user(
        self, user_id: str | None, connection: LiveConnection
    ) -> str | None:
        for reason in ("deactivation", "password_change"):
            kept = self._kept.get((user_id or "", reason))
            if kept is not None and self._loses(kept, connection):
                return reason
        return None

    def _loses(self, kept: _Kept, connection: LiveConnection) -> bool:
        end = kept.end
        assert isinstance(end, UserEnd)  # noqa: S101
        if end.is_final:
            return True
        if end.keep and not set(end.keep).isdisjoint(_session_hashes(connection)):
            return False
        if self._opened_before(kept.at, connection):
            return True
        # It opened afterwards: with the old password, or with the new one?
        auth_hash = auth_hash_of(connection.scope or {})
        return (
            auth_hash is not None
            and bool(end.current)
            and set(end.current).isdisjoint(keyed_hashes(auth_hash))
        )

    def _opened_before(self, at: float, connection: LiveConnection) -> bool:
        was_open = self._was_open.get(at)
        if was_open is None:
            was_open = self._was_open[at] = self._openings.were_open(at)
        return was_open(connection.number, connection.opened_at)


def _kept_of(order: RevocationOrder, at: float) -> Iterator[tuple[_Key, _Kept]]:
    expires_at = at + order.seconds
    for session in order.sessions:
        for it in session.hashes:
            yield it, _Kept(session, at, expires_at)
    for user in order.users:
        yield (
            (user.user_id, user.reason),
            _Kept(user, at - user.ago_seconds, expires_at),
        )


def _user_id(connection: LiveConnection) -> str | None:
    """Return the user that a connection is counted for, or else that of its scope."""
    counted = connection.counted_user
    if isinstance(counted, str):
        return counted
    return user_id_of((connection.scope or {}).get("user"))


def _session_hashes(connection: LiveConnection) -> tuple[str, ...]:
    key = session_key_of(connection.scope or {})
    return () if key is None else keyed_hashes(key)


def _in_pieces(connections: Iterable[LiveConnection]) -> Iterator[LiveConnection]:
    """Yield connections, and let the host's event loop run in between."""
    left = iter(connections)
    began = time.perf_counter()
    while some := tuple(itertools.islice(left, GRAIN)):
        yield from some
        if time.perf_counter() - began > PIECE_SECONDS:
            time.sleep(REST_SECONDS)
            began = time.perf_counter()
