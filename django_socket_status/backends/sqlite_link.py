"""An open connection to one generation of the status file."""

from __future__ import annotations

import contextlib
import os
import sqlite3

from django_socket_status.backends import sqlite_schema as sql
from django_socket_status.backends.generation import Generation, Stamp
from django_socket_status.backends.process_locks import (
    close_process_locks,
    open_process_locks,
)

__all__ = ["BUSY_SECONDS", "Link"]

#: How long a statement waits for another process's write: all of them are short.
BUSY_SECONDS = 0.5

#: Bytes of the write-ahead log that are kept after a peak.
LOG_BYTES = 4 * 2**20


class Link:
    """A database connection, and the locks beside it.

    Args:
        generation: What to open.
        pointer: The stamp of the status file when it named this generation.

    Raises:
        OSError: the files are not there.
        sqlite3.Error: they are no database of ours.
    """

    def __init__(self, generation: Generation, pointer: tuple[int, ...] | None) -> None:
        self.generation = generation
        self.pointer = pointer
        self.is_open = True
        with contextlib.ExitStack() as undo:
            self.locks = open_process_locks(generation.locks)
            undo.callback(close_process_locks, self.locks)
            self.database = _connect(generation)
            undo.callback(self.database.close)
            self._stamps = self._opened()
            undo.pop_all()

    def _opened(self) -> tuple[Stamp | None, ...]:
        """Open what SQLite opens late, and return the stamps of all files."""
        self.database.execute("PRAGMA synchronous=OFF")
        self.database.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
        # A file that somebody cuts short must be an error and not a SIGBUS.
        self.database.execute("PRAGMA mmap_size=0")
        mode = self.database.execute("PRAGMA journal_mode").fetchone()[0]
        # The first read opens the write-ahead log.
        self.database.execute(sql.READ_TALLY).fetchone()
        stamps = self.generation.stamps()
        if None in stamps[: 4 if mode == "wal" else 2]:
            raise FileNotFoundError(os.fspath(self.generation.database))
        return stamps

    def is_sound(self) -> bool:
        """Return whether the files are still those that were opened."""
        return self.generation.stamps() == self._stamps

    def commits(self) -> int | None:
        """Return a number that changes when another process commits."""
        try:
            found: int = self.database.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return None
        return found

    def log_bytes(self) -> int:
        """Return the size of the write-ahead log."""
        try:
            return os.stat(f"{self.generation.database}-wal").st_size
        except OSError:
            return 0

    def roll_back(self) -> bool:
        """Undo what was not committed; false if that is not possible either."""
        try:
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def suspend(self) -> None:
        """Close the database and keep the locks."""
        if self.is_open:
            self.is_open = False
            with contextlib.suppress(sqlite3.Error):
                self.database.close()

    def close(self) -> None:
        """Close the database and give back the locks."""
        self.suspend()
        close_process_locks(self.locks)


def _connect(generation: Generation) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{generation.database.as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
