"""What a record looks like as a row of the SQLite backend's tables, and back.

Labels are one text: each begins with an ASCII record separator and holds a unit
separator between name and value, so that a label can be looked for as a part of the
text. Neither occurs in a label; see :mod:`django_socket_status.bounds`.
"""

from __future__ import annotations

import datetime
import functools
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django_socket_status.backends import sqlite_schema as sql
from django_socket_status.records import (
    ConnectionRecord,
    OpenedConnection,
    Report,
    Worker,
    WorkerStatus,
)

__all__ = [
    "identity_of",
    "label_text",
    "read_connection",
    "read_worker",
    "write_changes",
]

LABEL = "\x1e"
VALUE = "\x1f"

#: Rows that one statement takes, the largest number first: half the cost of one by one.
#: SQLite took 999 parameters until 3.32.
BATCHES = (100, 10, 1)


def write_changes(database: sqlite3.Connection, key: int, report: Report) -> None:
    """Write what a report of the worker with this key adds and takes away."""
    write = functools.partial(_write, database, key)
    ranges, others = _parted(report.closed)
    database.executemany(sql.CLOSE_RANGE.format(key=key), ranges)
    write(sql.CLOSE, "?", others)
    write(sql.OPEN, sql.OPEN_ROW, _connection_values(report.opened))
    write(sql.LEAVE, "?", report.users_left)
    write(sql.JOIN, sql.JOIN_ROW, report.users_joined)


def read_worker(row: Sequence[Any], now: float) -> WorkerStatus:
    """Return the status of a worker from its row, its key left out."""
    worker_id, identity, reported_at, _, complete, counts, anonymous = row
    return WorkerStatus(
        worker=_worker(worker_id, identity),
        counts=json.loads(counts),
        anonymous=anonymous,
        age_seconds=now - reported_at,
        complete=bool(complete),
    )


def read_connection(worker_id: str, row: Sequence[Any]) -> ConnectionRecord:
    """Return a connection from its row, its worker's key left out."""
    number, kind, endpoint, user_id, labels, opened_at = row
    opened = OpenedConnection(
        number, kind, endpoint, user_id, _labels(labels), opened_at
    )
    return ConnectionRecord.of(worker_id, opened)


def identity_of(worker: Worker) -> str:
    """Return what does not change about a worker, as text."""
    return json.dumps(
        [worker.host, worker.pid, worker.server, worker.started_at.isoformat()]
    )


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
    # From nobody who keeps to the bounds.
    clean = {_clean(name): _clean(value) for name, value in labels.items()}
    return _labels_text(clean)


def _clean(text: str) -> str:
    return text.replace(LABEL, "\N{REPLACEMENT CHARACTER}").replace(
        VALUE, "\N{REPLACEMENT CHARACTER}"
    )


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for part in text[1:-1].split(LABEL) if text else ():
        name, _, value = part.partition(VALUE)
        labels[name] = value
    return labels


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
