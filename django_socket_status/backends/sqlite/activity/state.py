"""Single values of the activity file, and when it was last written."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator

from django_socket_status.activity.limits import IDLE_SECONDS

__all__ = ["get_text", "get_time", "is_idle", "note_write", "put", "sound_rows"]

READ = "SELECT value FROM state WHERE name = ?"
WRITE = "INSERT OR REPLACE INTO state VALUES (?, ?)"
TABLES = ("state", "count", "mark", "ended", "bucket", "lost")

#: How exactly the time of the last write is known.
WRITTEN_SECONDS = 60.0


@contextlib.contextmanager
def sound_rows() -> Iterator[None]:
    """Take values of rows that cannot be compared for damage.

    Raises:
        sqlite3.DatabaseError: they cannot.
    """
    try:
        yield
    except TypeError as error:
        raise sqlite3.DatabaseError("a row is damaged") from error


def get_text(database: sqlite3.Connection, name: str) -> str:
    """Return a text; empty if there is none.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    value = _get(database, name)
    if value is not None and not isinstance(value, str):
        raise sqlite3.DatabaseError("a text is damaged")
    return value or ""


def get_time(database: sqlite3.Connection, name: str) -> float | None:
    """Return a time; ``None`` if there is none.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    value = _get(database, name)
    if value is None:
        return None
    if not isinstance(value, float | int) or not 0 <= value < math.inf:
        raise sqlite3.DatabaseError("a time is damaged")
    return value


def _get(database: sqlite3.Connection, name: str) -> object:
    row = database.execute(READ, (name,)).fetchone()
    return None if row is None else row[0]


def put(database: sqlite3.Connection, name: str, value: str | float) -> None:
    """Write a text or a time."""
    database.execute(WRITE, (name, value))


def is_idle(database: sqlite3.Connection, now: float) -> bool:
    """Return whether nothing was written for so long that nothing is kept."""
    written_at = get_time(database, "written_at")
    return written_at is not None and abs(now - written_at) >= IDLE_SECONDS


def note_write(database: sqlite3.Connection, now: float) -> None:
    """Note that the file is written; drop all that is in it if it was idle."""
    written_at = get_time(database, "written_at")
    if written_at is not None and abs(now - written_at) >= IDLE_SECONDS:
        for table in TABLES:
            database.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
        written_at = None
    if written_at is None or abs(now - written_at) >= WRITTEN_SECONDS:
        put(database, "written_at", now)
