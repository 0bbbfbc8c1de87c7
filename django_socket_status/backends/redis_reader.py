"""Reads every live report, and judges whether it is all that there should be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from django_socket_status.backends.redis_client import RedisClient
from django_socket_status.backends.redis_keys import Keys
from django_socket_status.backends.redis_parts import hash_of
from django_socket_status.backends.redis_questions import IS_ONLINE, READ
from django_socket_status.backends.redis_scripts import report_script
from django_socket_status.backends.redis_snapshot import (
    FIRST,
    Found,
    Index,
    Live,
    read_index,
    read_live,
    read_worker,
)
from django_socket_status.backends.redis_users import QUICK_USERS, Union, lost
from django_socket_status.conf import get_settings
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
        #: What was read before, since most of it stays the same.
        self._last: Sequence[Live] = ()
        self._identities: Mapping[str, Worker] = {}
        #: When the index that was read last was begun, whose turn it was after that,
        #: since when there is none, and since when all who are in it are late.
        self._since: float | None = None
        self._seen_turn = 0
        #: Drawn from before each question, and after each answer that told of an index.
        self._turns = itertools.count(1)
        self._lost_at: int | None = None
        self._silent_at: int | None = None
        #: Which life of the server was judged last.
        self._life = ""

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
            complete=is_whole and not found.lost and self.is_complete(found.workers),
        )

    def is_online(self, user_id: str) -> bool | None:
        """Return whether a user is there; ``None`` if a worker tells of no users.

        Raises:
            BackendError: it cannot be told now.
        """
        asked = next(self._turns)
        words = (self._now(), self._keys.start, user_id, hash_of(user_id))
        now, begun, late, alive, answer = self._client.run(
            IS_ONLINE, (self._keys.index,), words
        )
        if answer > 0:
            return True
        if answer == -1 or self.follows_loss(
            read_index(now, begun, late, alive, asked)
        ):
            raise lost()
        return None if answer else False

    def find(self) -> Found:
        """Return every live report, as it is in Redis."""
        keys = (self._keys.index, self._keys.union)
        asked = next(self._turns)
        words = (self._now(), self._keys.start, QUICK_USERS)
        found = read_live(self._client.run(READ, keys, words), self._last, asked)
        self._last = found.live
        return found

    def _identify(self, live: Sequence[Live]) -> Mapping[str, Worker]:
        """Return who the workers are."""
        known = self._identities
        unknown = [it.worker_id for it in live if it.worker_id not in known]
        if not unknown and len(known) == len(live):
            return known
        identities = self._client.pipeline(
            [("HGET", self._keys.who(worker_id), "w") for worker_id in unknown]
        )
        found = {
            worker_id: read_worker(worker_id, identity)
            for worker_id, identity in zip(unknown, identities, strict=True)
            if identity is not None
        }
        for worker in live:
            if worker.worker_id in known:
                found[worker.worker_id] = known[worker.worker_id]
        # Those who are gone are forgotten with the old mapping.
        self._identities = found
        return found

    def _count_users(self, found: Found) -> int | None:
        if not all(live.counts.detailed for live in found.live):
            return None
        if found.unique_users >= 0:
            return found.unique_users
        return self._union.count(found)

    def is_complete(self, index: Index) -> bool:
        """Return whether every worker that lives can be expected to be there.

        After the index was lost, or nobody could report for a lease, each is there
        again within its lease.
        """
        if self.follows_loss(index):
            return False
        if not index.late:
            self._silent_at = None
            return True
        if index.revived_at is not None and index.now - index.revived_at < _lease_ms():
            return False
        if index.alive:
            self._silent_at = None
            return True
        if self._silent_at is None:
            self._silent_at = index.now
        return index.now - self._silent_at >= _lease_ms()

    def follows_loss(self, index: Index) -> bool:
        """Return whether the index of workers was lost, less than a lease ago."""
        if index.since is None:
            return self._is_lost(index)
        # A server that was restarted remembers nothing. But who reads it does.
        replaces = index.replaces or self._since not in {None, index.since}
        if replaces and index.now - index.since < _lease_ms():
            return True
        # In this order: whoever finds the index known finds the turn as well.
        self._seen_turn = next(self._turns)
        self._since, self._lost_at = index.since, None
        return False

    def _is_lost(self, index: Index) -> bool:
        """Return whether there should be an index."""
        now, since = index.now, self._since
        if since is not None and index.asked < self._seen_turn:
            # Another thread was told meanwhile, and may have been answered later.
            return False
        if since is None:
            self._look_for_a_loss(now)
        elif self._lost_at is None:
            self._lost_at = now
        if self._lost_at is None:
            return False
        if now - self._lost_at < _lease_ms():
            return True
        # Whichever comes next takes nobody's place.
        self._since = None
        return False

    def _look_for_a_loss(self, now: int) -> None:
        """Note when there may have been an index, if it is this process that is new."""
        life = self._client.life(self._keys.index)
        if life is not None and life[0] != self._life:
            if life[1] < get_settings().lease_seconds:
                # Whoever reported to it before has had no time to do so again.
                self._lost_at = now - int(life[1] * 1000)
            # In this order: whoever finds the life known finds the loss as well.
            self._life = life[0]
        if self._lost_at is None and self._was_flushed():
            self._lost_at = now

    def _was_flushed(self) -> bool:
        """Return whether there is no index, though somebody has reported to it.

        A server remembers the scripts that it has run also when its keys are flushed.
        """
        key = self._keys.index
        if not self._client.knows(report_script(self._keys.prefix), key):
            return False
        # Or somebody has reported just now, for the first time.
        (begun,) = self._client.pipeline([("ZRANGEBYSCORE", key, "-inf", "(0")])
        return FIRST not in begun


def _lease_ms() -> float:
    return get_settings().lease_seconds * 1000


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
