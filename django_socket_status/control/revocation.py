"""The order to close the connections of sessions and users that lost their access."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django_socket_status.validation import damaged, valid_seconds, valid_text

__all__ = [
    "CLOSE_CODE",
    "MAX_HASHES",
    "REQUESTED_BY",
    "RevocationOrder",
    "SessionEnd",
    "UserEnd",
    "packed",
]

#: What clients get, with the event as the reason: see ``CLOSE_ON``.
CLOSE_CODE = 4401
REQUESTED_BY = "CLOSE_ON"
#: The most hashes of each kind that one end may have: then its text is below 4 KiB.
MAX_HASHES = 40
#: The most characters of an order: somewhat less than a command may have.
MAX_CHARACTERS = 4000
#: The most seconds that an order may speak of.
MAX_SECONDS = 3600.0
_VERSION = 1
_REASONS = ("password_change", "deactivation")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """A session that was signed out."""

    hashes: tuple[str, ...]
    """The keyed hashes of its key, and of its earlier keys."""
    user_id: str | None
    """Who was signed in, if that is known."""

    def as_json(self) -> list[str | None]:
        """Return the end as JSON has it."""
        return [self.user_id, *self.hashes[:MAX_HASHES]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UserEnd:
    """A user who was deactivated or deleted, or whose password changed."""

    user_id: str
    reason: str
    """``"password_change"`` or ``"deactivation"``."""
    ago_seconds: float = 0.0
    """How long before the order was given that took effect."""
    current: tuple[str, ...] = ()
    """The keyed hashes of what sessions have that signed in with the new password."""
    keep: tuple[str, ...] = ()
    """The keyed hashes of the sessions that stay."""

    @property
    def is_final(self) -> bool:
        """Return whether no connection of the user may stay, whenever it opened."""
        return self.reason == "deactivation"

    def as_json(self) -> dict[str, Any]:
        """Return the end as JSON has it."""
        hashes = {
            "current": self.current[:MAX_HASHES],
            "keep": self.keep[:MAX_HASHES],
        }
        return {**dataclasses.asdict(self), **hashes}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RevocationOrder:
    """The order to close what belongs to any of these, and what opens meanwhile."""

    sessions: Sequence[SessionEnd] = ()
    users: Sequence[UserEnd] = ()
    seconds: float = 0.0
    """For how long it concerns what opens."""

    @property
    def selector(self) -> dict[str, Any]:
        """Return what is closed, for people: how many sessions, and which users."""
        found = {
            "sessions": len(self.sessions),
            "user_ids": [it.user_id for it in self.users],
        }
        return {name: value for name, value in found.items() if value}

    def as_dict(self) -> dict[str, Any]:
        """Return the order as JSON has it."""
        return {
            "do": "revoke",
            "seconds": self.seconds,
            "sessions": [it.as_json() for it in self.sessions],
            "users": [it.as_json() for it in self.users],
        }

    def to_text(self) -> str:
        """Return the text of the order."""
        return _to_json({"v": _VERSION, **self.as_dict()})

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> RevocationOrder:
        """Return the order of JSON. Raises what JSON of another form leads to."""
        return cls(
            sessions=tuple(
                SessionEnd(hashes=_hashes(hashes), user_id=_user_id(user_id))
                for user_id, *hashes in body["sessions"]
            ),
            users=tuple(_user_end(**it) for it in body["users"]),
            seconds=_seconds(body["seconds"]),
        )


def packed(
    ends: Iterable[SessionEnd | UserEnd], seconds: float
) -> tuple[RevocationOrder, int]:
    """Return an order with as many ends, of the first ones, as fit; and how many."""
    taken: list[SessionEnd | UserEnd] = []
    size = len(RevocationOrder().to_text())
    for end in ends:
        size += len(_to_json(end.as_json())) + 1
        if taken and size > MAX_CHARACTERS:
            break
        taken.append(end)
    order = RevocationOrder(
        sessions=tuple(it for it in taken if isinstance(it, SessionEnd)),
        users=tuple(it for it in taken if isinstance(it, UserEnd)),
        seconds=seconds,
    )
    return order, len(taken)


def _to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _user_end(
    *, user_id: object, reason: object, ago_seconds: Any, current: Any, keep: Any
) -> UserEnd:
    if reason not in _REASONS:
        raise damaged("a command")
    return UserEnd(
        user_id=valid_text(user_id),
        reason=str(reason),
        ago_seconds=_seconds(ago_seconds),
        current=_hashes(current),
        keep=_hashes(keep),
    )


def _seconds(value: object) -> float:
    seconds = valid_seconds(value)
    if seconds > MAX_SECONDS:
        raise damaged("a command")
    return seconds


def _hashes(value: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(valid_text, value))


def _user_id(value: object) -> str | None:
    return None if value is None else valid_text(value)
