"""The endpoints that a worker reported last, in a table with one row.

Times are of the wall clock, since a status file may outlive a boot.
"""

from __future__ import annotations

import sqlite3
import time

from django_socket_status.backends.base import ENDPOINTS_SECONDS
from django_socket_status.backends.sqlite import schema as sql

__all__ = ["read_endpoints", "write_endpoints"]

Row = tuple[str, float, float]


def write_endpoints(
    database: sqlite3.Connection, text: str, age_seconds: float
) -> None:
    """Store a text, unless a worker with newer code stored one."""
    now = time.time()
    loaded_at = now - age_seconds
    known = _find(database, now)
    # If the clock was set back, a stored time lies in the future and does not count.
    if known is not None and loaded_at < known[1] <= now:
        if known[0] != text:
            return
        loaded_at = known[1]
    database.execute(sql.ADD_ENDPOINTS)
    database.execute(sql.WRITE_ENDPOINTS, (text, loaded_at, now))


def read_endpoints(database: sqlite3.Connection) -> str | None:
    """Return the stored text, ``None`` if there is none."""
    known = _find(database, time.time())
    return None if known is None else known[0]


def _find(database: sqlite3.Connection, now: float) -> Row | None:
    # A file that an older version made has no such table.
    if database.execute(sql.HAS_ENDPOINTS, ("endpoints",)).fetchone() is None:
        return None
    row = database.execute(sql.READ_ENDPOINTS).fetchone()
    if row is None:
        return None
    text, loaded_at, told_at = row
    is_damaged = not (
        isinstance(text, str)
        and isinstance(loaded_at, float)
        and isinstance(told_at, float)
    )
    if is_damaged or now >= told_at + ENDPOINTS_SECONDS:
        return None
    return text, loaded_at, told_at
