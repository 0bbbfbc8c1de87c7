"""Counts connections by type, by user, and those without a user."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable
from typing import NamedTuple

from django_socket_status.limits import MAX_TYPES
from django_socket_status.registry.user_index import UserIndex

__all__ = ["CountKey", "Counts", "TypeKeys"]

OTHER_TYPE = "other"


class CountKey:
    """What a connection is counted under. Connections that are alike share one."""

    __slots__ = ("counts", "opened_as", "signed_in", "type")

    def __init__(
        self, counts: Counts, kind: str, opened_as: str, *, signed_in: bool | None
    ) -> None:
        #: The counts that it belongs to. Counting again makes new ones.
        self.counts = counts
        self.type = kind
        #: The type among the totals under which its connections opened. They close
        #: under the same, also where counting again gave them another type.
        self.opened_as = opened_as
        #: Whether its connections have a user. ``None``: each connection's own
        #: ``counted_user`` says so.
        self.signed_in = signed_in


class TypeKeys(NamedTuple):
    """The count keys of one type."""

    anonymous: CountKey
    signed_in: CountKey
    by_user: CountKey


class Counts:
    """Counts by type and by user. Every change costs O(connections that changed).

    Args:
        total_type: Returns the name of a type among the totals.
    """

    def __init__(self, total_type: Callable[[str], str]) -> None:
        self._total_type = total_type
        self.by_type: dict[str, int] = {}
        self.by_user = UserIndex()
        #: Whether the users of some connections are not known.
        self.has_unknown_users = False
        #: By the type under which they opened: see :attr:`CountKey.opened_as`.
        self.opened_as: collections.Counter[str] = collections.Counter()
        self.anonymous = 0
        #: The keys of the types that are counted or about to be.
        self._keys: dict[str, TypeKeys] = {}

    def keys_of(self, kind: str) -> TypeKeys:
        """Return the keys of a type. The caller counts with :meth:`add` at once."""
        keys = self._keys.get(kind)
        if keys is None:
            name = self._total_type(kind)
            keys = self._keys[kind] = TypeKeys(
                anonymous=CountKey(self, kind, name, signed_in=False),
                signed_in=CountKey(self, kind, name, signed_in=True),
                by_user=CountKey(self, kind, name, signed_in=None),
            )
        return keys

    def add(self, keys: list[CountKey]) -> list[CountKey]:
        """Count connections, each under its key.

        Returns:
            The key under which each is counted. A type above the limit of
            ``MAX_TYPES`` is counted as ``"other"``.
        """
        counts = self.by_type
        has_others = False
        for key, more in collections.Counter(keys).items():
            name = key.type
            if name not in counts and len(counts) >= MAX_TYPES:
                has_others, name = True, OTHER_TYPE
            counts[name] = counts.get(name, 0) + more
            if key.signed_in is not None:
                self.has_unknown_users = True
                self.anonymous += 0 if key.signed_in else more
        if has_others:
            keys = [it if it.type in counts else self._other(it) for it in keys]
            for name in self._keys.keys() - counts.keys():
                del self._keys[name]
        self.opened_as.update(it.opened_as for it in keys)
        return keys

    def keep_opened_as(self, before: CountKey, key: CountKey) -> CountKey:
        """Return the key of a connection that was counted again.

        Args:
            before: The key under which it was counted before.
            key: The key that :meth:`add` returned.
        """
        if before.opened_as == key.opened_as:
            return key
        self.opened_as[key.opened_as] -= 1
        self.opened_as[before.opened_as] += 1
        return CountKey(self, key.type, before.opened_as, signed_in=key.signed_in)

    def _other(self, key: CountKey) -> CountKey:
        anonymous, signed_in, by_user = self.keys_of(OTHER_TYPE)
        if key.signed_in is None:
            return by_user
        return signed_in if key.signed_in else anonymous

    def uncount(self, keys: Iterable[CountKey]) -> None:
        """Uncount connections, each under the key that :meth:`add` returned.

        Keys of other counts are ignored.
        """
        for key, less in collections.Counter(keys).items():
            if key.counts is not self:
                continue
            name = key.type
            if self.by_type[name] > less:
                self.by_type[name] -= less
            else:
                del self.by_type[name], self._keys[name]
            self.opened_as[key.opened_as] -= less
            if key.signed_in is False:
                self.anonymous -= less

    def add_users(
        self, users: Iterable[str | None], connections: Iterable[object]
    ) -> None:
        """Count the users of connections whose key is ``by_user``."""
        self.anonymous += self.by_user.add(users, connections)

    def uncount_users(self, ends: Iterable[tuple[str | None, int]]) -> None:
        """Uncount what :meth:`add_users` counted, by user and number."""
        self.anonymous -= self.by_user.remove(ends)

    def changed_users(self) -> tuple[list[str], list[str]]:
        """Return the users that came and that left since the last call."""
        return self.by_user.changed()

    def shrink(self) -> None:
        """Give back memory if nothing is counted any more."""
        if not self.by_type:
            self.by_user.shrink()
