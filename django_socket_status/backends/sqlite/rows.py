"""The rows of connections and of the users who are present: written, and read back.

All labels of a connection are one text, so that a search can look for one label as a
part of it. A label begins with an ASCII record separator, and a unit separator stands
between its name and value. Neither occurs in a label; see
:mod:`django_socket_status.limits`.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django_socket_status.backends.sqlite import schema as sql
from django_socket_status.exceptions import BackendError
from django_socket_status.records import (
    OpenedConnection,
    Report,
    WorkerStatus,
)
from django_socket_status.validation import (
    damaged,
    valid_opened,
)

__all__ = [
    "label_text",
    "read_connection",
    "read_connections",
    "verify_users",
    "write_changes",
]

LABEL = "\x1e"
VALUE = "\x1f"

#: Rows that one statement takes, the largest number first: half the cost of one by one.
#: SQLite took 999 parameters until 3.32.
BATCHES = (100, 10, 1)


def write_changes(database: sqlite3.Connection, key: int, report: Report) -> None:
    """Write the connections and users that a report adds and removes."""
    write = functools.partial(_write, database, key)
    ranges, others = _parted(report.closed)
    database.executemany(sql.DELETE_CONNECTION_RANGE.format(key=key), ranges)
    write(sql.DELETE_CONNECTIONS, "?", others)
    write(sql.INSERT_CONNECTIONS, sql.CONNECTION_ROW, _connection_values(report.opened))
    write(sql.DELETE_PRESENCE, "?", report.users_left)
    write(sql.INSERT_PRESENCE, sql.PRESENCE_ROW, report.users_joined)


def read_connections(
    rows: Sequence[Sequence[Any]], live: Mapping[int, WorkerStatus]
) -> list[tuple[str, OpenedConnection]]:
    """Return the connections of these rows, without those that are damaged."""
    found = []
    for key, *row in rows:
        with contextlib.suppress(BackendError):
            found.append((live[key].worker.worker_id, read_connection(row)))
    return found


def read_connection(row: Sequence[Any]) -> OpenedConnection:
    """Return a connection from its row, its worker's key left out.

    Raises:
        BackendError: the row is damaged.
    """
    number, kind, endpoint, user_id, labels, opened_at = row
    opened = OpenedConnection(
        number, kind, endpoint, user_id, _labels(labels), opened_at
    )
    return valid_opened(opened)


def verify_users(database: sqlite3.Connection) -> None:
    """Verify that the users who are present are texts, as a search for one assumes.

    Raises:
        sqlite3.DatabaseError: they are not; the file has to be replaced.
    """
    if database.execute(sql.IS_PRESENCE_DAMAGED).fetchone()[0]:
        raise sqlite3.DatabaseError("a user is damaged")


def label_text(name: str, value: str) -> str:
    """Return the part of a text of labels by which one of them is found."""
    return _labels_text({name: value})


def _write(
    database: sqlite3.Connection,
    key: int,
    statement: str,
    mark: str,
    values: Sequence[Any],
) -> None:
    """Run a statement on rows, whose values follow one another."""
    width = mark.count("?")
    mark = mark.format(key=key)
    written = 0
    for size in BATCHES:
        step = size * width
        whole = len(values) - (len(values) - written) % step
        if written < whole:
            many = statement.format(key=key, rows=", ".join([mark] * size))
            for first in range(written, whole, step):
                database.execute(many, values[first : first + step])
        written = whole


def _parted(numbers: Iterable[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Part numbers into ranges, a quarter cheaper to delete, and what is in none.

    Connections that close all at once, as when a proxy restarts, have mostly opened one
    after the other.
    """
    ordered = sorted(set(numbers))
    ranges: list[tuple[int, int]] = []
    others: list[int] = []
    for first in range(0, len(ordered), BATCHES[0]):
        some = ordered[first : first + BATCHES[0]]
        if some[-1] - some[0] < len(some):
            ranges.append((some[0], some[-1]))
        else:
            others += some
    return ranges, others


def _connection_values(opened: Sequence[OpenedConnection]) -> list[Any]:
    # Many share their labels: one object, and one text.
    texts: dict[int, str] = {}
    values: list[Any] = []
    for number, kind, endpoint, user_id, labels, opened_at in opened:
        text = texts.get(id(labels))
        if text is None:
            text = texts[id(labels)] = _labels_text(labels) if labels else ""
        values += (number, kind, endpoint, user_id, text, opened_at)
    return values


def _labels_text(labels: Mapping[str, str]) -> str:
    parts = [f"{LABEL}{name}{VALUE}{value}" for name, value in labels.items()]
    text = "".join(parts) + LABEL
    if text.count(LABEL) == len(parts) + 1 and text.count(VALUE) == len(parts):
        return text
    # Only from callers that bypass django_socket_status.limits.
    clean = {_clean(name): _clean(value) for name, value in labels.items()}
    return _labels_text(clean)


def _clean(text: str) -> str:
    return text.replace(LABEL, "\N{REPLACEMENT CHARACTER}").replace(
        VALUE, "\N{REPLACEMENT CHARACTER}"
    )


def _labels(text: object) -> dict[str, str]:
    if not isinstance(text, str) or text[:1] not in ("", LABEL):
        raise damaged("the labels")
    labels: dict[str, str] = {}
    for part in text[1:-1].split(LABEL) if text else ():
        name, _, value = part.partition(VALUE)
        labels[name] = value
    return labels
