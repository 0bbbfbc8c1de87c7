"""Marks in the lists of ended connections that say which users were forgotten.

What a worker reports later, or held when it was lost, may still name the user. So a
mark is kept in each list, and readers show those connections without their user. It has
a keyed hash of the user, and when the user was forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django_socket_status.activity.ended_rows import EndedRow
from django_socket_status.activity.stored import Entries, Rewritten
from django_socket_status.control.session_keys import keyed_hashes
from django_socket_status.exceptions import BackendError
from django_socket_status.records import OpenedConnection
from django_socket_status.validation import damaged, valid_seconds

__all__ = ["Forgotten", "Mark"]

#: What a mark begins with, and no other text of a list.
START = '{"forgotten":'
#: A mark takes more users for so long, and so many: each mark is one entry of the list.
MARK_SECONDS, MARK_USERS = 600.0, 1000

#: Where an entry has its user.
USER = OpenedConnection._fields.index("user_id")


def _hashes(user_id: str) -> tuple[str, ...]:
    return keyed_hashes(f"forgotten user {user_id}")


def _text(users: dict[str, float]) -> str:
    # An older version reads it as a list without entries.
    body = {"forgotten": users, "worker": "", "release": "", "entries": []}
    return json.dumps(body, separators=(",", ":"))


def _users(text: str) -> dict[str, float]:
    try:
        users: dict[str, float] = json.loads(text)["forgotten"]
        for at in users.values():
            valid_seconds(at)
    except (BackendError, ValueError, TypeError, AttributeError, RecursionError):
        raise damaged("the users who were forgotten") from None
    return users


class Mark:
    """Says that a user was forgotten.

    Args:
        user_id: The user's primary key as text.
        at: When; in seconds since the epoch.
    """

    def __init__(self, user_id: str, at: float) -> None:
        self._user, self._at = _hashes(user_id)[0], at
        #: Whether a mark that is kept says so.
        self.is_kept = False

    def added_to(self, text: str) -> Rewritten | None:
        """Return a text with this mark; ``None`` if it is no mark with room for it."""
        if not text.startswith(START):
            return None
        try:
            users = _users(text)
        except BackendError:
            return None
        is_old = self._at - min(users.values(), default=0.0) > MARK_SECONDS
        if is_old or len(users) >= MARK_USERS:
            return None
        self.is_kept = True
        return Rewritten(_text({**users, self._user: self._at}), 0)

    def entries(self) -> Entries:
        """Return the mark as what a list keeps."""
        return Entries(_text({self._user: self._at}), 0)


class Forgotten:
    """The users whom the marks of a list name.

    Args:
        kept: The list.

    Raises:
        BackendError: a mark is damaged.
    """

    def __init__(self, kept: Iterable[Entries]) -> None:
        self._marks = [_users(it.text) for it in kept if it.text.startswith(START)]
        self._until: dict[str, float] = {}

    def hide(self, rows: Iterable[EndedRow[Any]]) -> None:
        """Take the user from each row that opened before the user was forgotten."""
        for row in rows if self._marks else ():
            user_id = row.user_id
            if user_id is not None and row.entry[USER + 2] <= self._forgotten_at(
                user_id
            ):
                row.entry[USER] = None  # type: ignore[index]

    def _forgotten_at(self, user_id: str) -> float:
        if user_id not in self._until:
            hashes = _hashes(user_id)
            found = (mark[it] for mark in self._marks for it in hashes if it in mark)
            self._until[user_id] = max(found, default=-1.0)
        return self._until[user_id]
