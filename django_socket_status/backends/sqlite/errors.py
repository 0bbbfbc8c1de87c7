"""Classifies the errors of SQLite by their messages, and the errors made of them."""

from __future__ import annotations

import sqlite3

from django_socket_status.exceptions import BackendError, BackendUnusableError

__all__ = [
    "LOCKED",
    "NOT_THE_FILE",
    "FullError",
    "ReplacedError",
    "fails_in_directory",
    "is_busy",
    "is_full",
]

# Parts of SQLite's messages: Python has its error codes only since 3.11.
LOCKED = "database is locked"
BUSY = ("locked", "busy", "locking protocol")
#: The file system is full, or the database is as large as it may be.
FULL = ("full",)
DIRECTORY_ERRORS = ("disk i/o", "unable to open", "readonly", "full", "out of memory")

#: Errors of a statement or its parameters, and not of the file.
NOT_THE_FILE = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class ReplacedError(BackendError):
    """Raised when the status file was replaced; workers report everything again."""


class FullError(BackendUnusableError):
    """Raised when there is no space left for a report."""


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another process held the file for longer than the timeout."""
    return _says(error, BUSY)


def fails_in_directory(error: sqlite3.Error) -> bool:
    """Return whether a new file in the same directory would fail in the same way."""
    return _says(error, DIRECTORY_ERRORS)


def is_full(error: sqlite3.Error) -> bool:
    """Return whether there is no space left."""
    return _says(error, FULL)


def _says(error: sqlite3.Error, parts: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return any(part in text for part in parts)
