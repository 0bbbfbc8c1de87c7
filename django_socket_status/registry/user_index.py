"""Counts connections by user, and finds those of one user without a scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["UserIndex"]

#: A user with more connections is only counted: to find them takes a scan.
MAX_LISTED = 64


class UserIndex(Mapping[str, int]):
    """The number of connections of each user; for one thread at a time.

    Most users have one connection. The index then holds the connection itself and
    not the number 1, which costs no memory. A user with a few has a tuple of them.
    """

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}
        #: Whether each user that changed since the last report was there before.
        self._before: dict[str, bool] = {}

    def __getitem__(self, user: str) -> int:
        return _number(self._held[user])

    def __contains__(self, user: object) -> bool:
        return user in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, users: Iterable[str | None], connections: Iterable[Any]) -> int:
        """Add connections, each with its user; return how many have none. O(n)."""
        held, before = self._held, self._before
        anonymous = 0
        for user, connection in zip(users, connections, strict=True):
            if user is None:
                anonymous += 1
                continue
            known = held.get(user)
            if known is None:
                before.setdefault(user, False)
                held[user] = connection
            else:
                before.setdefault(user, True)
                held[user] = _with(known, connection)
        return anonymous

    def remove(self, ends: Iterable[tuple[str | None, int]]) -> int:
        """Remove connections, by user and number; return how many had no user."""
        held, before = self._held, self._before
        anonymous = 0
        for user, number in ends:
            if user is None:
                anonymous += 1
                continue
            before.setdefault(user, True)
            left = _without(held[user], number)
            if left is None:
                del held[user]
            else:
                held[user] = left
        return anonymous

    def changed(self) -> tuple[list[str], list[str]]:
        """Return the users that came and that left since the last call."""
        before, self._before = self._before, {}
        now = self._held
        joined = [it for it, was_there in before.items() if not was_there and it in now]
        left = [it for it, was_there in before.items() if was_there and it not in now]
        return joined, left

    def find(self, user: str) -> Sequence[Any] | None:
        """Return the connections of a user; ``None`` if they are only counted. O(1).

        Some may have ended since.
        """
        known = self._held.get(user, ())
        if type(known) is int:
            return None
        return known if type(known) is tuple else (known,)

    def shrink(self) -> None:
        """Give back memory, if no user is left."""
        if not self._held:
            # Removing entries does not make a dictionary smaller.
            self._held = {}


def _number(known: Any) -> int:
    if type(known) is int:
        return known
    return len(known) if type(known) is tuple else 1


def _with(known: Any, connection: Any) -> Any:
    """Return what stands for one connection more."""
    if type(known) is int:
        return known + 1
    if type(known) is not tuple:
        return (known, connection)
    return (*known, connection) if len(known) < MAX_LISTED else len(known) + 1


def _without(known: Any, number: int) -> Any:
    """Return what stands for one connection less; ``None`` for none."""
    if type(known) is int:
        return known - 1 or None
    if type(known) is not tuple:
        return None
    left = tuple(it for it in known if it.number != number)
    if len(left) != len(known) - 1:
        # An exception has opened it again, under another number.
        return len(known) - 1
    return left if len(left) > 1 else left[0]
