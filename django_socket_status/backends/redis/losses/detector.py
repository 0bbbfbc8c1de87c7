"""Remembers what one process read, and asks the server what the rules want to know."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable

from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.losses.rules import (
    LAST_MS,
    Memory,
    Server,
    Verdict,
    judge,
    judge_silence,
    periods,
)
from django_socket_status.backends.redis.replies import WorkerIndex, read_index
from django_socket_status.backends.redis.scripts import NOTE_LOSS, report_script
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import BackendError

__all__ = ["LossDetector", "lease_ms"]


def lease_ms() -> float:
    """Return how many milliseconds a lease takes."""
    return get_settings().lease_seconds * 1000


class LossDetector:
    """Says whether an index of workers is complete. Safe from any thread.

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
        #: Numbers each question and each answer, so that late answers are recognised.
        self._turns = itertools.count(1)
        #: What the rules remember, guarded by the lock.
        self._memory = Memory()
        self.forget_after_fork()

    def forget_after_fork(self) -> None:
        """Hold no lock in a forked child: a thread of the parent may have held it."""
        self._lock = threading.Lock()
        #: Held while a missing index is judged.
        self._without_index = threading.Lock()

    def next_turn(self) -> int:
        """Return the number of a question that is about to be asked."""
        return next(self._turns)

    def note_failed_read(self) -> None:
        """Remember that a read failed: workers may be unable to report, too."""
        with self._lock:
            self._memory = self._memory._replace(read_failed=True)

    def note_new_server(self) -> None:
        """Remember that the server may have been started since it was asked."""
        with self._lock:
            self._memory = self._memory._replace(has_asked_server=False)

    def is_complete(self, index: WorkerIndex) -> bool:
        """Return whether every live worker can be expected to be in the index.

        After the index was lost, or no worker could report for a lease, each live
        worker is in the index again within a lease.
        """
        if self.follows_loss(index):
            return False
        with self._lock:
            self._memory, silent = judge_silence(self._memory, index, lease_ms())
        return not silent

    def follows_loss(self, index: WorkerIndex) -> bool:
        """Return whether the index of workers was lost, less than a lease ago.

        This needs no round trip while there is an index. The first time, and if there
        is no index, it asks the server when it was started.
        """
        if index.since is not None:
            return self._follows_loss(index)
        # One thread at a time: what it writes down would be a loss to a thread that has
        # not seen the first report either.
        with self._without_index:
            return self._follows_loss(index)

    def _follows_loss(self, index: WorkerIndex) -> bool:
        verdict = self._judge(index)
        if verdict is Verdict.NEWLY_LOST:
            found = self._write_down(index)
            # A worker may have reported meanwhile, and made an index.
            verdict = Verdict.LOST if found is None else self._judge(found)
        return verdict is not Verdict.COMPLETE

    def _judge(self, index: WorkerIndex) -> Verdict:
        verdict = self._judge_with(index, None)
        if verdict is Verdict.ASK_SERVER:
            verdict = self._judge_with(index, self._ask_server(index))
        return verdict

    def _judge_with(self, index: WorkerIndex, server: Server | None) -> Verdict:
        with self._lock:
            # Inside the lock, so that an index is always remembered with its turn.
            turn = next(self._turns)
            self._memory, verdict = judge(self._memory, index, lease_ms(), server, turn)
        return verdict

    def _ask_server(self, index: WorkerIndex) -> Server:
        """Return when the server was started, and whether it knows our script."""
        key = self._keys.index
        if index.since is not None and self._now() != "":
            # The server's uptime cannot be compared with the clock of a test.
            return Server(None, -math.inf, knows_script=False)
        run_id, seconds = self._client.server_run(key) or (None, math.inf)
        knows_script = index.since is None and any(
            self._client.knows(report_script(self._keys.prefix, period), key)
            for period in periods(index.now, lease_ms())
        )
        return Server(run_id, index.now - seconds * 1000, knows_script)

    def _write_down(self, index: WorkerIndex) -> WorkerIndex | None:
        """Write down that the index was lost, for processes that read later.

        Returns:
            The index as it is now; ``None`` if the server takes no writes. Only this
            process remembers the loss then.
        """
        keys = (self._keys.index, self._keys.until)
        words = (self._now(), round(lease_ms()), LAST_MS)
        try:
            state = self._client.run(NOTE_LOSS, keys, words)
        except BackendError:
            return None
        return read_index(state, index.asked)
