"""How many connections there are: of each type, of each user, and of nobody."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Literal

from django_socket_status.bounds import MAX_TYPES

__all__ = ["Counts", "User"]

OTHER_TYPE = "other"

#: A user; ``None`` for nobody, and ``True`` for somebody who is not told by name.
User = str | Literal[True] | None


class Counts:
    """Counts by type and by user. Every change costs O(connections that changed)."""

    def __init__(self) -> None:
        self.by_type: dict[str, int] = {}
        self.by_user: dict[str, int] = {}
        self.anonymous = 0
        #: How many each user had, of those who have had more or fewer since.
        self._before: dict[str, int] = {}

    def add(self, types: list[str], users: Iterable[User]) -> list[str]:
        """Count connections, each with its type and its user.

        Returns:
            The type that each is counted under: no more than ``MAX_TYPES`` are told
            apart.
        """
        types = self._add_types(types)
        for user, more in collections.Counter(users).items():
            if user is None:
                self.anonymous += more
            elif user is not True:
                count = self.by_user.get(user, 0)
                self._before.setdefault(user, count)
                self.by_user[user] = count + more
        return types

    def _add_types(self, types: list[str]) -> list[str]:
        counts = self.by_type
        others = 0
        for name, more in collections.Counter(types).items():
            if name in counts or len(counts) < MAX_TYPES:
                counts[name] = counts.get(name, 0) + more
            else:
                others += more
        if not others:
            return types
        types = [name if name in counts else OTHER_TYPE for name in types]
        counts[OTHER_TYPE] = counts.get(OTHER_TYPE, 0) + others
        return types

    def take(self, types: Iterable[str], users: Iterable[User]) -> None:
        """Take away connections, as they were counted."""
        for name, less in collections.Counter(types).items():
            if self.by_type[name] > less:
                self.by_type[name] -= less
            else:
                del self.by_type[name]
        for user, less in collections.Counter(users).items():
            if user is None:
                self.anonymous -= less
            elif user is not True:
                count = self.by_user[user]
                self._before.setdefault(user, count)
                if count > less:
                    self.by_user[user] = count - less
                else:
                    del self.by_user[user]

    def changed_users(self) -> tuple[list[str], list[str]]:
        """Return who came and who left since the last call."""
        before, self._before = self._before, {}
        now = self.by_user
        joined = [it for it, count in before.items() if not count and it in now]
        left = [it for it, count in before.items() if count and it not in now]
        return joined, left

    def shrink(self) -> None:
        """Give back memory, when nothing is counted any more."""
        if not self.by_type:
            # What is taken out of a dictionary does not make it smaller.
            self.by_user = {}
