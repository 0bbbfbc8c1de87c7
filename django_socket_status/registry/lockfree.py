"""Takes elements out of collections that other threads write to, without a lock.

Each step is one call that CPython completes before another thread or a signal handler
runs, with and without the GIL: ``[*collection]`` is such a step, and without the GIL
``tuple(collection)`` is none. An exception between two steps loses no element.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Container, Iterable, Iterator
from typing import TypeVar

from django_socket_status.concurrency.threads import has_gil

__all__ = ["drain_deque", "drain_set", "hold"]

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


@contextlib.contextmanager
def hold(entries: dict[K, V], keys: Iterable[K]) -> Iterator[dict[K, V]]:
    """Take entries out of a dictionary for as long as the caller works on them.

    At the end, each goes back with the value that the caller gave it. Another thread
    that looks for an entry meanwhile does not find it.

    Args:
        entries: The dictionary; other threads may remove entries from it.
        keys: The keys of the entries. One that is not there is left out.
    """
    asked = [*keys]
    found: list[V | None] = []
    held: dict[K, V] = {}
    try:
        # ``extend`` keeps what it has when an exception interrupts it.
        found.extend(map(entries.pop, asked, itertools.repeat(None)))
        for key, value in zip(asked, found, strict=True):
            if value is not None:
                held[key] = value
        yield held
    finally:
        for key, value in zip(asked, found, strict=False):
            if value is not None:
                entries[key] = held.get(key, value)


@contextlib.contextmanager
def drain_set(waiting: set[T], but_not: Container[T] = ()) -> Iterator[list[T]]:
    """Take out what is in a set now, while other threads go on adding to it. O(n).

    Whatever is still in the list at the end goes back into the set, except what is in
    ``but_not``: an exception may interrupt the drain.
    """
    taken: list[T] = []
    try:
        with contextlib.suppress(KeyError):
            # One by one: each element is removed either here or by another thread.
            # ``extend`` keeps what it has when the set is empty.
            taken.extend(map(set.pop, itertools.repeat(waiting, len(waiting))))
        # ``pop`` does not shrink the table; this builds a new one. Without the GIL,
        # what another thread adds between building and replacing would be lost.
        if has_gil():
            waiting.intersection_update(waiting)
        yield taken
    finally:
        waiting.update(it for it in taken if it not in but_not)


def drain_deque(waiting: collections.deque[T], into: list[T] | None = None) -> list[T]:
    """Take out what is in a queue now. No other thread may take from it. O(n).

    Args:
        waiting: The queue; other threads go on adding to it.
        into: The list to add to. One that outlives the call loses nothing when an
            exception follows.
    """
    taken: list[T] = [] if into is None else into
    waiting_now = itertools.repeat(waiting, len(waiting))
    taken.extend(map(collections.deque.popleft, waiting_now))
    return taken
