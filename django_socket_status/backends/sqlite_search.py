"""Finding connections in the SQLite backend's tables: a page of them, and how many."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from django_socket_status.backends import sqlite_schema as sql
from django_socket_status.backends.sqlite_rows import label_text
from django_socket_status.records import ConnectionQuery, WorkerStatus

__all__ = ["search"]


def search(
    database: sqlite3.Connection,
    query: ConnectionQuery,
    live: Mapping[int, WorkerStatus],
) -> tuple[int, Sequence[tuple[Any, ...]]]:
    """Return how many connections match, and the rows of the page.

    Args:
        database: In a transaction.
        query: What is asked for.
        live: The live workers, by their keys.
    """
    where, values = _where(query, live)
    total = _total_by_counts(query, live)
    if total is None:
        counting = sql.COUNT_CONNECTIONS.format(where=where)
        total = int(database.execute(counting, values).fetchone()[0])
    if query.offset >= total:
        return total, ()
    reading = sql.READ_CONNECTIONS.format(where=where)
    rows = database.execute(reading, (*values, query.limit, query.offset))
    return total, rows.fetchall()


def _where(
    query: ConnectionQuery, live: Mapping[int, WorkerStatus]
) -> tuple[str, tuple[object, ...]]:
    clauses = [sql.OF_WORKERS.format(keys=sql.keys(live))]
    values: list[object] = []
    if query.type is not None:
        clauses.append(sql.OF_TYPE)
        values.append(query.type)
    if query.user_id is not None:
        clauses.append(sql.OF_USER)
        values.append(query.user_id)
    for name, value in query.labels.items():
        clauses.append(sql.OF_LABEL)
        values.append(label_text(name, value))
    return " AND ".join(clauses), tuple(values)


def _total_by_counts(
    query: ConnectionQuery, live: Mapping[int, WorkerStatus]
) -> int | None:
    """Return how many connections match; ``None`` if the counts cannot tell."""
    if query.user_id is not None or query.labels:
        return None
    if not all(status.complete for status in live.values()):
        return None
    if query.type is None:
        return sum(status.total_sockets for status in live.values())
    return sum(status.counts.get(query.type, 0) for status in live.values())
