"""Which workers are alive, by locks that the kernel releases when a process ends.

Each worker locks one byte of a file, at an offset made from its id. The kernel releases
the lock however the process ends, so the next reader finds that a worker was killed
without waiting for its lease.

On Linux these are open file description locks. Systems without them get record locks,
which each report takes again, since other code may end them: see :mod:`.kernel_locks`.
The two kinds conflict with each other, so that workers of both see each other on one
file.

Like a lock of ``flock``, an open file description lock lives on in a forked child that
keeps the descriptor. So the descriptor is closed in the child, and on ``exec``. The
lease remains for a child that was forked without Python's fork callbacks.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from pathlib import Path

from django_socket_status.backends.sqlite import kernel_locks
from django_socket_status.backends.sqlite.kernel_locks import FileId, file_id

__all__ = [
    "ProcessLocks",
    "close_process_locks",
    "forget_after_fork",
    "open_process_locks",
]

#: How many times to try for a lock. No other worker wants it, but a reader without
#: ``F_OFD_GETLK`` holds it for a microsecond to test it.
ATTEMPTS = 50
ATTEMPT_SECONDS = 0.001

_open_files: dict[FileId, ProcessLocks] = {}
_guard = threading.Lock()


def open_process_locks(path: Path) -> ProcessLocks:
    """Return this process's locks on a file, which must exist. Close them after use.

    Two spellings of one path give the same object: record locks belong to the process,
    and closing one descriptor would release those taken through another.

    Raises:
        OSError: the file cannot be opened, is a symbolic link, or is not regular.
    """
    with _guard:
        locks = _open_files.get(file_id(os.lstat(path)))
        if locks is None:
            locks = ProcessLocks(path)
            _open_files[locks.file_id] = locks
        locks.users += 1
        return locks


def close_process_locks(locks: ProcessLocks) -> None:
    """End one use. The last one closes the file and releases every lock on it."""
    with _guard:
        locks.users -= 1
        if not locks.users:
            _open_files.pop(locks.file_id, None)
            locks.close()


def forget_after_fork() -> None:
    """Close the parent's files in a child; the locks stay with the parent."""
    global _guard
    _guard = threading.Lock()
    while _open_files:
        _open_files.popitem()[1].close_after_fork()


class ProcessLocks:
    """The locks of this process on one file, and tests for those of other processes.

    Args:
        path: The file.

    Raises:
        OSError: as for :func:`open_process_locks`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users = 0
        self._file = _open_regular(path)
        self.file_id = file_id(os.fstat(self._file))
        self._kernel = kernel_locks.byte_locks(self._file)
        self._held: set[str] = set()
        self._lock = threading.Lock()

    @property
    def holds_any(self) -> bool:
        """Return whether a worker of this process holds a lock."""
        return bool(self._held)

    def close(self) -> None:
        """Release every lock, and close the file."""
        with self._lock:
            if kernel_locks.CAN_LOCK and self._is_open():
                # Closing alone would leave the locks to a child that has the file open.
                for worker_id in self._held:
                    self._kernel.release(self._file, _offset(worker_id))
            self._held.clear()
            self.close_after_fork()

    def close_after_fork(self) -> None:
        """Close the file, without waiting for a thread that the child does not have."""
        if self._is_open():
            os.close(self._file)

    def hold(self, worker_id: str) -> bool:
        """Lock the byte of a worker for as long as this process runs.

        Each report calls this. It takes the lock each time, since other code may have
        released it. For the kernel that is a no-op if the process still holds it.

        Returns:
            False when another process has the lock and does not release it.

        Raises:
            OSError: the file system has no locks, or the file is gone.
        """
        with self._lock:
            if kernel_locks.CAN_LOCK:
                self._ensure_open()
                if not self._acquire(_offset(worker_id)):
                    self._held.discard(worker_id)
                    return False
            self._held.add(worker_id)
            return True

    def release(self, worker_id: str) -> None:
        """Unlock the byte of a worker, which is gone then."""
        with self._lock:
            if worker_id in self._held:
                self._held.discard(worker_id)
                if kernel_locks.CAN_LOCK and self._is_open():
                    self._kernel.release(self._file, _offset(worker_id))

    def may_live(self, worker_id: str) -> bool:
        """Return whether a worker's process exists; true if that is unknown."""
        if not kernel_locks.CAN_LOCK:
            return True
        with self._lock:
            if worker_id in self._held:
                return True
            try:
                self._ensure_open()
                return self._kernel.is_taken(self._file, _offset(worker_id))
            except OSError:
                return True

    def _acquire(self, offset: int) -> bool:
        for _ in range(ATTEMPTS):
            try:
                self._kernel.take(self._file, offset)
            except OSError as error:
                if error.errno not in {errno.EACCES, errno.EAGAIN}:
                    raise
                time.sleep(ATTEMPT_SECONDS)
            else:
                return True
        return False

    def _ensure_open(self) -> None:
        """Open the file again if other code closed it, as a daemon may at its start.

        Raises:
            OSError: another file, or none, has its name now.
        """
        if self._is_open():
            return
        file = _open_regular(self.path)
        if file_id(os.fstat(file)) != self.file_id:
            os.close(file)
            raise FileNotFoundError(errno.ENOENT, "replaced", os.fspath(self.path))
        self._file = file

    def _is_open(self) -> bool:
        """Return whether the descriptor is still open, and on this file."""
        try:
            return file_id(os.fstat(self._file)) == self.file_id
        except OSError:
            return False


def _open_regular(path: Path) -> int:
    """Open a regular file for locks, without following a link or waiting for a pipe.

    Root may open a file in a directory of another user.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    file = os.open(path, os.O_RDWR | flags)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return file


def _offset(worker_id: str) -> int:
    """Return the byte of a worker: 48 bits of a digest of its id."""
    digest = hashlib.blake2b(worker_id.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")
