"""A backend that sees its own process only: for tests, and if nothing is writable."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Collection

from django_socket_status.backends.base import BaseBackend
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Coverage,
    OpenedConnection,
    Report,
    Snapshot,
    WorkerStatus,
)

__all__ = ["MemoryBackend"]


@dataclasses.dataclass(slots=True)
class _Entry:
    """What is kept of one worker."""

    report: Report
    reported_at: float
    connections: dict[int, OpenedConnection]
    users: set[str]


class MemoryBackend(BaseBackend):
    """Keep reports in this process.

    Args:
        clock: Seconds that never go back; for tests.
    """

    coverage: Coverage = "process"  # type: ignore[misc]

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        #: The users of several workers, until one of them has others.
        self._union: set[str] | None = None

    def report(self, report: Report) -> bool:
        """Take a report: O(what changed)."""
        with self._lock:
            entry = self._entries.get(report.worker.worker_id)
            if report.full:
                entry = _Entry(report, 0.0, {}, set())
                self._entries[report.worker.worker_id] = entry
            elif (
                entry is None
                or not self._is_alive(entry)
                or entry.report.sequence + 1 != report.sequence
            ):
                return False
            for number in report.closed:
                entry.connections.pop(number, None)
            for opened in report.opened:
                entry.connections[opened.number] = opened
            if report.full or report.users_left or report.users_joined:
                self._union = None
            entry.users.difference_update(report.users_left)
            entry.users.update(report.users_joined)
            entry.report = dataclasses.replace(
                report, opened=(), closed=(), users_joined=(), users_left=()
            )
            entry.reported_at = self._clock()
            return True

    def goodbye(self, worker_id: str) -> None:
        """Forget a worker."""
        with self._lock:
            self._entries.pop(worker_id, None)
            self._union = None

    def read(self) -> Snapshot:
        """Return every live report: O(workers), and O(users) if those have changed.

        The users of a single worker, which is all that there is outside of tests, cost
        nothing.
        """
        with self._lock:
            entries = self._live()
            now = self._clock()
            workers = tuple(
                WorkerStatus(
                    worker=entry.report.worker,
                    counts=entry.report.counts,
                    anonymous=entry.report.anonymous,
                    age_seconds=max(0.0, now - entry.reported_at),
                    complete=entry.report.complete,
                )
                for entry in entries
            )
            return Snapshot(workers=workers, unique_users=len(self._users(entries)))

    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        """Return one page: O(connections), all of them this process's own."""
        with self._lock:
            entries = self._live()
            found = [
                (entry.report.worker.worker_id, opened)
                for entry in entries
                for opened in entry.connections.values()
                if query.matches(opened)
            ]
            complete = all(entry.report.complete for entry in entries)
        return dataclasses.replace(query.page_of(found), complete=complete)

    def is_online(self, user_id: str) -> bool:
        """Return whether a user has a connection here."""
        with self._lock:
            return any(user_id in entry.users for entry in self._live())

    def online_user_ids(self) -> Collection[str]:
        """Return the users with a connection here."""
        with self._lock:
            return frozenset(self._users(self._live()))

    def forget_after_fork(self) -> None:
        """Start empty: a lock that the parent held stays held in the child."""
        self._lock = threading.Lock()
        self._entries, self._union = {}, None

    def _is_alive(self, entry: _Entry) -> bool:
        return self._clock() < entry.reported_at + entry.report.lease_seconds

    def _live(self) -> list[_Entry]:
        gone = [
            key for key, entry in self._entries.items() if not self._is_alive(entry)
        ]
        for key in gone:
            del self._entries[key]
            self._union = None
        return list(self._entries.values())

    def _users(self, entries: list[_Entry]) -> set[str]:
        if len(entries) == 1:
            return entries[0].users
        if self._union is None:
            self._union = set().union(*(entry.users for entry in entries))
        return self._union
