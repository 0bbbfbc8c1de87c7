"""The lists of closed connections and rejected handshakes."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django_socket_status.activity.entries import LEFT_OUT
from django_socket_status.activity.limits import (
    CLOSED_BYTES,
    EndedLimit,
    count_kept,
    ended_limit,
)
from django_socket_status.activity.stored import Ended, Entries, Rewritten
from django_socket_status.backends.sqlite.activity.state import (
    get_time,
    put,
    sound_rows,
)

__all__ = ["Change", "Lists", "drop", "read_all", "replace"]

ADD = """
INSERT INTO ended (list, kept_at, number, size, left_out, text)
VALUES (?, ?, ?, ?, ?, ?)
"""
SIZES = """
SELECT kept_at, number, size, id FROM ended INDEXED BY ended_size WHERE list = ?
ORDER BY id DESC
"""
READ = """
SELECT text, number, left_out FROM ended WHERE list = ? ORDER BY id DESC LIMIT ?
"""
TRIM = "DELETE FROM ended WHERE list = ? AND id <= ?"
DROP = "DELETE FROM ended"
ALL = "SELECT id, text FROM ended WHERE list = ?"
REPLACE = "UPDATE ended SET text = ?, size = ? WHERE id = ? AND text = ?"

#: So many reports, or bytes, are added by a process before the oldest ones are removed
#: again. Readers skip what is beyond the limit.
TRIM_REPORTS, TRIM_BYTES = 100, 2**19
#: After the space was needed for open connections, none are kept for this long.
PAUSE_SECONDS = 600.0
#: Pages that go at a time.
SHRINK_PAGES = 4_000


class Lists:
    """Both lists, as one process writes them.

    Args:
        max_bytes: What each may take at most.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._reports = TRIM_REPORTS
        self._bytes = 0

    def keep(
        self, database: sqlite3.Connection, ended: Ended, entries: Entries, now: float
    ) -> None:
        """Add the entries of a report, unless their space is needed."""
        limit = self._limit(ended)
        paused_at = get_time(database, "paused_at")
        if paused_at is not None and abs(now - paused_at) < PAUSE_SECONDS:
            return
        text, number, left_out = entries
        size = len(text)
        if number <= limit.number and limit.number and size <= limit.size:
            database.execute(ADD, (ended, now, number, size, left_out, text))
        self._reports += 1
        self._bytes += size
        trims = self._reports >= TRIM_REPORTS or self._bytes >= TRIM_BYTES
        if trims or not limit.number:
            self._reports = self._bytes = 0
            for it in ("closed", "rejected"):
                self._trim(database, it, now)

    def _trim(self, database: sqlite3.Connection, ended: Ended, now: float) -> None:
        rows = database.execute(SIZES, (ended,)).fetchall()
        kept = self._count_kept(rows, ended, now)
        if kept < len(rows):
            database.execute(TRIM, (ended, rows[kept][3]))

    def read(
        self, database: sqlite3.Connection, ended: Ended, now: float
    ) -> Sequence[Entries]:
        """Return what is kept, newest report first.

        After the space was needed, with a note that connections were left out: for as
        long as those would be kept that ended meanwhile.

        Raises:
            sqlite3.DatabaseError: a row is damaged.
        """
        rows = database.execute(SIZES, (ended,))
        kept = self._count_kept(rows, ended, now)
        found = database.execute(READ, (ended, kept)).fetchall()
        if any(tuple(map(type, row)) != (str, int, int) for row in found):
            raise sqlite3.DatabaseError("a row is damaged")
        kept_entries = [Entries(*row) for row in found]
        paused_at = get_time(database, "paused_at")
        left_out_for = PAUSE_SECONDS + self._limit(ended).seconds
        if paused_at is not None and abs(now - paused_at) < left_out_for:
            kept_entries.append(LEFT_OUT)
        return kept_entries

    def _count_kept(self, rows: Iterable[Any], ended: Ended, now: float) -> int:
        """Return how many rows fit into the limit, newest first.

        Raises:
            sqlite3.DatabaseError: a row is damaged.
        """
        with sound_rows():
            return count_kept(map(_sound_size, rows), self._limit(ended), now)

    def _limit(self, ended: Ended) -> EndedLimit:
        limit = ended_limit(ended)
        return limit._replace(size=min(limit.size, self._max_bytes))


def _sound_size(row: Any) -> tuple[float, int, int]:
    kept_at, number, size, _ = row
    if not math.isfinite(kept_at):
        # Else it would look older than all limits, and so would all that are older.
        raise TypeError
    if not (0 <= number <= CLOSED_BYTES and 0 <= size <= CLOSED_BYTES):
        # The same for a number or a size that no report has.
        raise TypeError
    return kept_at, number, size


class Change(NamedTuple):
    """A text to replace."""

    id: int
    old: str
    new: Rewritten


def read_all(database: sqlite3.Connection, ended: Ended) -> Sequence[tuple[int, str]]:
    """Return the id and the text of each row of a list, also beyond its limits.

    Raises:
        sqlite3.DatabaseError: a row is damaged.
    """
    rows = database.execute(ALL, (ended,)).fetchall()
    if any(tuple(map(type, row)) != (int, str) for row in rows):
        raise sqlite3.DatabaseError("a row is damaged")
    return rows


def replace(database: sqlite3.Connection, wanted: Sequence[Change]) -> list[Change]:
    """Replace texts that are as they were read, and return which."""
    # The space of an old text is overwritten, and not only free.
    database.execute("PRAGMA secure_delete=ON").fetchall()
    try:
        return [
            it
            for it in wanted
            if database.execute(
                REPLACE, (it.new.text, len(it.new.text), it.id, it.old)
            ).rowcount
        ]
    finally:
        database.execute("PRAGMA secure_delete=OFF").fetchall()


def drop(database: sqlite3.Connection, now: float) -> bool:
    """Remove all entries, and give their space back; false if there are none."""
    if not database.execute(DROP).rowcount:
        return False
    put(database, "paused_at", now)
    for _ in range(SHRINK_PAGES):
        if not database.execute("PRAGMA freelist_count").fetchone()[0]:
            break
        # One page a statement: Python 3.11 does not step on to the next page.
        database.execute("PRAGMA incremental_vacuum(1)").fetchall()
    return True
