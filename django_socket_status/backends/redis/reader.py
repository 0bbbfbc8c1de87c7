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
from django_socket_status.backends.redis.user_union import QUICK_USERS, Union, lost
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Snapshot, Worker, WorkerStatus

__all__ = ["Reader"]


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
        #: What the last read returned, since most of it stays the same.
        self._last: Sequence[Live] = ()
        self._identities: Mapping[str, Worker] = {}
        self.losses = LossDetector(client, keys, now=now)

    def snapshot(self) -> Snapshot:
        """Return every live report.

        One round trip; two when there is a worker that was not read before.
        """
        found = self.find()
        identities = self._identify(found.live)
        workers = tuple(_statuses(found, identities))
        is_whole = len(workers) == len(found.live)
        return Snapshot(
            workers=workers,
            unique_users=self._count_users(found),
            complete=is_whole
            and not found.lost
            and self.losses.is_complete(found.workers),
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
        if answer == -1 or self.losses.follows_loss(read_index(state, asked)):
            raise lost()
        return None if answer else False

    def find(self) -> Found:
        """Return every live report, as it is in Redis."""
        keys = (self._keys.index, self._keys.until, self._keys.union)
        asked = self.losses.next_turn()
        words = (self._now(), self._keys.start, QUICK_USERS)
        found = read_live(self._run(READ, keys, words), self._last, asked)
        self._last = found.live
        if found.lost:
            # While no worker can write, reads work. The first read afterwards may come
            # before the first report.
            self.losses.note_failed_read()
        now = found.workers.now
        if any(live.reported_at > now for live in found.live):
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
        unknown = self._client.unknown_scripts
        try:
            reply = self._client.run(script, keys, words)
        except BackendError:
            self.losses.note_failed_read()
            self.losses.note_new_server()
            raise
        if self._client.unknown_scripts != unknown:
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
        # The old mapping is dropped, and with it the workers that are gone.
        self._identities = found
        return found

    def _count_users(self, found: Found) -> int | None:
        if not all(live.counts.detailed for live in found.live):
            return None
        if found.unique_users >= 0:
            return found.unique_users
        return self._union.count(found)


def _statuses(found: Found, identities: Mapping[str, Worker]) -> Iterator[WorkerStatus]:
    now = found.workers.now
    for live in found.live:
        worker = identities.get(live.worker_id)
        if worker is not None:
            counts = live.counts
            age = max(0, now - live.reported_at) / 1000
            # By position, at a quarter of the time.
            yield WorkerStatus(
                worker, counts.by_type, counts.anonymous, age, counts.complete
            )
