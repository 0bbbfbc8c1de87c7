"""Validates what a backend has read.

Other processes, other versions of this package and other programs write to the same
store, and you may have written the backend. Each function returns a valid value. For a
value of the wrong type or range it raises
:exc:`~django_socket_status.exceptions.BackendError`. Callers leave that worker or
connection out, and mark the answer as not complete.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django_socket_status.exceptions import BackendError
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    ConnectionRecord,
    Cursor,
    OpenedConnection,
    Snapshot,
    Worker,
    WorkerStatus,
)

__all__ = [
    "damaged",
    "valid_count",
    "valid_counts",
    "valid_flag",
    "valid_opened",
    "valid_page",
    "valid_seconds",
    "valid_snapshot",
    "valid_text",
    "valid_user_ids",
    "valid_worker",
]

#: The largest number that JavaScript reads exactly (ECMA-262, MAX_SAFE_INTEGER).
MAX_COUNT = 2**53 - 1

#: Longer than every text that this package stores; see :mod:`.limits`.
MAX_TEXT = 4096

#: The year 10,000, which ``datetime`` does not know.
MAX_SECONDS = 253_402_300_800.0

#: Types of one worker, and labels of one connection; see :mod:`.limits`.
MAX_ENTRIES = 10_000


def valid_count(value: object) -> int:
    """Return a whole number from 0 to :data:`MAX_COUNT`."""
    # A bool is an int, and so is the member of an enumeration.
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise damaged("a count")
    return value


def valid_flag(value: object) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise damaged("a truth value")
    return value


def valid_text(value: object) -> str:
    """Return text of at most :data:`MAX_TEXT` characters."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise damaged("a text")
    return value


def valid_seconds(value: object) -> float:
    """Return a finite number of seconds, from 0 to the year 10,000."""
    if type(value) not in (int, float) or not 0 <= value < MAX_SECONDS:  # type: ignore[operator]
        raise damaged("a time")
    return value  # type: ignore[return-value]


def valid_instant(value: object) -> datetime.datetime:
    """Return a time with a time zone, since others cannot be compared with it."""
    if not isinstance(value, datetime.datetime) or value.utcoffset() is None:
        raise damaged("a time")
    return value


def valid_counts(value: object) -> Mapping[str, int]:
    """Return the number of connections by type."""
    if not isinstance(value, Mapping) or len(value) > MAX_ENTRIES:
        raise damaged("the counts")
    for kind, count in value.items():
        valid_text(kind)
        valid_count(count)
    return value


def valid_worker(value: object) -> Worker:
    """Return a worker with each of its facts in range."""
    if not isinstance(value, Worker):
        raise damaged("a worker")
    for text in (value.worker_id, value.host, value.server):
        valid_text(text)
    valid_count(value.pid)
    valid_instant(value.started_at)
    return value


def valid_opened(value: OpenedConnection) -> OpenedConnection:
    """Return a connection as it was reported, with each of its fields in range."""
    number, kind, endpoint, user_id, labels, opened_at = value
    valid_count(number)
    valid_facts(kind, endpoint, user_id, labels)
    valid_seconds(opened_at)
    return value


def valid_facts(kind: object, endpoint: object, user_id: object, labels: Any) -> None:
    """Validate the facts about a connection except its number and its age.

    A list validates up to 10,000 of them: what is usual comes first.
    """
    valid_text(kind)
    valid_text(endpoint)
    if user_id is not None:
        valid_text(user_id)
    if type(labels) is not dict and not isinstance(labels, Mapping):
        raise damaged("the labels")
    if labels:
        if len(labels) > MAX_ENTRIES:
            raise damaged("the labels")
        for name, text in labels.items():
            valid_text(name)
            valid_text(text)


def valid_snapshot(value: object) -> Snapshot:
    """Return a snapshot without the workers that are damaged, then not complete.

    O(workers and types).

    Raises:
        BackendError: it is no snapshot at all.
    """
    if not isinstance(value, Snapshot) or not isinstance(value.workers, Iterable):
        raise damaged("the snapshot")
    given = tuple(value.workers)
    workers = tuple(status for status in given if _is_valid(_status, status))
    users = value.unique_users
    users_known = users is None or _is_valid(valid_count, users)
    is_whole = len(workers) == len(given) and users_known and value.complete is True
    if is_whole or (workers == given and users_known and value.complete is False):
        return value
    return dataclasses.replace(
        value,
        workers=workers,
        unique_users=users if users_known else None,
        complete=is_whole,
    )


def _status(value: object) -> None:
    if not isinstance(value, WorkerStatus):
        raise damaged("a worker")
    worker, counts, anonymous, age_seconds, complete = value
    valid_worker(worker)
    valid_counts(counts)
    valid_count(anonymous)
    valid_seconds(age_seconds)
    valid_flag(complete)


def valid_page(value: object, query: ConnectionQuery) -> ConnectionPage:
    """Return a page without the connections that are damaged, then not complete.

    Raises:
        BackendError: it is no page for this query. A backend that was written
            before ``ConnectionQuery.anonymous`` lists users too.
    """
    if not isinstance(value, ConnectionPage) or not isinstance(
        value.connections, Sequence
    ):
        raise damaged("the page")
    if value.total is not None or query.after is None:
        valid_count(value.total)
    asked = (query.limit, query.offset, query.after)
    if (value.limit, value.offset, value.after) != asked:
        raise damaged("the page")
    if value.next_cursor is not None and not _continues(query, value.next_cursor):
        # A walk would never end.
        raise damaged("the page")
    given = value.connections[: query.limit]
    found = tuple(record for record in given if _is_valid(_record, record))
    if query.anonymous and any(record.user_id is not None for record in found):
        raise BackendError("The backend does not support ConnectionQuery.anonymous.")
    if len(found) == len(value.connections) and isinstance(value.complete, bool):
        return value
    return dataclasses.replace(value, connections=found, complete=False)


def _continues(query: ConnectionQuery, cursor: object) -> bool:
    if not isinstance(cursor, Cursor):
        raise damaged("the page")
    opened_at, worker_id, number = cursor
    valid_seconds(opened_at)
    return query.reaches(valid_text(worker_id), opened_at, valid_count(number))


def _record(value: object) -> None:
    if not isinstance(value, ConnectionRecord):
        raise damaged("a connection")
    valid_text(value.connection_id)
    valid_text(value.worker_id)
    valid_facts(value.type, value.endpoint, value.user_id, value.labels)
    valid_instant(value.connected_at)


def valid_user_ids(value: object) -> Collection[str]:
    """Return the ids of users. O(users)."""
    # Text is a collection of its characters.
    if not isinstance(value, Collection) or isinstance(value, str | bytes):
        raise damaged("the users")
    for user_id in value:
        valid_text(user_id)
    return value


def _is_valid(validate: Any, value: object) -> bool:
    try:
        validate(value)
    except BackendError:
        return False
    return True


def damaged(what: str) -> BackendError:
    """Return the error to raise. It does not show the value, which may be anything."""
    return BackendError(f"The backend returned damaged data: {what}.")
