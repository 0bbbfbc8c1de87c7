"""An open connection to one generation of the status file."""

from __future__ import annotations

import contextlib
import os
import sqlite3

from django_socket_status.backends.sqlite.activity.layout import Layout
from django_socket_status.backends.sqlite.generation import Generation
from django_socket_status.backends.sqlite.kernel_locks import FileId, Guard
from django_socket_status.backends.sqlite.liveness import (
    close_process_locks,
    open_process_locks,
)

__all__ = ["BUSY_SECONDS", "Link"]

#: How long a transaction waits for those of other processes, all of which are short.
BUSY_SECONDS = 0.5

PRAGMAS = (
    "synchronous=OFF",
    # To truncate a journal costs less than to remove it.
    "journal_mode=TRUNCATE",
    # Nothing but the database and its journal is written to a disk.
    "temp_store=MEMORY",
    # A file that is cut short must be an error and not a SIGBUS.
    "mmap_size=0",
)


class Link:
    """A database connection, and the locks beside it.

    Args:
        generation: What to open.
        pointer: The stamp of the status file when it named this generation.
        layout: What it holds.

    Raises:
        OSError: the files are not there.
        sqlite3.Error: they are no database of ours.
    """

    def __init__(
        self,
        generation: Generation,
        pointer: tuple[int, ...] | None,
        layout: Layout,
    ) -> None:
        self.generation = generation
        self.pointer = pointer
        self.is_open = True
        with contextlib.ExitStack() as undo:
            self.locks = open_process_locks(generation.locks)
            undo.callback(close_process_locks, self.locks)
            self.guard = Guard(generation.guard)
            undo.callback(self.guard.close)
            self.database = _connect(generation)
            undo.callback(self.database.close)
            self._file_ids = self._prepared(layout.probe)
            undo.pop_all()

    def _prepared(self, probe: str) -> tuple[FileId | None, ...]:
        """Set up the connection, and return which files are open."""
        if not self.acquire(exclusive=False, seconds=BUSY_SECONDS):
            raise sqlite3.OperationalError("database is locked")
        try:
            for pragma in PRAGMAS:
                self.database.execute(f"PRAGMA {pragma}")
            self.database.execute(probe).fetchone()
        finally:
            self.release()
        file_ids = self.generation.file_ids()
        if None in file_ids:
            raise FileNotFoundError(os.fspath(self.generation.database))
        return file_ids

    def acquire(self, *, exclusive: bool, seconds: float) -> bool:
        """Lock the database to read or write; false after a timeout.

        A reader that finds the journal of a killed process needs the exclusive lock: it
        rolls back that process's transaction.
        """
        if not exclusive and self.guard.acquire(exclusive=False, seconds=seconds):
            if not self.generation.has_journal():
                return True
            self.guard.release()
            exclusive = True
        return exclusive and self.guard.acquire(exclusive=True, seconds=seconds)

    def release(self) -> None:
        """Release the lock of :meth:`acquire`."""
        self.guard.release()

    def is_sound(self) -> bool:
        """Return whether the files are still those that were opened."""
        return self.generation.file_ids() == self._file_ids

    def roll_back(self) -> bool:
        """Roll back the transaction, if there is one; false if that fails."""
        try:
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def suspend(self) -> None:
        """Close the database and keep the locks of workers."""
        if self.is_open:
            self.is_open = False
            with contextlib.suppress(sqlite3.Error):
                self.database.close()
            self.guard.close()

    def close(self) -> None:
        """Close the database and release the locks of workers."""
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
