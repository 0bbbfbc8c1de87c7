"""Takes out what waits in a collection that other threads go on adding to, unlocked."""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Container, Iterator
from typing import TypeVar

__all__ = ["emptied", "taken_out"]

T = TypeVar("T")


@contextlib.contextmanager
def taken_out(waiting: set[T], but_not: Container[T] = ()) -> Iterator[list[T]]:
    """Take out what is in a set that other threads write to, and no more. O(n).

    One by one, so that it was either us or somebody else who removed it. Whoever drains
    may be interrupted: what is still in the list at the end goes back, except for what
    is in ``but_not``.
    """
    taken: list[T] = []
    try:
        with contextlib.suppress(KeyError):
            # Keeps what it has when a pop finds nothing any more.
            taken.extend(map(set.pop, itertools.repeat(waiting, len(waiting))))
        # In a new table, of the size of what is left: a pop gives no memory back.
        waiting.intersection_update(waiting)
        yield taken
    finally:
        waiting.update(it for it in taken if it not in but_not)


def emptied(waiting: collections.deque[T]) -> list[T]:
    """Take out what is in a queue now; nobody else may take anything out. O(n)."""
    taken: list[T] = []
    waiting_now = itertools.repeat(waiting, len(waiting))
    taken.extend(map(collections.deque.popleft, waiting_now))
    return taken
