"""What each of the two kinds of file holds, and how a new one is made."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from pathlib import Path

from django_socket_status.backends.sqlite import schema as sql

__all__ = ["STATUS", "Layout"]


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """What one kind of file holds."""

    kind: str
    """What messages call the file."""
    loss: str
    """What is lost if it is replaced, as a message says it."""
    script: str
    """Makes the tables."""
    describe: str
    """Adds what a new file says of itself: when it was made, and whether it replaces
    one that workers may be about to report again."""
    probe: str
    """Reads that."""
    move: str
    """Changes that in the copy of a file: takes ``(made_at, MOVED)``."""

    def create(self, path: Path, *, made_at: float, replaces: bool) -> None:
        """Fill an empty database; ``made_at`` is by the clock of the leases."""
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as made:
            # So that the file can shrink a little at a time after a peak.
            made.execute("PRAGMA auto_vacuum=INCREMENTAL")
            made.execute("PRAGMA journal_mode=DELETE")
            made.execute("PRAGMA synchronous=OFF")
            made.executescript(self.script)
            made.execute(self.describe, (made_at, replaces))

    def copy(self, source: sqlite3.Connection, path: Path, *, made_at: float) -> None:
        """Fill an empty database with all of another one, not in a transaction."""
        made = sqlite3.connect(path, isolation_level=None)
        try:
            made.execute("PRAGMA synchronous=OFF")
            # ``backup`` waits without end for a lock that the transaction has to have.
            source.execute("BEGIN")
            source.execute(self.probe).fetchone()
            source.backup(made)
            made.execute(self.move, (made_at, sql.MOVED))
        finally:
            made.close()
            if source.in_transaction:
                source.execute("ROLLBACK")


STATUS = Layout(
    "status file",
    "Nothing is lost: every worker reports to the new one within a heartbeat.",
    sql.SCHEMA,
    sql.ADD_TALLY,
    sql.READ_TALLY,
    sql.MOVE_TALLY,
)
