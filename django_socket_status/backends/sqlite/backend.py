"""The default backend: one private SQLite file that all processes of a host share.

It has a rollback journal, so no process maps the file, and does not wait for the disk:
after a power failure, the sockets in the file are closed. See :mod:`.pointer` for the
files, :mod:`.schema` for what is in them, and :mod:`.liveness` for how a killed worker
is known to be gone at the next read.

Leases run on ``time.monotonic``, which the processes of a host share and which starts
again at a boot: a report from the future is of an earlier boot, and does not count.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from django.core.checks import CheckMessage, Warning

from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.sqlite import schema as sql
from django_socket_status.backends.sqlite import search as finding
from django_socket_status.backends.sqlite.activity.backend import SqliteActivity
from django_socket_status.backends.sqlite.activity.file import ActivityFile
from django_socket_status.backends.sqlite.activity.orders import Orders
from django_socket_status.backends.sqlite.activity.store import ActivityStore
from django_socket_status.backends.sqlite.checks import (
    default_path_messages,
    stranger_message,
)
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.backends.sqlite.deployment import read_strangers
from django_socket_status.backends.sqlite.endpoints import (
    read_endpoints,
    write_endpoints,
)
from django_socket_status.backends.sqlite.fork_safety import GuardedLock
from django_socket_status.backends.sqlite.pointer import ELSEWHERE, StatusFile
from django_socket_status.backends.sqlite.rows import verify_users
from django_socket_status.backends.sqlite.session import Handle
from django_socket_status.backends.sqlite.space import DEFAULT_BYTES, LEAST_BYTES, Space
from django_socket_status.backends.sqlite.taking import Taking
from django_socket_status.backends.sqlite.workers import (
    count_users,
    is_any_bare,
    lacks_reports,
    workers,
)
from django_socket_status.concurrency import clock as clocks
from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Coverage,
    Report,
    Snapshot,
    UserCount,
    Worker,
    WorkerStatus,
)

__all__ = ["SqliteBackend"]

LOST = "Users were lost, and are about to be reported again."
DAMAGED = "The row of a worker is damaged; the worker is about to report again."
PARTLY = "A worker has no space in the status file for its users."


class SqliteBackend(BaseBackend):
    """Keep reports in one private file that the processes of this host share.

    Args:
        path: The status file, absolute; by default one in the temporary directory,
            named from the project. Its directory must be on a local disk.
        max_bytes: The most that all files together may take; half of what is free and
            used where that is less. Beyond it, workers report counts alone.
        clock: Seconds that never go back and that the host's processes share; for
            tests.
        wall_clock: Seconds since the epoch; for tests.
    """

    coverage: Coverage = "host"  # type: ignore[misc]
    keeps = SqliteActivity.keeps
    pages_after = True
    pages_of_workers = True

    def __init__(
        self,
        *,
        path: str | os.PathLike[str] | None = None,
        max_bytes: int = DEFAULT_BYTES,
        clock: Callable[[], float] = clocks.monotonic,
        wall_clock: Callable[[], float] = clocks.wall_clock,
    ) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int):
            raise TypeError(f"max_bytes must be a number of bytes, not {max_bytes!r}")
        if max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes must be at least {LEAST_BYTES} (1 MiB)")
        if path is not None and not isinstance(path, str | os.PathLike):
            raise TypeError(f"path must be a path, not {path!r}")
        if path is not None and (not os.path.isabs(path) or "\0" in os.fspath(path)):
            raise ValueError(f"path must be an absolute path, not {os.fspath(path)!r}")
        self._clock = clock
        self._wall_clock = wall_clock
        self._path = path
        self._max_bytes = max_bytes
        self._reset()

    @property
    def path(self) -> Path:
        """Return the status file."""
        return self._file.path

    @property
    def wants_details(self) -> bool:  # type: ignore[override]
        """Return whether there is space for connections and users."""
        return not self._space.is_short

    def report(self, report: Report) -> bool:
        """Take a report: O(changes)."""
        return self.exchange(report).is_taken

    def exchange(self, report: Report) -> ReportAnswer:
        """Take a report with its activity in at most two transactions: O(changes)."""
        return self._taking.exchange(report)

    def goodbye(self, worker_id: str) -> None:
        """Remove a worker; later reports of others remove its rows."""
        self._taking.goodbye(worker_id)

    def read(self) -> Snapshot:
        """Return every live report: O(workers), from one consistent view of the file.

        Right after a worker died, a read subtracts the users who were only on that
        worker: O(users of the dead worker).
        """
        with self._reader.reading() as link:
            if link is None:
                return Snapshot(workers=(), unique_users=0)
            live, dead, damaged, _ = workers(link, self._clock)
            gone = [*dead, *(row[0] for row in link.database.execute(sql.READ_GONE))]
            complete = not damaged and not self._lacks_reports(link)
            users = count_users(link, live, gone)
        return Snapshot(
            workers=tuple(live.values()), unique_users=users, complete=complete
        )

    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        """Return one page, in the order of an index: O(offset + limit).

        After a cursor, it is O(limit + log connections), and rows of workers that died
        just now. A filter by labels scans each connection of the type or user, in a
        copy in memory, so that no report and no other query waits.
        """
        try:
            live, complete, found = self._search(query, copies=query.labels)
        except sqlite3.Error:
            # If the file is damaged too, this replaces it.
            live, complete, found = self._search(query, copies=False)
        page = finding.page_of(found, query, live)
        return page if complete else dataclasses.replace(page, complete=False)

    def oldest_by_type(self, types: Collection[str]) -> Mapping[str, float]:
        """Return when the oldest connection of each type opened: O(types log rows)."""
        with self._searcher.reading() as link:
            return finding.oldest(link, types, self._whole(link))

    def users_by_type(self, types: Sequence[str]) -> Mapping[str, UserCount]:
        """Return how many users each type has, from at most 10,000 rows."""
        with self._searcher.reading() as link:
            return finding.users(link, types, self._whole(link))

    def _whole(self, link: Link | None) -> Mapping[int, WorkerStatus]:
        """Return the live workers; none while connections may be missing."""
        if link is None or self._lacks_reports(link):
            return {}
        live, _, damaged, _ = workers(link, self._clock)
        return live if not damaged and all(it.complete for it in live.values()) else {}

    def _search(
        self, query: ConnectionQuery, *, copies: object
    ) -> tuple[dict[int, WorkerStatus], bool, finding.Found]:
        """Return the live workers, whether all are complete, and what was found."""
        with contextlib.ExitStack() as copying:
            copy: sqlite3.Connection | None = None
            if copies:
                # One copy at a time, since each may take the memory of the whole file.
                copying.enter_context(self._copying)
                copy = copying.enter_context(sql.in_memory())
            with self._searcher.reading() as link:
                if link is None:
                    return {}, True, finding.Found(0, ())
                live, _, damaged, _ = workers(link, self._clock)
                whole = not damaged and all(it.complete for it in live.values())
                complete = whole and not self._lacks_reports(link)
                if copy is None:
                    return live, complete, finding.search(link.database, query, live)
                link.database.backup(copy)
            return live, complete, finding.search(copy, query, live)

    def is_online(self, user_id: str) -> bool:
        """Return whether a user is online: O(log users)."""
        found, lacks = self._presence(self._reader, sql.IS_ONLINE, user_id)
        if lacks and not found:
            raise BackendError(self._file.others.reason() or lacks)
        return bool(found)

    def online_user_ids(self) -> Collection[str]:
        """Return the users who are online: O(users)."""
        found, lacks = self._presence(self._searcher, sql.READ_ONLINE)
        if lacks:
            raise BackendError(self._file.others.reason() or lacks)
        return frozenset(row[0] for row in found)

    def _presence(
        self, handle: Handle, statement: str, *values: str
    ) -> tuple[list[tuple[str]], str]:
        """Return rows of users, and why others may be missing: empty if none is."""
        with handle.reading() as link:
            if link is None:
                return [], ""
            live, _, damaged, _ = workers(link, self._clock)
            verify_users(link.database)
            statement = statement.format(keys=sql.keys(live))
            found = link.database.execute(statement, values).fetchall()
            if damaged:
                return found, DAMAGED
            if self._lacks_reports(link):
                return found, LOST
            return found, PARTLY if is_any_bare(link, live) else ""

    def report_endpoints(self, text: str, age_seconds: float) -> None:
        """Keep the endpoints of a worker."""
        with self._writer.transaction() as link:
            write_endpoints(link.database, text, age_seconds)

    def read_endpoints(self) -> str | None:
        """Return the endpoints that were reported."""
        with self._reader.reading() as link:
            return None if link is None else read_endpoints(link.database)

    def _lacks_reports(self, link: Link) -> bool:
        """Return whether workers report elsewhere, or not yet to this file."""
        return bool(self._file.others.users()) or lacks_reports(link, self._clock)

    def check(self) -> Iterable[CheckMessage]:
        """Yield why the status file cannot be used, or may not be the shared one."""
        try:
            self._file.current()
            self._file.verify_writable()
        except BackendUnusableError as error:
            message = str(error).removesuffix(ELSEWHERE).rstrip()
            yield Warning(message, hint=ELSEWHERE, id="django_socket_status.W010")
        if self._path is None:
            yield from default_path_messages(self._file.others)
        strangers = self._strangers()
        if strangers:
            yield stranger_message(strangers, self.path)

    def _strangers(self) -> list[Worker]:
        """Return the live workers that belong to another deployment."""
        with contextlib.suppress(BackendError), self._searcher.reading() as link:
            if link is not None:
                ids = read_strangers(link.database)
                live = [it.worker for it in workers(link, self._clock).live.values()]
                return [worker for worker in live if worker.worker_id in ids]
        return []

    def close(self) -> None:
        """Close the file."""
        for handle in (self._writer, self._reader, self._searcher):
            handle.close()
        self._store.close()

    def forget_after_fork(self) -> None:
        """Start with no open file; the parent's files were closed before the fork."""
        self._reset()

    def _reset(self) -> None:
        self._file = StatusFile(self._path)
        activity = ActivityFile(self._path, self._file)
        self._space = Space(self._file, self._max_bytes, activity.used_bytes)
        self._copying = GuardedLock()
        # Three handles: a slow search delays no report, no summary and no is_online.
        self._writer, self._reader, self._searcher = (
            Handle(self._file, self._clock) for _ in range(3)
        )
        self._store = ActivityStore(
            activity, self._max_bytes // 8, self._clock, self._wall_clock
        )
        orders = Orders(self._clock, self._wall_clock)
        parts = self._file, self._writer, self._space, self._store, orders
        self._taking = Taking(*parts, self._clock)
        self.activity_part = SqliteActivity(
            self._writer, self._reader, self._store, orders, self._clock
        )
