"""Finding connections in the SQLite backend's tables: a page of them, and how many."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.backends.base import USERS_LOOKED_AT
from django_socket_status.backends.sqlite import schema as sql
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.backends.sqlite.rows import label_text, read_connections
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    ConnectionRecord,
    Cursor,
    UserCount,
    WorkerStatus,
)

__all__ = ["Found", "oldest", "page_of", "page_statement", "search", "users"]


class Found(NamedTuple):
    """What a search found."""

    #: How many connections match; ``None`` if they are not counted.
    total: int | None
    #: The rows of a page of them, and one more if others follow.
    rows: Sequence[tuple[Any, ...]]
    #: False if a damaged row may match too.
    is_whole: bool = True


def search(
    database: sqlite3.Connection,
    query: ConnectionQuery,
    live: Mapping[int, WorkerStatus],
) -> Found:
    """Return how many connections match, and the rows of the page.

    After a cursor, connections are not counted one by one: that may take longer than
    to read the page.

    Args:
        database: In a transaction.
        query: The filters, and the page.
        live: The live workers, by their keys.

    Raises:
        sqlite3.DatabaseError: the file is damaged and has to be replaced.
    """
    if database.execute(sql.IS_OWNER_DAMAGED).fetchone()[0]:
        # No worker would ever remove that row.
        raise sqlite3.DatabaseError("the worker of a connection is damaged")
    live = _of_query(query, live)
    where, values = _where(query, live)
    total = _total_by_counts(query, live)
    if total is None and query.after is None:
        counting = sql.COUNT_CONNECTIONS.format(where=where)
        total = int(database.execute(counting, values).fetchone()[0])
    rows: Sequence[tuple[Any, ...]] = ()
    if total is None or query.offset < total:
        rows = database.execute(*page_statement(query, live)).fetchall()
    return Found(total, rows, _is_whole(database, query, total, len(rows)))


def _of_query(
    query: ConnectionQuery, live: Mapping[int, WorkerStatus]
) -> Mapping[int, WorkerStatus]:
    if query.worker_ids is None:
        return live
    return {
        key: status
        for key, status in live.items()
        if query.matches_worker(status.worker.worker_id)
    }


def oldest(
    link: Link | None, types: Collection[str], live: Mapping[int, WorkerStatus]
) -> Mapping[str, float]:
    """Return when the oldest connection of each type opened: O(types log connections).

    And rows of workers that died just now, which are still in the index.
    """
    if link is None or not live:
        return {}
    statement = sql.READ_OLDEST.format(keys=sql.keys(live))
    found: dict[str, float] = {}
    for kind in types:
        row = link.database.execute(statement, (kind,)).fetchone()
        if row is not None:
            found[kind] = row[0]
    return found


def users(
    link: Link | None, types: Collection[str], live: Mapping[int, WorkerStatus]
) -> Mapping[str, UserCount]:
    """Return how many users each type has, the smallest types first.

    A type takes an equal share of the connections that may still be read; what a small
    one leaves is for those that follow. Empty if a damaged row may be left out.
    """
    checks = (sql.IS_TYPE_DAMAGED, sql.IS_USER_DAMAGED)
    if link is None or not live or _is_any(link.database, checks):
        return {}
    statement = sql.COUNT_USERS.format(keys=sql.keys(live))
    found: dict[str, UserCount] = {}
    left = USERS_LOOKED_AT
    for number, kind in enumerate(types):
        share = left // (len(types) - number)
        count, rows = link.database.execute(statement, (kind, share + 1)).fetchone()
        if rows:
            found[kind] = UserCount(count, is_exact=rows <= share)
        left = max(0, left - rows)
    return found


def page_of(
    found: Found, query: ConnectionQuery, live: Mapping[int, WorkerStatus]
) -> ConnectionPage:
    """Return the page that a search found; not complete if a row is damaged."""
    rows = found.rows[: query.limit]
    read = read_connections(rows, live)
    is_last = len(found.rows) <= query.limit or not read
    return ConnectionPage(
        connections=tuple(ConnectionRecord.of(*it) for it in read),
        total=found.total,
        limit=query.limit,
        offset=query.offset,
        complete=found.is_whole and len(read) == len(rows),
        after=query.after,
        next_cursor=None if is_last else Cursor.of(*read[-1]),
    )


def _is_whole(
    database: sqlite3.Connection, query: ConnectionQuery, total: int | None, rows: int
) -> bool:
    """Return whether no damaged row is left out of a page of so many rows."""
    checks = []
    if query.user_id is not None:
        checks.append(sql.IS_USER_DAMAGED)
    elif total is not None and query.after is None:
        return rows >= min(query.limit, total - query.offset)
    if query.after is not None:
        checks.append(sql.IS_TIME_DAMAGED)
        if query.type is not None:
            checks.append(sql.IS_TYPE_DAMAGED)
    return not _is_any(database, checks)


def _is_any(database: sqlite3.Connection, checks: Iterable[str]) -> bool:
    return any(database.execute(check).fetchone()[0] for check in checks)


def page_statement(
    query: ConnectionQuery, live: Mapping[int, WorkerStatus]
) -> tuple[str, tuple[object, ...]]:
    """Return the statement that reads a page and one row more, and its parameters."""
    where, values = _where(query, live)
    # The plus keeps SQLite from using an index.
    is_by_else = (query.type, query.user_id, query.number) != (None, None, None)
    plus = "+" if query.labels and not is_by_else else ""
    if query.after is not None:
        opened_at, worker_id, number = query.after
        where += f" AND {sql.OF_AFTER.format(plus=plus)}"
        values += (opened_at, opened_at, worker_id, worker_id, number)
    values += (query.limit + 1, query.offset)
    return sql.READ_CONNECTIONS.format(where=where, plus=plus), values


def _where(
    query: ConnectionQuery, live: Mapping[int, WorkerStatus]
) -> tuple[str, tuple[object, ...]]:
    of_workers = sql.OF_WORKERS if query.number is None else sql.OF_WORKERS_BY_NUMBER
    # First, since it leaves few rows to the others.
    clauses = [sql.OF_LABEL] * len(query.labels)
    values: list[object] = [label_text(*it) for it in query.labels.items()]
    clauses.append(of_workers.format(keys=sql.keys(live)))
    if query.number is not None:
        clauses.append(sql.OF_NUMBER)
        values.append(query.number)
    if query.type is not None:
        clauses.append(sql.OF_TYPE)
        values.append(query.type)
    if query.user_id is not None:
        clauses.append(sql.OF_USER)
        values.append(query.user_id)
    if query.anonymous:
        clauses.append(sql.OF_ANONYMOUS)
    return " AND ".join(clauses), tuple(values)


def _total_by_counts(
    query: ConnectionQuery, live: Mapping[int, WorkerStatus]
) -> int | None:
    """Return how many connections match; ``None`` if the counts do not say."""
    if query.user_id is not None or query.labels or query.number is not None:
        return None
    if not all(status.complete for status in live.values()):
        return None
    if query.anonymous:
        # Counts are by type or by user.
        if query.type is not None:
            return None
        return sum(status.anonymous for status in live.values())
    if query.type is None:
        return sum(status.total_sockets for status in live.values())
    return sum(status.counts.get(query.type, 0) for status in live.values())
