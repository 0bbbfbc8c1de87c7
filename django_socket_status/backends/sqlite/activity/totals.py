"""Counters: of workers, and folded into the base."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from django_socket_status.activity.limits import CLOSED_BYTES, MARK_SECONDS
from django_socket_status.activity.stored import CountTotals, StoredCount, StoredTotals
from django_socket_status.backends.sqlite.activity.state import (
    get_text,
    get_time,
    put,
)
from django_socket_status.records import Report

__all__ = ["drop", "fold", "keep_lost", "read", "read_lost", "take"]

READ_COUNTS = """
SELECT worker_id, number, sequence, text, token FROM count ORDER BY worker_id, number
"""
FIND_COUNT = "SELECT sequence FROM count WHERE worker_id = ? AND number = ?"
FIND_TEXT = "SELECT sequence, text FROM count WHERE worker_id = ? AND number = ?"
WRITE_COUNT = "INSERT OR REPLACE INTO count VALUES (?, ?, ?, ?, ?)"
NOTE_TOKEN = "UPDATE count SET token = ? WHERE worker_id = ? AND token <> ?"  # noqa: S105
REMOVE_COUNT = "DELETE FROM count WHERE worker_id = ? AND number = ?"

HAS_COUNTS = "SELECT EXISTS (SELECT 1 FROM count) OR EXISTS (SELECT 1 FROM mark)"
HAS_TEXT = """
SELECT EXISTS (SELECT 1 FROM count WHERE text = :text)
    OR EXISTS (SELECT 1 FROM state WHERE name = 'base' AND value = :text)
