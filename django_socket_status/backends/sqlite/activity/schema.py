"""The tables of the activity file, and those that are added to the status file.

``state``
    The epoch, the base, what the last sampler left, and when the file was last written,
    by name.

``count``
    The counters of each worker that are not folded, and the generation of the status
    file that the worker reported to.

``mark``
    Which counts were folded within 24 hours.

``ended``
    Closed connections and rejected handshakes, a row for each report. An index has all
    that limits need, so that these need not read the texts.

``bucket``
    The history.

``lost``
    The newest connections of workers that died, until their counts are folded.

In the status file: ``condition`` by key of the worker, ``command`` and ``result``, and
``sample``: when a worker was last chosen to sample, by the clock of the leases.

Times are of the wall clock where nothing else is said.
"""

from __future__ import annotations

from django_socket_status.backends.sqlite.activity.layout import Layout

__all__ = ["ACTIVITY", "ADD_TABLES", "HAS_TABLES"]

SCRIPT = """
BEGIN;
CREATE TABLE made (made_at REAL NOT NULL, replaces INTEGER);
CREATE TABLE state (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE count (
    worker_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    token TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (worker_id, number)
);
CREATE TABLE mark (
    worker_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    folded_at REAL NOT NULL,
    PRIMARY KEY (worker_id, number)
) WITHOUT ROWID;
CREATE TABLE ended (
    id INTEGER PRIMARY KEY,
    list TEXT NOT NULL,
    kept_at REAL NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    left_out INTEGER NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX ended_size ON ended (list, id, kept_at, number, size);
CREATE TABLE bucket (
    ring TEXT NOT NULL,
    number INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (ring, number)
) WITHOUT ROWID;
CREATE TABLE lost (worker_id TEXT PRIMARY KEY, lost_at REAL, connections TEXT NOT NULL);
COMMIT;
"""

ACTIVITY = Layout(
    "activity file",
    "The totals count from now on, and the history and the lists of closed connections "
    "begin again; open connections are not in this file.",
    SCRIPT,
    "INSERT INTO made VALUES (?, ?)",
    "SELECT made_at FROM made",
    "UPDATE made SET made_at = ?, replaces = ?",
)

#: What an old worker's status file lacks.
ADD_TABLES = (
    "CREATE TABLE IF NOT EXISTS condition (worker INTEGER PRIMARY KEY, text TEXT)",
    "CREATE TABLE IF NOT EXISTS sample (id INTEGER PRIMARY KEY, at REAL NOT NULL)",
    """
    CREATE TABLE IF NOT EXISTS command (
        number INTEGER PRIMARY KEY,
        command_id TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL,
        seconds REAL NOT NULL,
        given_at REAL NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS result (
        command_id TEXT NOT NULL,
        worker_id TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (command_id, worker_id)
    ) WITHOUT ROWID
    """,
)
#: The table that is added last.
HAS_TABLES = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'result'"
