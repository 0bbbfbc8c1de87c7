"""How many connections there are: of each type, of each user, and of nobody."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import NamedTuple

from django_socket_status.bounds import MAX_TYPES

__all__ = ["Counts", "Group", "Groups"]

OTHER_TYPE = "other"


class Group:
    """What connections have in common that are counted alike: one object for them."""

    __slots__ = ("counts", "signed_in", "type")

    def __init__(self, counts: Counts, kind: str, *, signed_in: bool | None) -> None:
        #: In what they are counted: in something else once all is counted anew.
        self.counts = counts
        self.type = kind
        #: Whether they are somebody's; ``None`` where each of them has a user, or none.
        self.signed_in = signed_in


class Groups(NamedTuple):
    """The groups of a type."""

    anonymous: Group
    signed_in: Group
    by_user: Group


class Counts:
    """Counts by type and by user. Every change costs O(connections that changed)."""

    def __init__(self) -> None:
        self.by_type: dict[str, int] = {}
        self.by_user: dict[str, int] = {}
        self.anonymous = 0
        #: How many each user had, of those who have had more or fewer since.
        self._before: dict[str, int] = {}
        #: Of the types that are counted, and of those that are about to be.
        self._groups: dict[str, Groups] = {}

    def groups(self, kind: str) -> Groups:
        """Return the groups of a type, to be counted with :meth:`add` at once."""
        groups = self._groups.get(kind)
        if groups is None:
            groups = self._groups[kind] = Groups(
                anonymous=Group(self, kind, signed_in=False),
                signed_in=Group(self, kind, signed_in=True),
                by_user=Group(self, kind, signed_in=None),
            )
        return groups

    def add(self, groups: list[Group]) -> list[Group]:
        """Count connections, each with its group.

        Returns:
            The group that each is counted in: no more than ``MAX_TYPES`` are told
            apart.
        """
        counts = self.by_type
        has_others = False
        for group, more in collections.Counter(groups).items():
            name = group.type
            if name not in counts and len(counts) >= MAX_TYPES:
                has_others, name = True, OTHER_TYPE
            counts[name] = counts.get(name, 0) + more
            if group.signed_in is False:
                self.anonymous += more
        if not has_others:
            return groups
        groups = [it if it.type in counts else self._other(it) for it in groups]
        for name in self._groups.keys() - counts.keys():
            del self._groups[name]
        return groups

    def _other(self, group: Group) -> Group:
        anonymous, signed_in, by_user = self.groups(OTHER_TYPE)
        if group.signed_in is None:
            return by_user
        return signed_in if group.signed_in else anonymous

    def take(self, groups: Iterable[Group]) -> None:
        """Take away connections, each with the group that it was counted in.

        Nothing is taken that was counted elsewhere.
        """
        for group, less in collections.Counter(groups).items():
            if group.counts is not self:
                continue
            name = group.type
            if self.by_type[name] > less:
                self.by_type[name] -= less
            else:
                del self.by_type[name], self._groups[name]
            if group.signed_in is False:
                self.anonymous -= less

    def add_users(self, users: Iterable[str | None]) -> None:
        """Count the users of connections whose group does not tell of any."""
        for user, more in collections.Counter(users).items():
            if user is None:
                self.anonymous += more
            else:
                count = self.by_user.get(user, 0)
                self._before.setdefault(user, count)
                self.by_user[user] = count + more

    def take_users(self, users: Iterable[str | None]) -> None:
        """Take away users, as they were counted."""
        for user, less in collections.Counter(users).items():
            if user is None:
                self.anonymous -= less
            else:
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
