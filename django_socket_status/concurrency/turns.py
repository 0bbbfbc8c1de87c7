"""A queue that serves its keys in turn, so that one key cannot delay the others."""

from __future__ import annotations

import collections
import threading
from typing import Generic, TypeVar

__all__ = ["Turns", "TurnsFullError"]

T = TypeVar("T")


class TurnsFullError(Exception):
    """Raised when no more items may wait, in all or under one key."""


class Turns(Generic[T]):
    """Holds items by key, and returns one item of each key in turn.

    Items of one key keep their order. Every method is safe from any thread and O(1).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: collections.OrderedDict[str, collections.deque[T]] = (
            collections.OrderedDict()
        )
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, key: str, item: T, *, most: int, most_of_key: int) -> None:
        """Add an item.

        Args:
            key: The key under which the item waits.
            item: What waits.
            most: How many items may wait in all.
            most_of_key: How many items of one key may wait.

        Raises:
            TurnsFullError: one of the limits is reached; nothing was added.
        """
        with self._lock:
            line = self._lines.get(key)
            if self._size >= most or (0 if line is None else len(line)) >= most_of_key:
                raise TurnsFullError("too many others wait already")
            if line is None:
                line = self._lines[key] = collections.deque()
            line.append(item)
            self._size += 1

    def take(self) -> T | None:
        """Remove and return the next item; ``None`` if nothing waits."""
        with self._lock:
            if not self._lines:
                return None
            key, line = self._lines.popitem(last=False)
            item = line.popleft()
            self._size -= 1
            if line:
                # Behind every other key that waits.
                self._lines[key] = line
            return item
