"""The backend of the test kit: reports in memory, and faults that a test orders."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report, UserCount
from django_socket_status.testing.fakes import Clock

__all__ = ["KitBackend"]


class _Switch:
    """The lock of the backend, which fails each call while the switch is off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_off = False

    def __enter__(self) -> None:
        if self.is_off:
            raise BackendError("The test holds the backend down.")
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


class KitBackend(MemoryBackend):
    """Keeps reports in this process; leases end when a test advances the clock.

    Args:
        clock: The clock of the leases.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock = Clock() if clock is None else clock
        super().__init__(clock=self.clock)
        self._switch = _Switch()
        self._lock: Any = self._switch
        #: Ids of workers whose reports do not arrive.
        self.frozen: set[str] = set()

    @property
    def is_down(self) -> bool:
        """Return whether each call fails."""
        return self._switch.is_off

    @is_down.setter
    def is_down(self, value: bool) -> None:
        self._switch.is_off = value

    def exchange(self, report: Report) -> ReportAnswer:
        """Take a report; drop it, as if it had been taken, if its worker is frozen."""
        if report.worker.worker_id in self.frozen:
            return ReportAnswer(is_taken=True)
        return super().exchange(report)

    def oldest_by_type(self, types: Collection[str]) -> Mapping[str, float]:
        """Return nothing, as the backend in memory, unless this one is down."""
        with self._switch:
            return super().oldest_by_type(types)

    def users_by_type(self, types: Sequence[str]) -> Mapping[str, UserCount]:
        """Return nothing, as the backend in memory, unless this one is down."""
        with self._switch:
            return super().users_by_type(types)

    def advance(self, seconds: float, worker_id: str) -> None:
        """Let time pass, while one worker goes on reporting, if it has reported."""
        with self._switch:
            self._live()
            self.clock.advance(seconds)
            entry = self._entries.get(worker_id)
            if entry is not None and worker_id not in self.frozen:
                entry.reported_at = self.clock.now

    def empty(self) -> None:
        """Forget everything, as a Redis server does when it is flushed."""
        self.forget_after_fork()

    def forget_after_fork(self) -> None:
        """Start empty."""
        super().forget_after_fork()
        self._lock = self._switch

    @property
    def has_lost_workers(self) -> bool:
        """Return whether counters of a lost worker wait to be folded."""
        stored = self.read_totals()
        return stored is not None and not all(it.is_live for it in stored.counts)
