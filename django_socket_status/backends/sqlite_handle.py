"""How the status file is used: always the current generation, in a transaction.

A :class:`Handle` finds out, before each use, whether the files that it has open are
still those that everybody else uses, and puts a new generation in the place of one that
is in doubt. What cannot be helped like this is a
:exc:`~django_socket_status.exceptions.BackendUnusableError`.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from django_socket_status.backends import sqlite_schema as sql
from django_socket_status.backends.generation import Generation
from django_socket_status.backends.sqlite_forks import guard, is_inherited
from django_socket_status.backends.sqlite_link import Link
from django_socket_status.backends.status_file import ELSEWHERE, StatusFile
from django_socket_status.exceptions import BackendError, BackendUnusableError

__all__ = ["Handle", "ReplacedError"]

logger = logging.getLogger("django_socket_status")

#: How often the status file may be replaced while it is being opened.
ATTEMPTS = 5

#: Parts of SQLite's messages (it has had error codes in Python since 3.11 only).
BUSY = ("locked", "busy", "locking protocol")
#: What a new file in the same place would not help against.
NO_PLACE = ("disk i/o", "unable to open", "readonly", "full", "out of memory")
#: What is wrong with a statement or its parameters, and not with the file.
NOT_THE_FILE = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class ReplacedError(BackendError):
    """Raised when the status file had to be replaced: what was in it is told again."""


class Handle:
    """A link to the current generation, and the lock around its use.

    Args:
        file: The status file.
        clock: Seconds, as the leases are measured.
    """

    def __init__(self, file: StatusFile, clock: Callable[[], float]) -> None:
        self._file = file
        self._clock = clock
        self._link: Link | None = None
        self._generation: Generation | None = None
        self._stuck: tuple[str, int | None] | None = None
        self._lock = threading.Lock()
        guard(self)

    def close(self) -> None:
        """Close the files. The next use opens them again."""
        with self._lock:
            self.drop()

    def drop(self) -> None:
        """Close the files, while the lock is held."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    @contextlib.contextmanager
    def transaction(self, *, create: bool = True) -> Iterator[Link]:
        """Hold the write lock of the file; undo everything if anything fails.

        Args:
            create: Whether to make a status file if there is none.

        Raises:
            ReplacedError: there was none, or it was in doubt and is an empty one now.
            BackendError: it cannot be written now.
        """
        with self._lock, self._translated():
            link = self._current(create=create)
            if link is None:
                raise ReplacedError(f"There is no status file {self._file.path}.")
            link.database.execute("BEGIN IMMEDIATE")
            with self._undoing(link):
                yield link
                link.database.execute("COMMIT")

    @contextlib.contextmanager
    def reading(self) -> Iterator[Link | None]:
        """Hold a consistent view of the file; ``None`` when nobody has made one.

        Raises:
            ReplacedError: it was in doubt and is an empty one now.
            BackendError: it cannot be read now.
        """
        with self._lock, self._translated():
            link = self._current(create=False)
            if link is None:
                # Nobody has made one: because nobody could?
                self._file.verify_writable()
                yield None
                return
            link.database.execute("BEGIN")
            with self._undoing(link):
                yield link
                link.database.execute("ROLLBACK")

    @contextlib.contextmanager
    def _undoing(self, link: Link) -> Iterator[None]:
        try:
            yield
        finally:
            if not link.roll_back():
                self.drop()
        self._stuck = None

    # Which generation, and whether it is still the one.

    def _current(self, *, create: bool) -> Link | None:
        """Return a link to the current generation, a new one if that is in doubt."""
        old = self._link
        is_sound = old is None or not old.is_open or old.is_sound()
        if old is not None and old.is_open and is_sound:
            pointer = self._file.stamp()
            if pointer == old.pointer or self._still_names(old, pointer):
                return old
        doubted = None if is_sound or old is None else old.generation
        self._link = None
        try:
            self._link = self._opened(doubted, create=create or old is not None)
        finally:
            # Not before: a process that closes its lock file loses its locks.
            if old is not None:
                old.close()
        return self._link

    def _still_names(self, link: Link, pointer: tuple[int, ...] | None) -> bool:
        """Return whether the status file was only touched, and note that it was."""
        if pointer is None or self._file.current() != link.generation:
            return False
        link.pointer = pointer
        return True

    def _opened(self, doubted: Generation | None, *, create: bool) -> Link | None:
        for _ in range(ATTEMPTS):
            pointer = self._file.stamp()
            named = self._file.current()
            if named is None and not create:
                return None
            if named is None or named == doubted or not self._is_usable(named):
                self._make(named or self._generation)
                doubted = None
                continue
            self._generation = named
            try:
                return Link(named, pointer)
            except FileNotFoundError:
                continue
        raise BackendError(f"The status file {self._file.path} is being replaced.")

    def _is_usable(self, generation: Generation) -> bool:
        return generation.is_whole() and not is_inherited(generation)

    def _make(self, doubted: Generation | None) -> None:
        def prepare(path: Path) -> None:
            sql.create(path, made_at=self._clock(), replaces=doubted is not None)

        self._file.make(doubted, prepare)

    # What to do about an error.

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._judge(error)
        except OSError as error:
            self.drop()
            raise self._unusable(error) from error

    def _judge(self, error: sqlite3.Error) -> NoReturn:
        text = str(error).lower()
        if isinstance(error, NOT_THE_FILE):
            raise BackendError(f"SQLite does not take it: {error}") from error
        if any(part in text for part in BUSY):
            self._judge_busy(error)
        if any(part in text for part in NO_PLACE) and self._is_undisturbed():
            # Still open: this process lives, and is believed for its lease.
            raise self._unusable(error) from error
        self._replace(str(error), error)

    def _judge_busy(self, error: sqlite3.Error) -> NoReturn:
        """Replace a file whose write lock is held by a process that is frozen.

        Whoever waited in vain twice, while nobody committed anything, is not in a
        queue.
        """
        token = self._generation.token if self._generation is not None else ""
        now = token, self._link.commits() if self._link is not None else None
        if self._stuck == now:
            self._replace("a process that holds its write lock does not go on", error)
        self._stuck = now
        raise BackendError(f"The status file {self._file.path} is busy.") from error

    def _is_undisturbed(self) -> bool:
        """Return whether nobody removed or replaced what we have open."""
        if self._link is not None:
            return self._link.is_sound()
        return self._generation is None or self._generation.is_whole()

    def _unusable(self, error: Exception) -> BackendUnusableError:
        return BackendUnusableError(
            f"The status file {self._file.path} cannot be used ({error}). {ELSEWHERE}"
        )

    def _replace(self, reason: str, error: sqlite3.Error) -> NoReturn:
        """Put an empty generation in the place of one that cannot be trusted."""
        doubted = self._generation
        self.drop()
        self._stuck = None
        self._make(doubted)
        logger.warning(
            "The status file %s is replaced (%s). Nothing is lost: every worker "
            "reports to the new one within a heartbeat.",
            self._file.path,
            reason,
        )
        raise ReplacedError(
            f"The status file {self._file.path} was damaged, and is replaced. Workers "
            "report again within a heartbeat."
        ) from error

    # Around a fork.

    def pause(self, timeout: float) -> bool:
        """Wait for who uses it, and close the database; false if that takes long."""
        if not self._lock.acquire(timeout=timeout):
            return False
        if self._link is not None:
            self._link.suspend()
        return True

    def resume(self) -> None:
        """Let others use it again."""
        self._lock.release()

    def forget(self) -> Link | None:
        """Let go of everything, as a forked child has to, and close nothing.

        Returns:
            What was open.
        """
        link, self._link = self._link, None
        self._lock = threading.Lock()
        self._generation = self._stuck = None
        return link
