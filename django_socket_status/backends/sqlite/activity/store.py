"""Reads and writes the activity file, and makes room in it."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from django_socket_status.activity.stored import (
    Activity,
    Bucket,
    Ended,
    Entries,
    Rewritten,
    StoredCount,
    StoredTotals,
)
from django_socket_status.backends.sqlite.activity import endings, history, totals
from django_socket_status.backends.sqlite.activity.endings import Change
from django_socket_status.backends.sqlite.activity.file import ActivityFile
from django_socket_status.backends.sqlite.activity.schema import ACTIVITY
from django_socket_status.backends.sqlite.activity.state import is_idle, note_write
from django_socket_status.backends.sqlite.errors import FullError, ReplacedError
from django_socket_status.backends.sqlite.session import Handle
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report

__all__ = ["ActivityStore"]

T = TypeVar("T")

#: The file is replaced, the lists are dropped, and the file is replaced again.
ATTEMPTS = 4


class ActivityStore:
    """Keeps counters, ended connections and the history.

    Args:
        file: The activity file.
        max_bytes: What the lists of ended connections may take at most.
        clock: Seconds, as the leases are measured.
        wall_clock: Seconds since the epoch.
    """

    def __init__(
        self,
        file: ActivityFile,
        max_bytes: int,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.file = file
        self._wall_clock = wall_clock
        self._writer = Handle(file, clock, ACTIVITY)
        self._reader = Handle(file, clock, ACTIVITY)
        self._lists = endings.Lists(max_bytes)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
        self._reader.close()

    def is_there(self) -> bool:
        """Return whether a worker has reported anything that this file keeps."""
        return self.file.stamp() is not None

    # Writing.

    def take(
        self, report: Report, activity: Activity, token: str
    ) -> tuple[int | None, bool]:
        """Keep the counters and the ended connections of a report.

        Args:
            report: Its connections were taken.
            activity: Of the report.
            token: The generation of the status file that it was written to.

        Returns:
            ``folded`` and ``is_forgotten`` of the answer.
        """
        if activity.totals is None and not (activity.closed or activity.rejected):
            return None, False

        def write(database: sqlite3.Connection) -> tuple[int | None, bool]:
            now = self._wall_clock()
            if activity.closed:
                self._lists.keep(database, "closed", activity.closed, now)
            if activity.rejected:
                self._lists.keep(database, "rejected", activity.rejected, now)
            return totals.take(database, report, token, now)

        return self._write(write)

    def fold(
        self, counts: Sequence[StoredCount], base_before: str, base_after: str
    ) -> bool:
        """Fold counts, if they and the base are as they were read."""

        def write(database: sqlite3.Connection) -> bool:
            now = self._wall_clock()
            return totals.fold(database, counts, (base_before, base_after), now)

        return self._write(write)

    def drop_totals(self, text: str) -> None:
        """Remove all counters if one of their texts is this one."""
        self._write(lambda database: totals.drop(database, text))

    def keep_lost(self, lost: Mapping[str, str]) -> None:
        """Keep the newest connections of workers that died, by worker id."""

        def write(database: sqlite3.Connection) -> None:
            totals.keep_lost(database, lost, self._wall_clock())

        self._write(write)

    def keep_ended(self, ended: Ended, entries: Entries) -> None:
        """Keep ended connections that no report carries."""

        def write(database: sqlite3.Connection) -> None:
            self._lists.keep(database, ended, entries, self._wall_clock())

        self._write(write)

    def rewrite_ended(
        self, ended: Ended, rewrite: Callable[[str], Rewritten | None]
    ) -> int:
        """Replace texts of ended connections; return how many entries changed.

        The texts are rewritten between two transactions, so that reports do not wait.
        """
        total = 0
        for _ in range(ATTEMPTS):
            with self._reading() as database:
                rows = () if database is None else endings.read_all(database, ended)
            found = ((key, text, rewrite(text)) for key, text in rows)
            changes = [
                Change(key, text, new) for key, text, new in found if new is not None
            ]
            if not changes:
                return total
            done = self._write(functools.partial(endings.replace, wanted=changes))
            total += sum(change.new.changed for change in done)
            if len(done) == len(changes):
                return total
        raise BackendError("Other processes change the ended connections all the time.")

    def write_buckets(self, buckets: Sequence[Bucket], carry: str) -> None:
        """Keep buckets of the history, and a text for the next sampler."""
        self._write(lambda database: history.write_buckets(database, buckets, carry))

    def _write(self, write: Callable[[sqlite3.Connection], T]) -> T:
        """Write in one transaction; replace a damaged file, and make room."""
        remedies = [self.drop_ended, self._writer.start_small]
        for _ in range(ATTEMPTS):
            try:
                with self._writer.transaction() as link:
                    note_write(link.database, self._wall_clock())
                    return write(link.database)
            except ReplacedError:
                continue
            except FullError:
                if not remedies:
                    raise
                with contextlib.suppress(BackendError):
                    remedies.pop(0)()
        raise ReplacedError(f"The activity file {self.file.path} does not last.")

    def drop_ended(self) -> bool:
        """Give the space of ended connections back; false if there are none.

        On a full disk there is no space for a journal, so it is in memory then. If this
        process is killed meanwhile, the file is damaged, and is replaced.
        """
        for journal in ("TRUNCATE", "MEMORY"):
            with contextlib.suppress(BackendError):
                with self._writer.transaction(create=False) as link:
                    pass
                link.database.execute(f"PRAGMA journal_mode={journal}")
                try:
                    with self._writer.transaction(create=False) as link:
                        return endings.drop(link.database, self._wall_clock())
                finally:
                    with contextlib.suppress(sqlite3.Error):
                        link.database.execute("PRAGMA journal_mode=TRUNCATE")
        return False

    # Reading.

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        with self._reader.reading() as link:
            if link is None or is_idle(link.database, self._wall_clock()):
                yield None
            else:
                yield link.database

    def read_totals(self) -> tuple[StoredTotals, dict[tuple[str, int], str]] | None:
        """Return all counters, and the generation that each count was reported to."""
        with self._reading() as database:
            if database is None:
                return None
            return totals.read(database, self._wall_clock())

    def read_lost(self, worker_id: str) -> str | None:
        """Return what :meth:`keep_lost` kept of a worker."""
        with self._reading() as database:
            return None if database is None else totals.read_lost(database, worker_id)

    def read_ended(self, ended: Ended) -> Sequence[Entries]:
        """Return the kept entries, newest report first."""
        with self._reading() as database:
            if database is None:
                return ()
            return self._lists.read(database, ended, self._wall_clock())

    def read_buckets(self, rings: Mapping[str, int]) -> Sequence[Bucket]:
        """Return the buckets of rings, each from a number on."""
        with self._reading() as database:
            return () if database is None else history.read_buckets(database, rings)
