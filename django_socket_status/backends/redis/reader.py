"""Reads all live reports. :mod:`.losses` says whether any may be missing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.identity import read_worker
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.losses.detector import LossDetector, lease_ms
from django_socket_status.backends.redis.replies import (
    Found,
    Live,
    read_index,
    read_live,
)
from django_socket_status.backends.redis.scripts import (
    FORGET_FUTURE,
    IS_ONLINE,
    READ,
)
from django_socket_status.backends.redis.user_shards import hash_of
from django_socket_status.backends.redis.user_union import (
    QUICK_USERS,
    Union,
    lost_error,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Snapshot, Worker, WorkerStatus

__all__ = ["Reader"]

#: Answers of the script ``IS_ONLINE``, besides 1 for yes and 0 for no.
USERS_LOST, USERS_NOT_KEPT = -1, -2


class Reader:
    """Reads what all workers report. Safe from any thread.

    Args:
        client: Speaks to the Redis.
        keys: The names of the keys.
        now: Returns the time in milliseconds, or ``""`` for the server's.
    """

    def __init__(
        self, client: RedisClient, keys: Keys, *, now: Callable[[], int | str]
    ) -> None:
        self._client = client
        self._keys = keys
        self._now = now
        self._union = Union(client.pipeline, keys)
        #: What the last read returned: counts that are the same are not parsed again.
        #: Threads replace this and the next one, and any of the last reads will do.
        self._last: Sequence[Live] = ()
        self._identities: Mapping[str, Worker] = {}
        self.losses = LossDetector(client, keys, now=now)

    def snapshot(self) -> Snapshot:
        """Return every live report.

        One round trip; another one for workers that were not read before, one to count
        many users, and some after a start or a loss of the server.
        """
        found = self.find()
        identities = self._identify(found.live)
        workers = tuple(_statuses(found, identities))
        return Snapshot(
            workers=workers,
            unique_users=self._count_users(found),
            complete=len(workers) == len(found.live)
            and not found.lost
            and self.losses.is_complete(found.worker_index),
        )

    def is_online(self, user_id: str) -> bool | None:
        """Return whether a user has a connection; ``None`` if a worker keeps no users.

        Raises:
            BackendError: the user was not found, but reports were lost.
        """
        asked = self.losses.next_turn()
        words = (self._now(), self._keys.start, user_id, hash_of(user_id))
        keys = (self._keys.index, self._keys.until)
        state, answer = self._run(IS_ONLINE, keys, words)
        if answer > 0:
            return True
        index = read_index(state, asked)
        if answer == USERS_LOST or self.losses.follows_loss(index):
            raise lost_error()
        return None if answer == USERS_NOT_KEPT else False

    def find(self) -> Found:
        """Return every live report, as it is in Redis."""
        keys = (self._keys.index, self._keys.until, self._keys.union)
        asked = self.losses.next_turn()
        words = (self._now(), self._keys.start, QUICK_USERS)
        found = read_live(self._run(READ, keys, words), self._last, asked)
        self._last = found.live
        if found.lost:
            # The script also sets ``lost`` if no worker can write now. Once they can, a
            # read may come before their first report, as after a read that failed.
            self.losses.note_failed_read()
        if any(live.reported_at > found.worker_index.now for live in found.live):
            self._forget_future()
            return found._replace(lost=True)
        return found

    def _forget_future(self) -> None:
        """Remove workers that reported before the server's clock was set back.

        A live worker reports again within its heartbeat. A killed worker would seem
        alive until the clock reaches its lease again.
        """
        with contextlib.suppress(BackendError):
            words = (self._now(), round(lease_ms()))
            self._client.run(FORGET_FUTURE, (self._keys.index,), words)

    def _run(self, script: str, keys: Sequence[str], words: Sequence[Any]) -> Any:
        """Run a script, and remember if it failed or if the server may be new."""
        before = self._client.noscript_replies
        try:
            reply = self._client.run(script, keys, words)
        except BackendError:
            self.losses.note_failed_read()
            self.losses.note_new_server()
            raise
        if self._client.noscript_replies != before:
            self.losses.note_new_server()
        return reply

    def _identify(self, live: Sequence[Live]) -> Mapping[str, Worker]:
        """Return the workers by their ids, reading those that are not known yet."""
        known = self._identities
        unknown = [it.worker_id for it in live if it.worker_id not in known]
        if not unknown and len(known) == len(live):
            return known
        identities = self._client.pipeline(
            [("HGET", self._keys.who(worker_id), "w") for worker_id in unknown]
        )
        found: dict[str, Worker] = {}
        for worker_id, identity in zip(unknown, identities, strict=True):
            # A worker with a damaged identity is left out, as if it were missing.
            with contextlib.suppress(BackendError):
                if identity is not None:
                    found[worker_id] = read_worker(worker_id, identity)
        for worker in live:
            if worker.worker_id in known:
                found[worker.worker_id] = known[worker.worker_id]
        # Without the workers that are gone.
        self._identities = found
        return found

    def _count_users(self, found: Found) -> int | None:
        if not all(live.counts.detailed for live in found.live):
            return None
        if found.unique_users >= 0:
            return found.unique_users
        return self._union.count(found)


def _statuses(found: Found, identities: Mapping[str, Worker]) -> Iterator[WorkerStatus]:
    now = found.worker_index.now
    for live in found.live:
        worker = identities.get(live.worker_id)
        if worker is not None:
            counts = live.counts
            age = max(0, now - live.reported_at) / 1000
            # Positional arguments take a quarter of the time of keywords.
            yield WorkerStatus(
                worker, counts.by_type, counts.anonymous, age, counts.complete
            )
