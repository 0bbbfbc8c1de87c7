"""The tables of the SQLite backend, and the statements on them.

``worker``
    One row for each worker that reported. Its key is new with each full report.

``gone``
    Keys of workers that left, were found dead, or reported in full anew. Their rows in
    the other tables count for nothing, and are removed a few at a time.

``connection``
    The open connections, by worker and number, and in the order of their age: all, by
    type, by user. An index that only grows at its end costs next to nothing.

``presence``
    Which user has at least one connection on which worker. Two triggers keep the number
    of different users in ``tally``, so that a summary need not count them.

The SQL is of SQLite 3.31 (2020), without extensions.
"""

from __future__ import annotations

__all__ = [
    "ADD_TALLY",
    "ADD_WORKER",
    "CLOSE",
    "CLOSE_RANGE",
    "COUNT_CONNECTIONS",
    "COUNT_ONLY_ON",
    "FIND_WORKER",
    "FORGET_GONE",
    "IS_ONLINE",
    "JOIN",
    "JOIN_ROW",
    "LEAVE",
    "OF_LABEL",
    "OF_TYPE",
    "OF_USER",
    "OF_WORKERS",
    "OPEN",
    "OPEN_ROW",
    "READ_CONNECTIONS",
    "READ_GONE",
    "READ_ONLINE",
    "READ_TALLY",
    "READ_WORKERS",
    "REAP_CONNECTIONS",
    "REAP_PRESENCE",
    "REMOVE_KEY",
    "REMOVE_WORKER",
    "RENEW_WORKER",
    "RETIRE",
    "RETIRE_KEY",
    "SCHEMA",
    "create",
    "keys",
]

import sqlite3
from collections.abc import Iterable
from pathlib import Path

SCHEMA = """
BEGIN;
CREATE TABLE tally (users INTEGER NOT NULL, made_at REAL NOT NULL, replaces INTEGER);
CREATE TABLE worker (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    worker_id TEXT NOT NULL UNIQUE,
    identity TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    reported_at REAL NOT NULL,
    lease REAL NOT NULL,
    complete INTEGER NOT NULL,
    counts TEXT NOT NULL,
    anonymous INTEGER NOT NULL
);
CREATE TABLE gone (key INTEGER PRIMARY KEY);
CREATE TABLE connection (
    worker INTEGER NOT NULL,
    number INTEGER NOT NULL,
    type TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    user TEXT,
    labels TEXT NOT NULL,
    opened_at REAL NOT NULL,
    PRIMARY KEY (worker, number)
) WITHOUT ROWID;
CREATE INDEX connection_age ON connection (opened_at);
CREATE INDEX connection_type ON connection (type, opened_at);
CREATE INDEX connection_user ON connection (user, opened_at) WHERE user IS NOT NULL;
CREATE TABLE presence (
    user TEXT NOT NULL,
    worker INTEGER NOT NULL,
    PRIMARY KEY (user, worker)
) WITHOUT ROWID;
CREATE INDEX presence_worker ON presence (worker);
CREATE TRIGGER user_came AFTER INSERT ON presence BEGIN
    UPDATE tally SET users = users + 1 WHERE NOT EXISTS (
        SELECT 1 FROM presence WHERE user = NEW.user AND worker <> NEW.worker
    );
END;
CREATE TRIGGER user_went AFTER DELETE ON presence BEGIN
    UPDATE tally SET users = users - 1 WHERE NOT EXISTS (
        SELECT 1 FROM presence WHERE user = OLD.user
    );
END;
COMMIT;
"""

ADD_TALLY = "INSERT INTO tally VALUES (0, ?, ?)"
READ_TALLY = "SELECT users, made_at, replaces FROM tally"

RETIRE = "INSERT INTO gone SELECT key FROM worker WHERE worker_id = ?"
REMOVE_WORKER = "DELETE FROM worker WHERE worker_id = ?"
RETIRE_KEY = "INSERT INTO gone VALUES (?)"
REMOVE_KEY = "DELETE FROM worker WHERE key = ?"
ADD_WORKER = """
INSERT INTO worker
    (worker_id, identity, sequence, reported_at, lease, complete, counts, anonymous)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
FIND_WORKER = "SELECT key FROM worker WHERE worker_id = ? AND sequence = ?"
RENEW_WORKER = """
UPDATE worker SET sequence = ?, reported_at = ?, lease = ?, complete = ?, counts = ?,
    anonymous = ?
WHERE key = ?
"""
READ_WORKERS = """
SELECT key, worker_id, identity, reported_at, lease, complete, counts, anonymous
FROM worker ORDER BY key
"""
READ_GONE = "SELECT key FROM gone"
FORGET_GONE = "DELETE FROM gone"

# Of many rows at once; the worker's key is written into the statement.
OPEN = "INSERT OR REPLACE INTO connection VALUES {rows}"
OPEN_ROW = "({key}, ?, ?, ?, ?, ?, ?)"
CLOSE_RANGE = """
DELETE FROM connection WHERE worker = {key} AND number BETWEEN ? AND ?
"""
CLOSE = "DELETE FROM connection WHERE worker = {key} AND number IN ({rows})"
JOIN = "INSERT OR IGNORE INTO presence VALUES {rows}"
JOIN_ROW = "(?, {key})"
LEAVE = "DELETE FROM presence WHERE worker = {key} AND user IN ({rows})"

REAP_PRESENCE = """
DELETE FROM presence WHERE worker = :worker AND user IN
    (SELECT user FROM presence WHERE worker = :worker LIMIT :rows)
"""
REAP_CONNECTIONS = """
DELETE FROM connection WHERE worker = :worker AND number IN
    (SELECT number FROM connection WHERE worker = :worker LIMIT :rows)
"""

#: How many users are nowhere but on the given workers.
COUNT_ONLY_ON = """
SELECT COUNT(DISTINCT user) FROM presence AS lost WHERE worker IN ({keys})
AND NOT EXISTS (
    SELECT 1 FROM presence WHERE user = lost.user AND worker NOT IN ({keys})
)
"""
IS_ONLINE = "SELECT 1 FROM presence WHERE user = ? AND worker IN ({keys}) LIMIT 1"
READ_ONLINE = "SELECT DISTINCT user FROM presence WHERE worker IN ({keys})"

COUNT_CONNECTIONS = "SELECT COUNT(*) FROM connection WHERE {where}"
READ_CONNECTIONS = """
SELECT worker, number, type, endpoint, user, labels, opened_at FROM connection
WHERE {where} ORDER BY opened_at DESC, worker DESC, number DESC LIMIT ? OFFSET ?
"""
# The plus keeps SQLite from using the primary key, for which it would have to sort.
OF_WORKERS = "+worker IN ({keys})"
OF_TYPE = "type = ?"
OF_USER = "user = ?"
OF_LABEL = "instr(labels, ?)"


def create(path: Path, *, made_at: float, replaces: bool) -> None:
    """Fill an empty database.

    Args:
        path: An empty file.
        made_at: The time, by the clock of the leases.
        replaces: Whether workers may be about to report to it what another one held.
    """
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")
        database.executescript(SCHEMA)
        database.execute(ADD_TALLY, (made_at, replaces))
    finally:
        database.close()


def keys(found: Iterable[int]) -> str:
    """Return worker keys as an SQL list; they are integers of our own making."""
    return ", ".join(str(key) for key in found)
