"""The tables of the SQLite backend, and the statements that use them.

``worker``
    One row for each worker that reported. Its key is new with each full report.

``gone``
    Keys of workers that left, died, or reported in full again. Their rows in other
    tables do not count any more, and are removed a few at a time.

``connection``
    The open connections, by worker and number, with indexes in the order of age: all,
    by type, and by user. New rows go to the end of each index, which is cheap.

``presence``
    Which user has at least one connection on which worker. Two triggers keep the number
    of different users in ``tally``, so that a summary need not count them.

``endpoints``
    At most one row: which URLs serve WebSockets, when the worker that reported them
    loaded its code, and when they were last reported, by the wall clock. The first
    report creates the table, since a file of an older version has none.

``bare``
    Keys of workers that report only counts, since there is no space for more.

The SQL is of SQLite 3.31 (2020), without extensions.
"""

from __future__ import annotations

__all__ = [
    "ADD_ENDPOINTS",
    "ADD_TALLY",
    "ADD_WORKER",
    "CONNECTION_ROW",
    "COUNT_CONNECTIONS",
    "COUNT_ONLY_ON",
    "COUNT_USERS",
    "DELETE_CONNECTIONS",
    "DELETE_CONNECTION_RANGE",
    "DELETE_PRESENCE",
    "FIND_WORKER",
    "FORGET_BARE",
    "FORGET_GONE",
    "HAS_ENDPOINTS",
    "INSERT_CONNECTIONS",
    "INSERT_PRESENCE",
    "IS_BARE",
    "IS_ONLINE",
    "IS_OWNER_DAMAGED",
    "IS_PRESENCE_DAMAGED",
    "IS_TIME_DAMAGED",
    "IS_TYPE_DAMAGED",
    "IS_USER_DAMAGED",
    "MOVED",
    "MOVE_TALLY",
    "NOTE_BARE",
    "OF_AFTER",
    "OF_LABEL",
    "OF_NUMBER",
    "OF_TYPE",
    "OF_USER",
    "OF_WORKERS",
    "OF_WORKERS_BY_NUMBER",
    "PRESENCE_ROW",
    "READ_CONNECTIONS",
    "READ_ENDPOINTS",
    "READ_GONE",
    "READ_NAMES",
    "READ_OLDEST",
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
    "WRITE_ENDPOINTS",
    "in_memory",
    "keys",
]

import contextlib
import sqlite3
from collections.abc import Iterable

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
CREATE TABLE bare (worker INTEGER PRIMARY KEY);
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
#: In ``replaces``: workers that are in the file may have no lock beside it yet.
MOVED = 2
MOVE_TALLY = "UPDATE tally SET made_at = ?, replaces = ?"
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
UPDATE worker SET identity = ?, sequence = ?, reported_at = ?, lease = ?, complete = ?,
    counts = ?, anonymous = ?
WHERE key = ?
"""
READ_WORKERS = """
SELECT key, worker_id, identity, reported_at, lease, complete, counts, anonymous
FROM worker ORDER BY key
"""
READ_NAMES = "SELECT key, worker_id FROM worker WHERE key IN ({keys})"
NOTE_BARE = "INSERT OR IGNORE INTO bare VALUES (?)"
FORGET_BARE = "DELETE FROM bare WHERE worker NOT IN (SELECT key FROM worker)"
IS_BARE = "SELECT 1 FROM bare WHERE worker IN ({keys}) LIMIT 1"
READ_GONE = "SELECT key FROM gone"
FORGET_GONE = "DELETE FROM gone"

# Of many rows at once; the worker's key is written into the statement.
INSERT_CONNECTIONS = "INSERT OR REPLACE INTO connection VALUES {rows}"
CONNECTION_ROW = "({key}, ?, ?, ?, ?, ?, ?)"
DELETE_CONNECTION_RANGE = """
DELETE FROM connection WHERE worker = {key} AND number BETWEEN ? AND ?
"""
DELETE_CONNECTIONS = (
    "DELETE FROM connection WHERE worker = {key} AND number IN ({rows})"
)
INSERT_PRESENCE = "INSERT OR IGNORE INTO presence VALUES {rows}"
PRESENCE_ROW = "(?, {key})"
DELETE_PRESENCE = "DELETE FROM presence WHERE worker = {key} AND user IN ({rows})"

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

# Whether a value has another type than the schema says, in O(log rows): SQLite sorts
# numbers before texts, and texts before blobs.
IS_PRESENCE_DAMAGED = """
SELECT EXISTS (SELECT 1 FROM presence WHERE user >= x'')
    OR EXISTS (SELECT 1 FROM presence WHERE worker >= '')
