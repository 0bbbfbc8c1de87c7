"""The rows of workers: renewed by a report, read, and removed when a worker is gone.

A worker that left, died or reported in full again loses its row at once. Its rows in
other tables count for nothing from then on, and are removed a few at a time.
"""

from __future__ import annotations

import datetime
import functools
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.backends.sqlite import schema as sql
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report, Worker, WorkerStatus
from django_socket_status.validation import (
    damaged,
    valid_count,
    valid_counts,
    valid_seconds,
    valid_worker,
)

__all__ = [
    "Tally",
    "WorkerRows",
    "count_users",
    "is_any_bare",
    "is_young",
    "lacks_reports",
    "named",
    "read_tally",
    "reap",
    "renew",
    "retire",
    "sweep",
    "workers",
]

#: Rows of gone workers that one sweep removes, in some tens of milliseconds.
SWEEP_ROWS = 10_000


def renew(database: sqlite3.Connection, report: Report, now: float) -> int | None:
    """Write the row of a report's worker, and return the worker's key.

    Returns:
        ``None`` if the report does not follow the last one, so a full one is needed.

    Raises:
        sqlite3.DatabaseError: the tally is damaged.
    """
    # Before it changes: the triggers add to it, and SQLite takes a text for 0.
    read_tally(database)
    worker_id = report.worker.worker_id
    state = (
        _identity_of(report.worker),
        report.sequence,
        now,
        report.lease_seconds,
        report.complete,
        json.dumps(dict(report.counts)),
        report.anonymous,
    )
    if report.full:
        retire(database, worker_id)
        added = database.execute(sql.ADD_WORKER, (worker_id, *state))
        return added.lastrowid
    found = database.execute(sql.FIND_WORKER, (worker_id, report.sequence - 1))
    row = found.fetchone()
    if row is None:
        return None
    key: int = row[0]
    database.execute(sql.RENEW_WORKER, (*state, key))
    return key


class WorkerRows(NamedTuple):
    """The rows of workers, by their keys."""

    live: dict[int, WorkerStatus]
    #: Their lease or their process ended, and they are not retired yet.
    dead: list[int]
    #: They hold something else than a worker writes, so their counts are not known.
    damaged: list[int]
    #: Those of them that no report has renewed for a heartbeat: their workers are gone.
    abandoned: list[int]


def workers(link: Link, clock: Callable[[], float]) -> WorkerRows:
    """Return the rows of workers.

    Args:
        link: In a transaction.
        clock: Seconds, as the leases are measured.

    Raises:
        sqlite3.DatabaseError: the tally is damaged.
    """
    found = WorkerRows({}, [], [], [])
    rows = link.database.execute(sql.READ_WORKERS).fetchall()
    # After the query: a report between the two would seem to come from the future.
    now = clock()
    for key, *row in rows:
        try:
            if _is_alive(link, row, now):
                found.live[key] = _read_worker(row, now)
            else:
                found.dead.append(key)
        except BackendError:
            found.damaged.append(key)
            if not _is_recent(row[2], now):
                found.abandoned.append(key)
    return found


def lacks_reports(link: Link, clock: Callable[[], float]) -> bool:
    """Return whether the file replaced another, and not every worker has seen it."""
    return _replaces(link, clock()) != 0


def is_young(link: Link, clock: Callable[[], float]) -> bool:
    """Return whether not every live worker need have reported to the file yet."""
    made_at = read_tally(link.database).made_at
    return 0 <= clock() - made_at < get_settings().lease_seconds


def named(link: Link, keys: Collection[int]) -> dict[int, str]:
    """Return the ids of workers by their keys."""
    statement = sql.READ_NAMES.format(keys=sql.keys(keys))
    return dict(link.database.execute(statement)) if keys else {}


def is_any_bare(link: Link, live: Mapping[int, WorkerStatus]) -> bool:
    """Return whether a live worker reports counts alone, without its users."""
    keys = [key for key, status in live.items() if not status.complete]
    if not keys:
        return False
    statement = sql.IS_BARE.format(keys=sql.keys(keys))
    return link.database.execute(statement).fetchone() is not None


class Tally(NamedTuple):
    """The one row that describes the whole file."""

    users: int
    made_at: float
    #: Whether and how the file replaced another one: see :data:`.schema.MOVED`.
    replaces: int


