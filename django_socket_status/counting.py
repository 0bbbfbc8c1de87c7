"""How many connections there are: of each type, of each user, and of nobody."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import NamedTuple

from django_socket_status.bounds import MAX_TYPES

__all__ = ["Cell", "Cells", "Counts"]

OTHER_TYPE = "other"


class Cell:
    """Where connections are counted that are alike: one object for all of them."""

    __slots__ = ("counts", "signed_in", "type")

    def __init__(self, counts: Counts, kind: str, *, signed_in: bool | None) -> None:
        #: What it is a part of: something else once all is counted anew.
        self.counts = counts
        self.type = kind
        #: Whether its connections are somebody's; ``None`` where each has its own user.
        self.signed_in = signed_in


class Cells(NamedTuple):
    """The cells of a type."""

    anonymous: Cell
    signed_in: Cell
    by_user: Cell


class Counts:
    """Counts by type and by user. Every change costs O(connections that changed)."""

    def __init__(self) -> None:
        self.by_type: dict[str, int] = {}
        self.by_user: dict[str, int] = {}
        self.anonymous = 0
        #: How many each user had, of those who have had more or fewer since.
        self._before: dict[str, int] = {}
        #: Of the types that are counted, and of those that are about to be.
        self._cells: dict[str, Cells] = {}

    def cells(self, kind: str) -> Cells:
        """Return the cells of a type, to be counted with :meth:`add` at once."""
        cells = self._cells.get(kind)
        if cells is None:
            cells = self._cells[kind] = Cells(
                anonymous=Cell(self, kind, signed_in=False),
                signed_in=Cell(self, kind, signed_in=True),
                by_user=Cell(self, kind, signed_in=None),
            )
        return cells

    def add(self, cells: list[Cell]) -> list[Cell]:
        """Count connections, each in its cell.

        Returns:
            The cell that each is counted in: no more than ``MAX_TYPES`` are told
            apart.
        """
        counts = self.by_type
        has_others = False
        for cell, more in collections.Counter(cells).items():
            name = cell.type
            if name not in counts and len(counts) >= MAX_TYPES:
                has_others, name = True, OTHER_TYPE
            counts[name] = counts.get(name, 0) + more
            if cell.signed_in is False:
                self.anonymous += more
        if not has_others:
            return cells
        cells = [it if it.type in counts else self._other(it) for it in cells]
        for name in self._cells.keys() - counts.keys():
            del self._cells[name]
        return cells

    def _other(self, cell: Cell) -> Cell:
        anonymous, signed_in, by_user = self.cells(OTHER_TYPE)
        if cell.signed_in is None:
            return by_user
        return signed_in if cell.signed_in else anonymous

    def take(self, cells: Iterable[Cell]) -> None:
        """Take away connections, each from the cell that it was counted in.

        Nothing is taken that was counted elsewhere.
        """
        for cell, less in collections.Counter(cells).items():
            if cell.counts is not self:
                continue
            name = cell.type
            if self.by_type[name] > less:
                self.by_type[name] -= less
            else:
                del self.by_type[name], self._cells[name]
            if cell.signed_in is False:
                self.anonymous -= less

    def add_users(self, users: Iterable[str | None]) -> None:
        """Count the users of connections whose cells do not tell."""
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