"""
IS_OWNER_DAMAGED = "SELECT EXISTS (SELECT 1 FROM connection WHERE worker >= '')"
IS_TIME_DAMAGED = "SELECT EXISTS (SELECT 1 FROM connection WHERE opened_at >= '')"
IS_TYPE_DAMAGED = "SELECT EXISTS (SELECT 1 FROM connection WHERE type >= x'')"
IS_USER_DAMAGED = (
    "SELECT EXISTS (SELECT 1 FROM connection WHERE user IS NOT NULL AND user >= x'')"
)

COUNT_CONNECTIONS = "SELECT COUNT(*) FROM connection WHERE {where}"
# In the order of ``Cursor.rank``. The keys of workers change with each full report, so
# their ids decide between connections of the same instant: SQLite sorts those few. The
# index alone finds the page. Only then the rows are read. A search for a label alone
# has to read them all: without the index, that takes a fifth of the time.
READ_CONNECTIONS = """
SELECT held.worker, number, type, endpoint, user, labels, opened_at FROM (
    SELECT connection.worker AS its_worker, connection.number AS its_number
    FROM connection CROSS JOIN worker ON worker.key = connection.worker
    WHERE {where} ORDER BY {plus}opened_at DESC, worker_id, number LIMIT ? OFFSET ?
) CROSS JOIN connection AS held ON worker = its_worker AND number = its_number
"""
READ_OLDEST = """
SELECT opened_at FROM connection
WHERE type = ? AND +worker IN ({keys}) ORDER BY opened_at LIMIT 1
"""
#: How many users the connections of a type have, and how many connections were read.
COUNT_USERS = """
SELECT COUNT(DISTINCT user), COUNT(*) FROM (
    SELECT user FROM connection WHERE type = ? AND +worker IN ({keys}) LIMIT ?
)
"""
OF_AFTER = """
{plus}opened_at <= ?
AND (opened_at < ? OR worker_id > ? OR worker_id = ? AND number > ?)
"""
# The plus keeps SQLite from using the primary key, for which it would have to sort.
OF_WORKERS = "+worker IN ({keys})"
#: With a number, the primary key finds the connection.
OF_WORKERS_BY_NUMBER = "connection.worker IN ({keys})"
OF_NUMBER = "number = ?"
OF_TYPE = "type = ?"
OF_USER = "user = ?"
OF_ANONYMOUS = "user IS NULL"
# A damaged row may match: it is found, and then left out as damaged.
OF_LABEL = """
(instr(labels, ?) OR labels >= char(31) OR labels < char(30) AND labels <> '')
"""


ADD_ENDPOINTS = """
CREATE TABLE IF NOT EXISTS endpoints (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    served TEXT NOT NULL,
    loaded_at REAL NOT NULL,
    told_at REAL NOT NULL
)
"""
HAS_ENDPOINTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
READ_ENDPOINTS = "SELECT served, loaded_at, told_at FROM endpoints"
WRITE_ENDPOINTS = "INSERT OR REPLACE INTO endpoints VALUES (1, ?, ?, ?)"


def in_memory() -> contextlib.closing[sqlite3.Connection]:
    """Return an empty database in memory, to be closed after use."""
    return contextlib.closing(sqlite3.connect(":memory:", isolation_level=None))


def keys(found: Iterable[int]) -> str:
    """Return worker keys as an SQL list; they are integers that SQLite made."""
    return ", ".join(str(key) for key in found)