def read_tally(database: sqlite3.Connection) -> Tally:
    """Return the row that describes the whole file.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    row = database.execute(sql.READ_TALLY).fetchone()
    try:
        users, made_at, replaces = row
        return Tally(
            valid_count(users), valid_seconds(made_at), valid_count(replaces or 0)
        )
    except (BackendError, TypeError) as error:
        raise sqlite3.DatabaseError("the tally is damaged") from error


def retire(database: sqlite3.Connection, worker_id: str) -> None:
    """Remove a worker. Its rows in other tables do not count from now on."""
    database.execute(sql.RETIRE, (worker_id,))
    database.execute(sql.REMOVE_WORKER, (worker_id,))


def sweep(link: Link, found: WorkerRows) -> None:
    """Retire dead and damaged workers, and remove some rows of workers that are gone.

    A damaged row stays for a heartbeat, since readers see by it that one is missing.
    Its worker, if it lives, has written it again by then.
    """
    for key in (*found.dead, *found.abandoned):
        link.database.execute(sql.RETIRE_KEY, (key,))
        link.database.execute(sql.REMOVE_KEY, (key,))
    link.database.execute(sql.FORGET_BARE)
    reap(link.database)


def reap(database: sqlite3.Connection) -> None:
    """Remove a bounded number of rows of gone workers.

    Users go first, since they make each read slower.

    Raises:
        sqlite3.DatabaseError: the tally is damaged.
    """
    budget = SWEEP_ROWS
    # Before it changes, as in :func:`renew`.
    read_tally(database)
    gone = [key for (key,) in database.execute(sql.READ_GONE)]
    for statement in (sql.REAP_PRESENCE, sql.REAP_CONNECTIONS):
        for key in gone:
            if budget <= 0:
                return
            which = {"worker": key, "rows": budget}
            budget -= database.execute(statement, which).rowcount
    if gone and budget > 0:
        database.execute(sql.FORGET_GONE)


def _is_alive(link: Link, row: Sequence[Any], now: float) -> bool:
    """Return whether a worker's lease and process last.

    Raises:
        BackendError: the row is damaged.
    """
    worker_id, _, reported_at, lease, *_ = row
    if isinstance(worker_id, str) and not _may_live(link, worker_id, now):
        return False
    return 0 <= now - valid_seconds(reported_at) < valid_seconds(lease)


def _is_recent(reported_at: object, now: float) -> bool:
    """Return whether a row is of the last heartbeat; false if that is damaged, too."""
    if not isinstance(reported_at, int | float):
        return False
    return 0 <= now - reported_at < get_settings().heartbeat_seconds


def _read_worker(row: Sequence[Any], now: float) -> WorkerStatus:
    """Return the status of a worker from its row, its key left out.

    Raises:
        BackendError: the row is damaged.
    """
    worker_id, identity, reported_at, _, complete, counts, anonymous = row
    try:
        worker, by_type = _worker(worker_id, identity), json.loads(counts)
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged("a worker") from error
    if complete not in (0, 1):
        raise damaged("a worker")
    return WorkerStatus(
        worker=valid_worker(worker),
        counts=valid_counts(by_type),
        anonymous=valid_count(anonymous),
        age_seconds=valid_seconds(now - reported_at),
        complete=bool(complete),
    )


def _may_live(link: Link, worker_id: str, now: float) -> bool:
    """Return whether a worker's process is there, or has yet to lock its byte."""
    return link.locks.may_live(worker_id) or _replaces(link, now) == sql.MOVED


def _replaces(link: Link, now: float) -> int:
    """Return how the file replaced another within the last lease; 0 if it did not."""
    tally = read_tally(link.database)
    is_young = 0 <= now - tally.made_at < get_settings().lease_seconds
    return tally.replaces if is_young else 0


def _identity_of(worker: Worker) -> str:
    return json.dumps(
        [worker.host, worker.pid, worker.server, worker.started_at.isoformat()]
    )


@functools.lru_cache(maxsize=1024)
def _worker(worker_id: str, identity: str) -> Worker:
    host, pid, server, started_at = json.loads(identity)
    return Worker(
        worker_id=worker_id,
        host=host,
        pid=pid,
        server=server,
        started_at=datetime.datetime.fromisoformat(started_at),
    )


def count_users(
    link: Link, live: Mapping[int, WorkerStatus], gone: Collection[int]
) -> int | None:
    """Return the number of different users; ``None`` if it is not known."""
    if not live:
        return 0
    if is_any_bare(link, live):
        return None
    users = read_tally(link.database).users
    if gone:
        statement = sql.COUNT_ONLY_ON.format(keys=sql.keys(gone))
        users -= link.database.execute(statement).fetchone()[0]
    return max(0, users)
