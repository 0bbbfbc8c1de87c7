"""The default backend: one private SQLite file, seen by every process of a host.

The standard library's SQLite, in write-ahead-log mode and without waiting for the disk:
what is lost in a power failure is what no longer exists. It has nothing to do with the
project's databases. See :mod:`.status_file` for the files, :mod:`.sqlite_schema` for
what is in them, and :mod:`.process_locks` for how a killed worker is known to be gone
at the next read.

Leases run on ``time.monotonic``, which the processes of a host share and which does
not jump: ``CLOCK_MONOTONIC`` on Linux, ``mach_absolute_time`` on macOS. It starts again
at a boot, so a report from the future is of another boot, and over.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from django.core.checks import CheckMessage, Warning

from django_socket_status.backends import sqlite_schema as sql
from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.sqlite_handle import Handle, ReplacedError
from django_socket_status.backends.sqlite_link import Link
from django_socket_status.backends.sqlite_rows import (
    identity_of,
    read_connection,
    read_worker,
    write_changes,
)
from django_socket_status.backends.sqlite_search import search
from django_socket_status.backends.status_file import ELSEWHERE, StatusFile
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Coverage,
    Report,
    Snapshot,
    WorkerStatus,
)

__all__ = ["SqliteBackend"]

LOST = "Users were lost, and are about to be reported again."

SWEEP_SECONDS = 1.0
#: Rows of the dead that one sweep removes, in some tens of milliseconds.
SWEEP_ROWS = 10_000
#: A write-ahead log that outgrows this cannot be reused: a reader was frozen.
LOG_LIMIT = 64 * 2**20


class SqliteBackend(BaseBackend):
    """Keep reports in one private file that the processes of this host share.

    Args:
        path: The status file, absolute; by default one in the temporary directory,
            named from the project. Its directory must be on a local disk.
        clock: Seconds that never go back and that the host's processes share; for
            tests.
    """

    coverage: Coverage = "host"  # type: ignore[misc]

    def __init__(
        self,
        *,
        path: str | os.PathLike[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if path is not None and not isinstance(path, str | os.PathLike):
            raise TypeError(f"path must be a path, not {path!r}")
        if path is not None and (not os.path.isabs(path) or "\0" in os.fspath(path)):
            raise ValueError(f"path must be an absolute path, not {os.fspath(path)!r}")
        self._clock = clock
        self._path = path
        self._swept_at = float("-inf")
        self._reset()

    @property
    def path(self) -> Path:
        """Return the status file."""
        return self._file.path

    def report(self, report: Report) -> bool:
        """Take a report, in one transaction: O(changes)."""
        for _ in range(2):
            try:
                with self._writer.transaction() as link:
                    return self._take(link, report)
            except ReplacedError:
                if not report.full:
                    return False
        raise ReplacedError(f"The status file {self.path} does not last.")

    def _take(self, link: Link, report: Report) -> bool:
        now = self._clock()
        key = self._renew(link.database, report, now)
        if key is None:
            return False
        worker_id = report.worker.worker_id
        if not link.locks.hold(worker_id):
            raise BackendError(f"Another process holds the lock of {worker_id}.")
        write_changes(link.database, key, report)
        if not 0 <= now - self._swept_at < SWEEP_SECONDS:
            self._swept_at = now
            _sweep(link, self._workers(link)[1])
        return True

    def _renew(
        self, database: sqlite3.Connection, report: Report, now: float
    ) -> int | None:
        """Return the key of a worker; ``None`` if its report continues nothing."""
        worker_id = report.worker.worker_id
        state = (
            report.sequence,
            now,
            report.lease_seconds,
            report.complete,
            json.dumps(dict(report.counts)),
            report.anonymous,
        )
        if report.full:
            _retire(database, worker_id)
            identity = identity_of(report.worker)
            added = database.execute(sql.ADD_WORKER, (worker_id, identity, *state))
            return added.lastrowid
        found = database.execute(sql.FIND_WORKER, (worker_id, report.sequence - 1))
        row = found.fetchone()
        if row is None:
            return None
        key: int = row[0]
        database.execute(sql.RENEW_WORKER, (*state, key))
        return key

    def goodbye(self, worker_id: str) -> None:
        """Forget a worker; its rows go with the next reports of others."""
        with contextlib.suppress(ReplacedError):
            with self._writer.transaction(create=False) as link:
                _retire(link.database, worker_id)
                link.locks.release(worker_id)
                _reap(link.database, SWEEP_ROWS)
            if not link.locks.holds_any:
                # The end of the process, as a rule.
                self._writer.close()

    def read(self) -> Snapshot:
        """Return every live report: O(workers), from one consistent view of the file.

        Right after a worker died, the users who were only there are counted out: that
        read costs O(users of the dead).
        """
        with self._reader.reading() as link:
            if link is None:
                return Snapshot(workers=(), unique_users=0)
            live, dead = self._workers(link)
            gone = [*dead, *(row[0] for row in link.database.execute(sql.READ_GONE))]
            users = link.database.execute(sql.READ_TALLY).fetchone()[0]
            complete = not self._lacks_reports(link)
            if gone and live:
                statement = sql.COUNT_ONLY_ON.format(keys=sql.keys(gone))
                users -= link.database.execute(statement).fetchone()[0]
        return Snapshot(
            workers=tuple(live.values()),
            unique_users=max(0, users) if live else 0,
            complete=complete,
        )

    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        """Return one page, in the order of an index: O(offset + limit).

        Labels have no index: a filter by them looks at each connection of the type or
        user that is asked for.
        """
        with self._searcher.reading() as link:
            live = self._workers(link)[0] if link is not None else {}
            total, rows = search(link.database, query, live) if link else (0, ())
            complete = link is None or not self._lacks_reports(link)
            complete = complete and all(it.complete for it in live.values())
        return ConnectionPage(
            connections=tuple(
                read_connection(live[key].worker.worker_id, row) for key, *row in rows
            ),
            total=total,
            limit=query.limit,
            offset=query.offset,
            complete=complete,
        )

    def is_online(self, user_id: str) -> bool:
        """Return whether a user is there: O(log users)."""
        found, lacks = self._presence(sql.IS_ONLINE, user_id)
        if lacks and not found:
            raise BackendError(LOST)
        return bool(found)

    def online_user_ids(self) -> Collection[str]:
        """Return the users who are there: O(users)."""
        found, lacks = self._presence(sql.READ_ONLINE)
        if lacks:
            raise BackendError(LOST)
        return frozenset(row[0] for row in found)

    def _presence(self, statement: str, *values: str) -> tuple[list[tuple[str]], bool]:
        """Return rows of users, and whether others may be missing."""
        with self._searcher.reading() as link:
            if link is None:
                return [], False
            statement = statement.format(keys=sql.keys(self._workers(link)[0]))
            found = link.database.execute(statement, values).fetchall()
            return found, self._lacks_reports(link)

    def _lacks_reports(self, link: Link) -> bool:
        """Return whether the file replaced another, and not everybody has seen it."""
        _, made_at, replaces = link.database.execute(sql.READ_TALLY).fetchone()
        age = self._clock() - made_at
        return bool(replaces) and 0 <= age < get_settings().lease_seconds

    def check(self) -> Iterable[CheckMessage]:
        """Return a warning when the status file cannot be used here."""
        try:
            self._file.current()
            self._file.verify_writable()
        except BackendUnusableError as error:
            message = str(error).removesuffix(ELSEWHERE).rstrip()
            yield Warning(message, hint=ELSEWHERE, id="django_socket_status.W010")

    def close(self) -> None:
        """Close the file."""
        for handle in (self._writer, self._reader, self._searcher):
            handle.close()

    def forget_after_fork(self) -> None:
        """Start with no file open; what the parent had was closed before the fork."""
        self._reset()

    def _reset(self) -> None:
        self._file = StatusFile(self._path)
        # A search that takes long holds up neither the summary nor a report.
        self._writer, self._reader, self._searcher = (
            Handle(self._file, self._clock) for _ in range(3)
        )

    def _workers(self, link: Link) -> tuple[dict[int, WorkerStatus], list[int]]:
        """Return the live workers, and the keys of the dead that nobody retired."""
        live: dict[int, WorkerStatus] = {}
        dead: list[int] = []
        rows = link.database.execute(sql.READ_WORKERS).fetchall()
        # Only now: who reported between the two would seem to be of another boot.
        now = self._clock()
        try:
            for key, *row in rows:
                worker_id, _, reported_at, lease, *_ = row
                if 0 <= now - reported_at < lease and link.locks.may_live(worker_id):
                    live[key] = read_worker(row, now)
                else:
                    dead.append(key)
        except (ValueError, TypeError, AttributeError) as error:
            raise sqlite3.DatabaseError("a row is damaged") from error
        return live, dead


def _retire(database: sqlite3.Connection, worker_id: str) -> None:
    database.execute(sql.RETIRE, (worker_id,))
    database.execute(sql.REMOVE_WORKER, (worker_id,))


def _sweep(link: Link, dead: Collection[int]) -> None:
    """Retire dead workers, and remove some of what they and others left."""
    if link.log_bytes() > LOG_LIMIT:
        raise sqlite3.DatabaseError("its write-ahead log only grows")
    for key in dead:
        link.database.execute(sql.RETIRE_KEY, (key,))
        link.database.execute(sql.REMOVE_KEY, (key,))
    _reap(link.database, SWEEP_ROWS)


def _reap(database: sqlite3.Connection, budget: int) -> None:
    """Remove a bounded part of what the dead left; users first, as reads feel them."""
    gone = [key for (key,) in database.execute(sql.READ_GONE)]
    for statement in (sql.REAP_PRESENCE, sql.REAP_CONNECTIONS):
        for key in gone:
            if budget <= 0:
                return
            which = {"worker": key, "rows": budget}
            budget -= database.execute(statement, which).rowcount
    if gone and budget > 0:
        database.execute(sql.FORGET_GONE)
