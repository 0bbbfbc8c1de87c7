"""The newest connections of a worker that died, as one text."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence

from django_socket_status.activity.limits import LOST_CONNECTIONS
from django_socket_status.backends.sqlite.rows import read_connection
from django_socket_status.exceptions import BackendError
from django_socket_status.records import OpenedConnection
from django_socket_status.validation import damaged, valid_opened

__all__ = ["from_text", "read_newest", "to_text"]

READ_NEWEST = """
SELECT number, type, endpoint, user, labels, opened_at FROM connection
WHERE worker = ? ORDER BY number DESC LIMIT ?
"""


def read_newest(database: sqlite3.Connection, key: int) -> Sequence[OpenedConnection]:
    """Return the newest connections of a worker in the status file, newest first."""
    rows = database.execute(READ_NEWEST, (key, LOST_CONNECTIONS)).fetchall()
    found = []
    for row in rows:
        # A damaged row is no reason to lose the others.
        with contextlib.suppress(BackendError):
            found.append(read_connection(row))
    return found


def to_text(connections: Sequence[OpenedConnection]) -> str:
    """Return connections as JSON."""
    return json.dumps(connections, separators=(",", ":"))


def from_text(text: str) -> Sequence[OpenedConnection]:
    """Return the connections of a text.

    Raises:
        BackendError: it is damaged.
    """
    try:
        return [valid_opened(OpenedConnection(*it)) for it in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        raise damaged("connections of a lost worker") from None
