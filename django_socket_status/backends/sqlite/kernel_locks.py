"""Locks of the kernel, which end with the process that holds them.

:class:`Guard` locks a whole file, for one transaction. :func:`byte_locks` returns locks
of single bytes, for as long as a worker lives.

A POSIX record lock is lost as soon as any code in the process closes any descriptor of
the file, as ``shutil.copytree`` of the directory does (POSIX.1-2017, ``fcntl``; "How To
Corrupt An SQLite Database File", section 2.2). SQLite has such locks only: without the
guard, two processes could write at the same time, and SQLite would not notice. Locks of
``flock``, and Linux's open file description locks (``F_OFD_SETLK``, ``fcntl(2)``),
belong to the open file and not to the process: no other open or close ends them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
import time
from pathlib import Path
from typing import Protocol

try:
    import fcntl
except ImportError:
    # Windows. SQLite's own locks belong to the open file there, so that no guard is
    # needed; only leases show which workers are alive.
    CAN_LOCK = False
else:
    CAN_LOCK = True


from django_socket_status.concurrency.clock import monotonic

__all__ = [
    "ByteLocks",
    "FileId",
    "Guard",
    "OpenFileLocks",
    "RecordLocks",
    "byte_locks",
    "file_id",
]

#: Whether the system may have open file description locks. Linux alone, since
#: :data:`FLOCK` has the layout of Linux.
MAY_HAVE_OFD = sys.platform == "linux"

#: ``struct flock`` of Linux: type, whence, start, length, pid. The pid must be 0.
FLOCK = struct.Struct("hhqqi")

GUARD_ATTEMPT_SECONDS = 0.0005

#: Device and inode: they identify a file while it is open.
FileId = tuple[int, int]


def file_id(found: os.stat_result) -> FileId:
    """Return which file this is."""
    return found.st_dev, found.st_ino


class Guard:
    """One open lock file: many readers, or one writer.

    Args:
        path: The lock file, which must be there.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        self._opened = _id_of(self._file)

    def acquire(self, *, exclusive: bool, seconds: float) -> bool:
        """Lock the file; false if other processes hold it for this many seconds.

        A file system without ``flock`` has SQLite's own locks only.
        """
        if not CAN_LOCK:
            return True
        if not self._is_open():
            # The host has closed all descriptors, as some do to become a daemon.
            self._open()
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        until = monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._file, kind | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES, errno.EINTR}:
                    return True
            else:
                return True
            if monotonic() >= until:
                return False
            time.sleep(GUARD_ATTEMPT_SECONDS)

    def release(self) -> None:
        """Unlock the file, also where a forked child has it open."""
        if CAN_LOCK and self._is_open():
            # The file system may have no such locks.
            with contextlib.suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, and unlock it unless a forked child has it open."""
        if self._is_open():
            os.close(self._file)
        self._file = -1

    def _is_open(self) -> bool:
        """Return whether the descriptor is open, and still of the same file."""
        return self._file >= 0 and _id_of(self._file) == self._opened


def _id_of(file: int) -> FileId | None:
    try:
        return file_id(os.fstat(file))
    except OSError:
        return None


class ByteLocks(Protocol):
    """One kind of locks that the kernel has for a byte of a file."""

    def take(self, file: int, offset: int) -> None:
        """Lock a byte, or raise an OSError at once."""

    def release(self, file: int, offset: int) -> None:
        """Unlock a byte."""

    def is_taken(self, file: int, offset: int) -> bool:
        """Return whether another process has locked a byte."""


class OpenFileLocks:
    """Open file description locks, of Linux 3.15."""

    def take(self, file: int, offset: int) -> None:
        """Lock a byte, or raise an OSError at once."""
        self._ask(file, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, offset)

    def release(self, file: int, offset: int) -> None:
        """Unlock a byte."""
        self._ask(file, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, offset)

    def is_taken(self, file: int, offset: int) -> bool:
        """Return whether another open file has locked a byte; takes no lock itself.

        Tests for a shared lock, since a test by :class:`RecordLocks` holds one.
        """
        found = self._ask(file, fcntl.F_OFD_GETLK, fcntl.F_RDLCK, offset)
        return found != fcntl.F_UNLCK

    def _ask(self, file: int, command: int, kind: int, offset: int) -> int:
        request = FLOCK.pack(kind, os.SEEK_SET, offset, 1, 0)
        answer: int = FLOCK.unpack(fcntl.fcntl(file, command, request))[0]
        return answer


class RecordLocks:
    """POSIX record locks."""

    def take(self, file: int, offset: int) -> None:
        """Lock a byte, or raise an OSError at once."""
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)

    def release(self, file: int, offset: int) -> None:
        """Unlock a byte."""
        fcntl.lockf(file, fcntl.LOCK_UN, 1, offset)

    def is_taken(self, file: int, offset: int) -> bool:
        """Return whether another process has locked a byte.

        Takes a shared lock for a moment, so that two readers that test at once do not
        take each other for the worker.
        """
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, offset)
        except OSError:
            return True
        fcntl.lockf(file, fcntl.LOCK_UN, 1, offset)
        return False


def byte_locks(file: int) -> ByteLocks:
    """Return the best kind of locks that the kernel has for this file."""
    if MAY_HAVE_OFD:
        # A kernel that only imitates Linux, or a filter of system calls, refuses them.
        with contextlib.suppress(OSError):
            OpenFileLocks().is_taken(file, 0)
            return OpenFileLocks()
    return RecordLocks()
