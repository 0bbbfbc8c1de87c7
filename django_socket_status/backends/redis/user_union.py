"""Counts different users of several workers exactly, but not often if there are many.

Redis needs about half a microsecond for each member of a union, and serves no other
client meanwhile. So the script that reads reports counts at most :data:`QUICK_USERS`.
If there are more, one reader fetches the sets in small pieces, counts, and stores the
number for all readers. The next count begins only after twenty times as long as one
takes.

A HyperLogLog would be cheaper, but users cannot be removed from it.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Sequence

from django_socket_status.backends.redis.client import Pipeline
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.replies import Found, Live
from django_socket_status.backends.redis.user_shards import NO_USER, user_sets
from django_socket_status.exceptions import BackendError

__all__ = ["QUICK_USERS", "Union", "lost_error", "members"]

#: Up to this many users, counted once for each worker, every read is exact.
QUICK_USERS = 2000

#: The shortest time between two counts of more users.
REFRESH_SECONDS = 2.0
#: Times as long as a count takes. So counting uses at most a twentieth of a core.
REFRESH_FACTOR = 20

#: No count takes so long that the next one is not due after this.
MAX_WAIT_MS = 600_000

#: How many members one command returns, in some tenths of a millisecond.
SCAN_COUNT = 1000
#: Commands in one round trip. Redis may run all of them before it serves others.
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
            raise lost_error()
        count = len(users)
        took = time.perf_counter() - began
        self._keep(
            found.worker_index.now, count, max(REFRESH_SECONDS, REFRESH_FACTOR * took)
        )
        return count

    def _is_due(self, found: Found) -> bool:
        """Return whether it is this reader's turn to count."""
        if found.counted is None:
            return False
        # A time that is farther away was written with a wrong clock.
        if 0 < found.counted[1] - found.worker_index.now <= MAX_WAIT_MS:
            return False
        # One reader at a time. If it dies while it counts, another may after a second.
        lock = ("SET", f"{self._keys.union}:lock", "1", "NX", "PX", 1000)
        return bool(self._pipeline([lock])[0])

    def _keep(self, now: int, count: int, seconds: float) -> None:
        due = now + round(seconds * 1000)
        # The count is right even if it cannot be stored.
        with contextlib.suppress(BackendError):
            self._pipeline(
                [
                    ("HSET", self._keys.union, "n", count, "next", due),
                    ("PEXPIRE", self._keys.union, round(seconds * 4000)),
                ]
            )


def members(pipeline: Pipeline, keys: Keys, live: Sequence[Live]) -> set[str] | None:
    """Return the users of workers, in pieces: O(users), never holding Redis up.

    ``None`` if the users of a worker were replaced meanwhile, or lost. Read the reports
    again then.
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
            [("SSCAN", key, cursors[key], "COUNT", SCAN_COUNT) for key in turn]
        )
        for key, (cursor, some) in zip(turn, replies, strict=True):
            try:
                found.update(member.decode() for member in some if member != NO_USER)
            except UnicodeDecodeError:
                return None
            if int(cursor):
                cursors[key] = cursor
                large.add(key)
                continue
            del cursors[key]
            if not some and key not in large:
                return None
    there = pipeline([("EXISTS", key) for key in large]) if large else ()
    return found if all(there) else None


def lost_error() -> BackendError:
    """Return the error to raise if users may be missing."""
    return BackendError("Reports were lost, and are about to be made again.")
