"""The backend that covers one process: for tests, and if no directory is writable."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

from django_socket_status.activity.stored import (
    Bucket,
    Command,
    CommandState,
    Ended,
    Entries,
    Kept,
    ReportAnswer,
    Rewritten,
    StoredCount,
    StoredTotals,
)
from django_socket_status.backends.base import ENDPOINTS_SECONDS, BaseBackend
from django_socket_status.backends.memory_activity import MemoryActivity
from django_socket_status.concurrency.clock import monotonic
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
    """The last report of one worker, and its connections and users."""

    report: Report
    reported_at: float
    connections: dict[int, OpenedConnection]
    users: set[str]
    condition: str | None = None


class MemoryBackend(BaseBackend):
    """Keep reports in this process.

    Args:
        clock: Seconds that never go back; for tests, also the time of day.
    """

    coverage: Coverage = "process"  # type: ignore[misc]
    keeps: frozenset[Kept] = frozenset(
        {"totals", "endings", "rewrites", "history", "conditions", "commands"}
    )
    pages_after = pages_of_workers = True

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        #: The users of several workers; ``None`` once one of them has changed.
        self._union: set[str] | None = None
        #: The endpoints, when their worker loaded its code, and when it reported them.
        self._endpoints: tuple[str, float, float] | None = None
        self._activity = MemoryActivity(clock)

    def report(self, report: Report) -> bool:
        """Take a report: O(what changed)."""
        return self.exchange(report).is_taken

    def exchange(self, report: Report) -> ReportAnswer:
        """Take a report with its activity: O(what changed)."""
        with self._lock:
            if not self._take(report):
                return ReportAnswer(is_taken=False)
            activity = report.activity
            if activity is None:
                return ReportAnswer(is_taken=True)
            if activity.condition is not None:
                entry = self._entries[report.worker.worker_id]
                entry.condition = activity.condition
            answer = self._activity.take(report, activity)
            if activity.stops:
                self._forget(report.worker.worker_id)
            return answer

    def _take(self, report: Report) -> bool:
        entry = self._entries.get(report.worker.worker_id)
        if report.full:
            entry = _Entry(report, 0.0, {}, set())
            self._entries[report.worker.worker_id] = entry
            self._activity.forget_lost(report.worker.worker_id)
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
            report, opened=(), closed=(), users_joined=(), users_left=(), activity=None
        )
        entry.reported_at = self._clock()
        return True

    def goodbye(self, worker_id: str) -> None:
        """Forget a worker."""
        with self._lock:
            self._forget(worker_id)

    def _forget(self, worker_id: str) -> None:
        self._entries.pop(worker_id, None)
        self._union = None

    def read(self) -> Snapshot:
        """Return every live report: O(workers), and O(users) if those have changed.

        Outside of tests there is only one worker, whose users need no union.
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
            held = [
                (it.report.worker.worker_id, tuple(it.connections.values()))
                for it in entries
                if query.matches_worker(it.report.worker.worker_id)
            ]
            complete = all(entry.report.complete for entry in entries)
        # Without the lock: other threads should not wait for comparing labels.
        found = [
            (worker_id, opened)
            for worker_id, connections in held
            for opened in connections
            if query.matches(opened)
        ]
        return dataclasses.replace(query.page_of(found), complete=complete)

    def is_online(self, user_id: str) -> bool:
        """Return whether a user has a connection here."""
        with self._lock:
            return any(user_id in entry.users for entry in self._live())

    def online_user_ids(self) -> Collection[str]:
        """Return the users with a connection here."""
        with self._lock:
            return frozenset(self._users(self._live()))

    def report_endpoints(self, text: str, age_seconds: float) -> None:
        """Keep the endpoints of this process."""
        with self._lock:
            now = self._clock()
            loaded_at = now - age_seconds
            known = self._live_endpoints(now)
            if known is not None and known[1] > loaded_at:
                if known[0] != text:
                    return
                loaded_at = known[1]
            self._endpoints = text, loaded_at, now

    def read_endpoints(self) -> str | None:
        """Return the endpoints of this process."""
        with self._lock:
            known = self._live_endpoints(self._clock())
        return None if known is None else known[0]

    def _live_endpoints(self, now: float) -> tuple[str, float, float] | None:
        known = self._endpoints
        is_live = known is not None and now < known[2] + ENDPOINTS_SECONDS
        return known if is_live else None

    def read_totals(self) -> StoredTotals | None:
        """Return the counters of this process."""
        with self._lock:
            return self._activity.read_totals(self._live_ids())

    def fold(
        self, counts: Sequence[StoredCount], base_before: str, base_after: str
    ) -> bool:
        """Fold the counts of workers that are not live."""
        with self._lock:
            live = self._live_ids()
            if any(count.worker_id in live for count in counts):
                return False
            return self._activity.fold(counts, base_before, base_after)

    def drop_totals(self, text: str) -> None:
        """Forget all counters if one of their texts is this one."""
        with self._lock:
            self._activity.drop_totals(text)

    def lost_connections(
        self, worker_id: str, limit: int
    ) -> Sequence[OpenedConnection]:
        """Return the newest connections that a worker held when its lease ended."""
        with self._lock:
            self._live()
            return self._activity.lost_connections(worker_id, limit)

    def keep_ended(self, ended: Ended, entries: Entries) -> None:
        """Keep ended connections that no report carries."""
        with self._lock:
            self._activity.keep_ended(ended, entries)

    def read_ended(self, ended: Ended) -> Sequence[Entries]:
        """Return the kept entries, newest report first."""
        with self._lock:
            return self._activity.read_ended(ended)

    def rewrite_ended(
        self, ended: Ended, rewrite: Callable[[str], Rewritten | None]
    ) -> int:
        """Replace texts of ended connections."""
        with self._lock:
            return self._activity.rewrite_ended(ended, rewrite)

    def write_buckets(self, buckets: Sequence[Bucket], carry: str) -> None:
        """Keep buckets of the history, and a text for the next sampler."""
        with self._lock:
            self._activity.write_buckets(buckets, carry)

    def read_buckets(self, rings: Mapping[str, int]) -> Sequence[Bucket]:
        """Return the buckets of rings, each from a number on."""
        with self._lock:
            return self._activity.read_buckets(rings)

    def read_conditions(self) -> Mapping[str, str]:
        """Return what live workers say of their condition."""
        with self._lock:
            return {
                entry.report.worker.worker_id: entry.condition
                for entry in self._live()
                if entry.condition is not None
            }

    def give_command(self, command: Command) -> None:
        """Keep a command for workers."""
        with self._lock:
            self._activity.give_command(command)

    def read_commands(self) -> Sequence[CommandState]:
        """Return the commands of the last 24 hours with their results."""
        with self._lock:
            return self._activity.read_commands()

    def forget_after_fork(self) -> None:
        """Start empty: a lock that the parent held stays held in the child."""
        self._lock = threading.Lock()
        self._entries, self._union = {}, None
        self._endpoints = None
        self._activity = MemoryActivity(self._clock)

    def _is_alive(self, entry: _Entry) -> bool:
        return self._clock() < entry.reported_at + entry.report.lease_seconds

    def _live(self) -> list[_Entry]:
        gone = [
            key for key, entry in self._entries.items() if not self._is_alive(entry)
        ]
        for key in gone:
            entry = self._entries.pop(key)
            self._activity.note_lost(key, entry.connections.values())
            self._union = None
        return list(self._entries.values())

    def _live_ids(self) -> set[str]:
        return {entry.report.worker.worker_id for entry in self._live()}

    def _users(self, entries: list[_Entry]) -> set[str]:
        if len(entries) == 1:
            return entries[0].users
        if self._union is None:
            self._union = set().union(*(entry.users for entry in entries))
        return self._union