"""
DROP = (
    "DELETE FROM count",
    "DELETE FROM mark",
    "DELETE FROM lost",
    "DELETE FROM state WHERE name IN ('epoch', 'base')",
)

FIND_MARK = """
SELECT sequence FROM mark
WHERE worker_id = ? AND number = ? AND folded_at BETWEEN ? AND ?
"""
HAS_MARK = "SELECT 1 FROM mark"
WRITE_MARK = "INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)"
FORGET_MARKS = "DELETE FROM mark WHERE folded_at NOT BETWEEN ? AND ?"

WRITE_LOST = """
INSERT OR REPLACE INTO lost SELECT ?, ?, ?
WHERE EXISTS (SELECT 1 FROM count WHERE worker_id = ?)
"""
READ_LOST = "SELECT connections FROM lost WHERE worker_id = ?"
FORGET_LOST = "DELETE FROM lost WHERE worker_id = ?"
#: Half of what the list of closed ones may take, and always those of one worker.
LOST_BYTES = CLOSED_BYTES // 2
TRIM_LOST = """
DELETE FROM lost WHERE worker_id NOT IN (
    SELECT worker_id FROM (
        SELECT worker_id, LENGTH(connections) AS own,
            SUM(LENGTH(connections)) OVER (ORDER BY lost_at DESC, worker_id) AS size
        FROM lost
    ) WHERE size - own < ?
)
"""


def take(
    database: sqlite3.Connection, report: Report, token: str, now: float
) -> tuple[int | None, bool]:
    """Take the counters of a report; return ``folded`` and ``is_forgotten``."""
    worker_id = report.worker.worker_id
    if report.full:
        database.execute(FORGET_LOST, (worker_id,))
    totals = report.activity.totals if report.activity else None
    if totals is None:
        return None, False
    key = worker_id, totals.count_number
    mark = database.execute(FIND_MARK, (*key, *_day_around(now))).fetchone()
    if mark is not None:
        return _sound(mark[0]), False
    return None, not _write(database, (worker_id, totals, report.sequence, token), now)


def _write(
    database: sqlite3.Connection, count: tuple[str, CountTotals, int, str], now: float
) -> bool:
    """Write the counters of a count that is not folded; false if it is forgotten."""
    worker_id, totals, sequence, token = count
    key = worker_id, totals.count_number
    row = database.execute(FIND_COUNT, key).fetchone()
    if row is None and not totals.is_new:
        return False
    # A full report that comes late must not take counters back.
    is_newer = row is None or _sound(row[0]) < sequence
    if is_newer:
        database.execute(WRITE_COUNT, (*key, sequence, token, totals.text))
    if row is None and get_time(database, "epoch") is None:
        put(database, "epoch", now)
    database.execute(NOTE_TOKEN, (token, worker_id, token))
    return True


def read(
    database: sqlite3.Connection, now: float
) -> tuple[StoredTotals, dict[tuple[str, int], str]] | None:
    """Return all counters, and the generation that each count was reported to.

    Every count is said to be live: the status file knows which ones are not.

    Raises:
        sqlite3.DatabaseError: a row is damaged.
    """
    epoch = get_time(database, "epoch")
    if epoch is None:
        # The epoch is written with the first count, and is removed with the last one.
        if database.execute(HAS_COUNTS).fetchone()[0]:
            raise sqlite3.DatabaseError("the time of the totals is missing")
        return None
    counts, tokens = [], {}
    for row in database.execute(READ_COUNTS):
        worker_id, number, sequence, text, token = row
        if tuple(map(type, row)) != (str, int, int, str, str) or not text:
            raise sqlite3.DatabaseError("a count is damaged")
        _sound(number)
        _sound(sequence)
        counts.append(StoredCount(worker_id, number, sequence, text, is_live=True))
        tokens[worker_id, number] = token
    base, carry = get_text(database, "base"), get_text(database, "carry")
    if not base and database.execute(HAS_MARK).fetchone() is not None:
        raise sqlite3.DatabaseError("the base is missing")
    if not base and not counts:
        raise sqlite3.DatabaseError("the counts are missing")
    return StoredTotals(epoch, base, counts, now, carry), tokens


def fold(
    database: sqlite3.Connection,
    counts: Sequence[StoredCount],
    bases: tuple[str, str],
    now: float,
) -> bool:
    """Replace the base and remove counts, if all are as they were read."""
    before, after = bases
    if get_time(database, "epoch") is None or get_text(database, "base") != before:
        return False
    for count in counts:
        key = count.worker_id, count.count_number
        if database.execute(FIND_TEXT, key).fetchone() != (count.sequence, count.text):
            return False
    database.execute(FORGET_MARKS, _day_around(now))
    for count in counts:
        key = count.worker_id, count.count_number
        database.execute(REMOVE_COUNT, key)
        database.execute(WRITE_MARK, (*key, count.sequence, now))
        database.execute(FORGET_LOST, (count.worker_id,))
    put(database, "base", after)
    return True


def drop(database: sqlite3.Connection, text: str) -> None:
    """Remove all counters if one of their texts is this one."""
    if database.execute(HAS_TEXT, {"text": text}).fetchone()[0]:
        for statement in DROP:
            database.execute(statement)


def keep_lost(
    database: sqlite3.Connection, lost: Mapping[str, str], now: float
) -> None:
    """Keep the newest connections of workers that have a count, by worker id."""
    for worker_id, connections in lost.items():
        database.execute(WRITE_LOST, (worker_id, now, connections, worker_id))
    database.execute(TRIM_LOST, (LOST_BYTES,))


def read_lost(database: sqlite3.Connection, worker_id: str) -> str | None:
    """Return what is kept of a worker's connections."""
    row = database.execute(READ_LOST, (worker_id,)).fetchone()
    return None if row is None or not isinstance(row[0], str) else row[0]


def _sound(value: object) -> int:
    """Return the number of a report or of a count.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    if type(value) is not int or value < 1:
        raise sqlite3.DatabaseError("the number of a report or a count is damaged")
    return value


def _day_around(now: float) -> tuple[float, float]:
    """Return when a mark that counts was made: a clock that was set back is no harm."""
    return now - MARK_SECONDS, now + MARK_SECONDS
