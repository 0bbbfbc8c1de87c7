"""The buckets of the history."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from django_socket_status.activity.stored import Bucket
from django_socket_status.backends.sqlite.activity.state import put

__all__ = ["read_buckets", "write_buckets"]

NEWEST = "SELECT MAX(number) FROM bucket WHERE ring = ?"
WRITE = "INSERT OR REPLACE INTO bucket VALUES (?, ?, ?)"
TRIM = """
DELETE FROM bucket WHERE ring = ? AND number <=
    (SELECT number FROM bucket WHERE ring = ? ORDER BY number DESC LIMIT 1 OFFSET ?)
"""
READ = """
SELECT number, text FROM bucket WHERE ring = ? AND number >= ? ORDER BY number
"""


def write_buckets(
    database: sqlite3.Connection, buckets: Sequence[Bucket], carry: str
) -> None:
    """Write buckets that are not older than their ring, and the carry."""
    for ring, number, text, keep in buckets:
        newest = database.execute(NEWEST, (ring,)).fetchone()[0]
        if newest is None or number >= newest:
            database.execute(WRITE, (ring, number, text))
            database.execute(TRIM, (ring, ring, keep))
    put(database, "carry", carry)


def read_buckets(
    database: sqlite3.Connection, rings: Mapping[str, int]
) -> Sequence[Bucket]:
    """Return the buckets of rings, each from a number on, by ring and number.

    Raises:
        sqlite3.DatabaseError: a row is damaged.
    """
    found = [
        Bucket(ring, number, text)
        for ring in sorted(rings)
        for number, text in database.execute(READ, (ring, rings[ring]))
    ]
    if not all(isinstance(it.text, str) for it in found):
        raise sqlite3.DatabaseError("a bucket is damaged")
    return found
