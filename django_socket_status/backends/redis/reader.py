"""Reads all live reports, and decides whether any may be missing."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.identity import read_worker
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.losses import (
    LAST_MS,
    Memory,
    Server,
    Verdict,
    is_silent,
    judge,
    periods,
)
from django_socket_status.backends.redis.replies import (
    Found,
    Live,
    WorkerIndex,
    read_index,
    read_live,
)
from django_socket_status.backends.redis.scripts import (
    FORGET_FUTURE,
    IS_ONLINE,
    NOTE_LOSS,
    READ,
    report_script,
)
from django_socket_status.backends.redis.user_shards import hash_of
from django_socket_status.backends.redis.user_union import QUICK_USERS, Union, lost
from django_socket_status.conf import get_settings
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
        #: Numbers each question and each answer, so that late answers are recognised.
        self._turns = itertools.count(1)
        #: What :func:`.losses.judge` remembers, guarded by the lock.
        self._memory = Memory()
        self.forget_after_fork()

    def forget_after_fork(self) -> None:
        """Hold no lock in a forked child: a thread of the parent may have held it."""
        self._lock = threading.Lock()
        #: Held while a missing index is judged.
        self._without_index = threading.Lock()

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
        """Return whether a user has a connection; ``None`` if a worker keeps no users.

        Raises:
            BackendError: the user was not found, but reports were lost.
        """
        asked = next(self._turns)
        words = (self._now(), self._keys.start, user_id, hash_of(user_id))
        keys = (self._keys.index, self._keys.until)
        state, answer = self._run(IS_ONLINE, keys, words)
        if answer > 0:
            return True
        if answer == -1 or self.follows_loss(read_index(state, asked)):
            raise lost()
        return None if answer else False

    def find(self) -> Found:
        """Return every live report, as it is in Redis."""
        keys = (self._keys.index, self._keys.until, self._keys.union)
        asked = next(self._turns)
        words = (self._now(), self._keys.start, QUICK_USERS)
        found = read_live(self._run(READ, keys, words), self._last, asked)
        self._last = found.live
        if found.lost:
            # While no worker can write, reads work. The first read afterwards may come
            # before the first report.
            with self._lock:
                self._memory = self._memory._replace(has_failed=True)
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
            words = (self._now(), round(_lease_ms()))
            self._client.run(FORGET_FUTURE, (self._keys.index,), words)

    def _run(self, script: str, keys: Sequence[str], words: Sequence[Any]) -> Any:
        """Run a script, and remember if it failed or if the server may be new."""
        unknown = self._client.unknown_scripts
        try:
            reply = self._client.run(script, keys, words)
        except BackendError:
            with self._lock:
                self._memory = self._memory._replace(has_failed=True, is_asked=False)
            raise
        if self._client.unknown_scripts != unknown:
            with self._lock:
                self._memory = self._memory._replace(is_asked=False)
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

    def is_complete(self, index: WorkerIndex) -> bool:
        """Return whether every live worker can be expected to be in the index.

        After the index was lost, or no worker could report for a lease, each live
        worker is in the index again within a lease.
        """
        if self.follows_loss(index):
            return False
        with self._lock:
            self._memory, silent = is_silent(self._memory, index, _lease_ms())
        return not silent

    def follows_loss(self, index: WorkerIndex) -> bool:
        """Return whether the index of workers was lost, less than a lease ago.

        This needs no round trip while there is an index. The first time, and if there
        is no index, it asks the server when it was started.
        """
        if index.since is not None:
            return self._follows_loss(index)
        # One thread at a time: what it notes would be a loss to a thread that has not
        # seen the first report either.
        with self._without_index:
            return self._follows_loss(index)

    def _follows_loss(self, index: WorkerIndex) -> bool:
        verdict = self._judge(index)
        if verdict is Verdict.NOTE:
            noted = self._note(index)
            # A worker may have reported meanwhile, and made an index.
            verdict = Verdict.LOST if noted is None else self._judge(noted)
        return verdict is not Verdict.WHOLE

    def _judge(self, index: WorkerIndex) -> Verdict:
        verdict = self._judge_with(index, None)
        if verdict is Verdict.ASK:
            verdict = self._judge_with(index, self._ask_server(index))
        return verdict

    def _judge_with(self, index: WorkerIndex, server: Server | None) -> Verdict:
        with self._lock:
            # Inside the lock, so that an index is always remembered with its turn.
            turn = next(self._turns)
            self._memory, verdict = judge(
                self._memory, index, _lease_ms(), server, turn
            )
        return verdict

    def _ask_server(self, index: WorkerIndex) -> Server:
        """Return when the server was started, and whether it has taken reports."""
        key = self._keys.index
        if index.since is not None and self._now() != "":
            # The server's uptime cannot be compared with the clock of a test.
            return Server(None, -math.inf, is_known=False)
        run_id, seconds = self._client.server_run(key) or (None, math.inf)
        is_known = index.since is None and any(
            self._client.knows(report_script(self._keys.prefix, period), key)
            for period in periods(index.now, _lease_ms())
        )
        return Server(run_id, index.now - seconds * 1000, is_known)

    def _note(self, index: WorkerIndex) -> WorkerIndex | None:
        """Write down that the index was lost, for processes that read later.

        Returns:
            The index as it is now; ``None`` if the server takes no writes. Only this
            process remembers the loss then.
        """
        keys = (self._keys.index, self._keys.until)
        words = (self._now(), round(_lease_ms()), LAST_MS)
        try:
            state = self._client.run(NOTE_LOSS, keys, words)
        except BackendError:
            return None
        return read_index(state, index.asked)


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
