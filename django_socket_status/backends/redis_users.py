"""Counts different users over workers where that takes long: exactly, but not often.

The union of many sets takes Redis about half a microsecond for each member, in which it
does nothing else. So up to :data:`QUICK_USERS` the script that reads the reports counts
as it goes. Beyond, somebody fetches the sets in small pieces, counts, and leaves the
number for everybody; and the next one does not begin before twenty times as long.

A HyperLogLog would be cheaper, but can only grow: nobody ever leaves it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from django_socket_status.backends.redis_client import Pipeline
from django_socket_status.backends.redis_keys import Keys
from django_socket_status.backends.redis_parts import NOBODY, user_sets
from django_socket_status.backends.redis_snapshot import Found, Live
from django_socket_status.exceptions import BackendError

__all__ = ["QUICK_USERS", "Union", "lost", "members"]

#: Users, counted once on each of their workers, up to which every read is exact.
QUICK_USERS = 2000

#: The shortest time between two counts beyond that.
REFRESH_SECONDS = 2.0
#: Of the time that counting takes: at most a twentieth of a core, all workers together.
REFRESH_FACTOR = 20

#: Members that one command returns, in some tenths of a millisecond.
PIECE = 1000
#: Commands in one round trip: Redis runs them all before it turns to anybody else.
BATCH = 8


class Union:
    """The number of different users on several workers.

    Args:
        pipeline: Runs commands in one round trip.
        keys: The names of the keys.
    """

    def __init__(self, pipeline: Pipeline, keys: Keys) -> None:
        self._pipeline = pipeline
        self._keys = keys

    def count(self, found: Found) -> int:
        """Return the number, counted now if it is time to."""
        if found.counted is not None and not self._is_due(found):
            return found.counted[0]
        began = time.perf_counter()
        users = members(self._pipeline, self._keys, found.live)
        if users is None:
            raise lost()
        count = len(users)
        took = time.perf_counter() - began
        self._keep(
            found.workers.now, count, max(REFRESH_SECONDS, REFRESH_FACTOR * took)
        )
        return count

    def _is_due(self, found: Found) -> bool:
        """Return whether it is this reader's turn to count."""
        if found.counted is None or found.workers.now < found.counted[1]:
            return False
        # One at a time. Whoever dies over it leaves the turn to the next in a second.
        lock = ("SET", f"{self._keys.union}:lock", "1", "NX", "PX", 1000)
        return bool(self._pipeline([lock])[0])

    def _keep(self, now: int, count: int, seconds: float) -> None:
        due = now + round(seconds * 1000)
        self._pipeline(
            [
                ("HSET", self._keys.union, "n", count, "next", due),
                ("PEXPIRE", self._keys.union, round(seconds * 4000)),
            ]
        )


def members(pipeline: Pipeline, keys: Keys, live: Sequence[Live]) -> set[str] | None:
    """Return the users of workers, in pieces: O(users), never holding Redis up.

    ``None`` if a worker's users were replaced meanwhile, or lost: then there are others
    to ask for.
    """
    found: set[str] = set()
    cursors: dict[str, object] = {
        key: 0
        for it in live
        if it.users
        for key in user_sets(keys, it.worker_id, it.generation)
    }
    large: set[str] = set()
    while cursors:
        turn = tuple(itertools.islice(cursors, BATCH))
        replies = pipeline(
            [("SSCAN", key, cursors[key], "COUNT", PIECE) for key in turn]
        )
        for key, (cursor, some) in zip(turn, replies, strict=True):
            found.update(member.decode() for member in some if member != NOBODY)
            if int(cursor):
                cursors[key] = cursor
                large.add(key)
                continue
            del cursors[key]
            if not some and key not in large:
                return None
    there = pipeline([("EXISTS", key) for key in large]) if large else ()
    return found if all(there) else None


def lost() -> BackendError:
    """Return what to raise where users may be missing."""
    return BackendError("Reports were lost, and are about to be made again.")
