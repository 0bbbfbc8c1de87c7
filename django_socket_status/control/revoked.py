"""Decides which connections belong to a session or a user that lost its access."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

from django_socket_status.control.openings import Openings
from django_socket_status.control.revocation import (
    RevocationOrder,
    SessionEnd,
    UserEnd,
)
from django_socket_status.control.session_keys import (
    auth_hash_of,
    keyed_hashes,
    session_key_of,
)
from django_socket_status.registry.lifecycle import OPEN, LiveConnection
from django_socket_status.users import user_id_of

__all__ = ["ByKey", "Ends", "Kept", "kept_of"]

#: Within so many seconds, the same end is known already.
SAME_SECONDS = 1.0


class Kept(NamedTuple):
    """An end that is in force."""

    end: SessionEnd | UserEnd
    at: float
    """When it took effect, by the clock."""
    expires_at: float

    def repeats(self, known: Kept | None) -> bool:
        """Return whether this is known: this process may have queued it itself."""
        if known is None:
            return False
        if isinstance(self.end, SessionEnd) or isinstance(known.end, SessionEnd):
            return self.end == known.end
        end = dataclasses.replace(self.end, ago_seconds=known.end.ago_seconds)
        return end == known.end and abs(self.at - known.at) <= SAME_SECONDS


#: The keyed hash of a session's key, or a user and the reason.
Key = str | tuple[str, str]
ByKey = dict[Key, Kept]


class Ends:
    """Decides why a connection is to be closed, if it is.

    Args:
        kept: The ends that are in force.
        openings: When connections opened.
    """

    def __init__(self, kept: ByKey, openings: Openings) -> None:
        self._kept = kept
        self._openings = openings
        #: Users whose session ended; ``None`` among them: the user is not known.
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

    def _loses(self, kept: Kept, connection: LiveConnection) -> bool:
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


def kept_of(order: RevocationOrder, at: float) -> Iterator[tuple[Key, Kept]]:
    """Yield the ends of an order that was given at this time, by the clock."""
    expires_at = at + order.seconds
    for session in order.sessions:
        for it in session.hashes:
            yield it, Kept(session, at, expires_at)
    for user in order.users:
        yield (
            (user.user_id, user.reason),
            Kept(user, at - user.ago_seconds, expires_at),
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
