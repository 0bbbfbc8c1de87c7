"""Transactions on the current generation of the status file.

Before each use, a :class:`Handle` verifies that the files which it has open are still
the current generation. It replaces a generation that is damaged, incomplete or blocked.
If that fails, it raises a
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

from django_socket_status.backends.sqlite import connection
from django_socket_status.backends.sqlite.activity.layout import STATUS, Layout
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.backends.sqlite.current import ATTEMPTS, CurrentLink
from django_socket_status.backends.sqlite.errors import (
    LOCKED,
    NOT_THE_FILE,
    FullError,
    ReplacedError,
    fails_in_directory,
    is_busy,
    is_full,
)
from django_socket_status.backends.sqlite.fork_safety import guard
from django_socket_status.backends.sqlite.pointer import ELSEWHERE, StatusFile
from django_socket_status.exceptions import BackendError, BackendUnusableError

__all__ = ["Handle"]

logger = logging.getLogger("django_socket_status")


class Handle:
    """Transactions on the current generation of the status file.

    Args:
        file: The status file.
        clock: Seconds, as the leases are measured.
        layout: What the file holds.
    """

    def __init__(
        self,
        file: StatusFile,
        clock: Callable[[], float],
        layout: Layout = STATUS,
    ) -> None:
        self._file = file
        self._clock = clock
        self._layout = layout
        self._current = CurrentLink(file, clock, layout)
        self._stuck: tuple[str, tuple[object, ...]] | None = None
        self._lock = threading.Lock()
        guard(self)

    def close(self) -> None:
        """Close the files. The next use opens them again."""
        with self._lock:
            self._current.drop()

    @contextlib.contextmanager
    def transaction(self, *, create: bool = True) -> Iterator[Link]:
        """Hold the write lock of the file; roll back if the body raises.

        Args:
            create: Whether to make a status file if there is none.

        Raises:
            ReplacedError: there was none, or it was in doubt and is an empty one now.
            BackendError: it cannot be written now.
        """
        with self._lock, self._translated():
            link = self._link_to_write(create=create)
            with self._undoing(link):
                link.database.execute("BEGIN IMMEDIATE")
                yield link
                link.database.execute("COMMIT")

    @contextlib.contextmanager
    def reading(self) -> Iterator[Link | None]:
        """Read a consistent view of the file; ``None`` if there is no file.

        Raises:
            ReplacedError: it was in doubt and is an empty one now.
            BackendError: it cannot be read now.
        """
        with self._lock, self._translated():
            link = self._current.get(create=False)
            if link is None:
                # Raise if no worker is able to make the file, or another user reports.
                self._file.verify_writable()
                self._file.others.verify_none()
                yield None
                return
            if not link.acquire(exclusive=False, seconds=connection.BUSY_SECONDS):
                raise sqlite3.OperationalError(LOCKED)
            with self._undoing(link):
                link.database.execute("BEGIN")
                yield link
                link.database.execute("ROLLBACK")

    @contextlib.contextmanager
    def _undoing(self, link: Link) -> Iterator[None]:
        try:
            yield
        finally:
            is_undone = link.roll_back()
            link.release()
            if not is_undone:
                self._current.drop()
        self._stuck = None

    # Readers that are frozen.

    def _link_to_write(self, *, create: bool) -> Link:
        """Return a link to the current generation, locked for this process alone."""
        for _ in range(ATTEMPTS):
            link = self._current.get(create=create)
            if link is None:
                raise ReplacedError(
                    f"There is no {self._layout.kind} {self._file.path}."
                )
            if link.acquire(exclusive=True, seconds=connection.BUSY_SECONDS):
                return link
            if not link.acquire(exclusive=False, seconds=0):
                break
            try:
                self._move(link)
            except BackendUnusableError:
                break
            finally:
                link.release()
        raise sqlite3.OperationalError(LOCKED)

    def _move(self, link: Link) -> None:
        """Copy the database to a new generation, since a frozen reader blocks this one.

        No process can write meanwhile. Workers then report to the copy, and no answer
        lacks a worker.
        """

        def prepare(path: Path) -> None:
            self._layout.copy(link.database, path, made_at=self._clock())

        self._file.make(link.generation, prepare, keep=True)
        logger.info(
            "The %s %s is moved: a process does not end its reading.",
            self._layout.kind,
            self._file.path,
        )

    def start_small(self) -> None:
        """Replace a generation that fills the disk with an empty one.

        Raises:
            BackendUnusableError: there is not even space for that.
        """
        with self._lock:
            doubted = self._current.generation
            self._current.drop()
            self._current.replace(doubted)

    # What to do about an error.

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._judge(error)
        except OSError as error:
            self._current.drop()
            raise self._unusable(error) from error

    def _judge(self, error: sqlite3.Error) -> NoReturn:
        if isinstance(error, NOT_THE_FILE):
            raise BackendError(f"SQLite does not take it: {error}") from error
        if is_busy(error):
            self._judge_busy(error)
        if fails_in_directory(error) and self._current.is_undisturbed():
            # Keep the file open, and with it the lock that shows this worker alive.
            if is_full(error):
                raise FullError(self._unusable(error)) from error
            raise self._unusable(error) from error
        self._replace(str(error), error)

    def _judge_busy(self, error: sqlite3.Error) -> NoReturn:
        """Replace a file whose write lock is held by a process that is frozen.

        If this process waited twice without success and the file did not change, the
        lock is not passed on from one writer to the next.
        """
        found = self._current.generation
        now = (found.token, found.progress()) if found is not None else None
        if now is not None and self._stuck == now:
            self._replace("a process that holds its write lock does not go on", error)
        self._stuck = now
        raise BackendError(
            f"The {self._layout.kind} {self._file.path} is busy."
        ) from error

    def _unusable(self, error: Exception) -> BackendUnusableError:
        return BackendUnusableError(
            f"The {self._layout.kind} {self._file.path} cannot be used ({error}). "
            f"{ELSEWHERE}"
        )

    def _replace(self, reason: str, error: sqlite3.Error) -> NoReturn:
        """Replace a generation that cannot be trusted with an empty one."""
        doubted = self._current.generation
        is_current = doubted is not None and self._file.current() == doubted
        self._current.drop()
        self._stuck = None
        is_ours = self._current.replace(doubted)
        if is_current and is_ours:
            logger.warning(
                "The %s %s is replaced (%s). %s",
                self._layout.kind,
                self._file.path,
                reason,
                self._layout.loss,
            )
        raise ReplacedError(
            f"The {self._layout.kind} {self._file.path} was damaged, and is replaced. "
            f"{self._layout.loss}"
        ) from error

    # Around a fork.

    def pause(self, timeout: float) -> bool:
        """Wait for the current user, and close the database; false after a timeout."""
        if not self._lock.acquire(timeout=timeout):
            return False
        if self._current.link is not None:
            self._current.link.suspend()
        return True

    def drop(self) -> None:
        """Close the files, while it is paused."""
        self._current.drop()

    def resume(self) -> None:
        """Allow use again."""
        self._lock.release()

    def forget(self) -> Link | None:
        """Forget the link and the lock without closing files, as a forked child must.

        Returns:
            What was open.
        """
        link = self._current.forget()
        self._lock = threading.Lock()
        self._stuck = None
        return link
