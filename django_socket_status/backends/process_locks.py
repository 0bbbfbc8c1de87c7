"""Which workers live, by locks that the kernel takes away when a process ends.

Each worker holds a lock on one byte of a file, at an offset made from its id. The
kernel releases it however the process ends, so that a killed worker is known to be gone
at the next look, without waiting for its lease. POSIX record locks, as they belong to
one process: a lock of ``flock`` would live on in whatever the worker forked.

A process loses all its record locks on a file when it closes *any* descriptor of it
(POSIX.1-2017, ``fcntl``), so a process has one :class:`ProcessLocks` for each file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from pathlib import Path

try:
    import fcntl
except ImportError:
    # Windows: the lease alone says who lives.
    CAN_LOCK = False
else:
    CAN_LOCK = True

__all__ = [
    "ProcessLocks",
    "close_process_locks",
    "forget_after_fork",
    "open_process_locks",
]

#: How often a lock is tried for. Nobody else wants it; somebody may be looking at it,
#: which takes a microsecond.
ATTEMPTS = 50
ATTEMPT_SECONDS = 0.001

_open_files: dict[Path, ProcessLocks] = {}
_guard = threading.Lock()


def open_process_locks(path: Path) -> ProcessLocks:
    """Return this process's locks on a file, which must be there. Close them after use.

    Raises:
        OSError: it cannot be opened.
    """
    with _guard:
        locks = _open_files.get(path)
        if locks is None:
            locks = _open_files[path] = ProcessLocks(path)
        locks.users += 1
        return locks


def close_process_locks(locks: ProcessLocks) -> None:
    """End one use; the last one closes the file, and loses every lock on it."""
    with _guard:
        locks.users -= 1
        if not locks.users:
            _open_files.pop(locks.path, None)
            locks.close()


def forget_after_fork() -> None:
    """Close the parent's files in a child; the locks stay the parent's own."""
    global _guard
    _guard = threading.Lock()
    while _open_files:
        _open_files.popitem()[1].close_after_fork()


class ProcessLocks:
    """Locks of this process on one file, and a look at those of others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users = 0
        self._file = os.open(path, os.O_RDWR)
        self._held: set[str] = set()
        self._lock = threading.Lock()

    @property
    def holds_any(self) -> bool:
        """Return whether a worker of this process holds a lock."""
        return bool(self._held)

    def close(self) -> None:
        """Close the file, and with it lose every lock on it."""
        with self._lock:
            self._held.clear()
            os.close(self._file)

    def close_after_fork(self) -> None:
        """Close the file, without waiting for a thread that the child does not have."""
        os.close(self._file)

    def hold(self, worker_id: str) -> bool:
        """Say that this worker lives, for as long as this process does.

        Returns:
            False when another process has its lock and does not give it back.
        """
        with self._lock:
            if CAN_LOCK and worker_id not in self._held:
                if not self._acquire(_offset(worker_id)):
                    return False
                self._held.add(worker_id)
            return True

    def release(self, worker_id: str) -> None:
        """Say that this worker is gone."""
        with self._lock:
            if CAN_LOCK and worker_id in self._held:
                self._held.discard(worker_id)
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(worker_id))

    def may_live(self, worker_id: str) -> bool:
        """Return whether a worker's process is there; true where nobody can tell.

        A shared lock to look with: two who look at once do not take each other for the
        worker.
        """
        if not CAN_LOCK:
            return True
        with self._lock:
            if worker_id in self._held:
                return True
            offset = _offset(worker_id)
            try:
                fcntl.lockf(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, offset)
            except OSError:
                return True
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, offset)
            return False

    def _acquire(self, offset: int) -> bool:
        for _ in range(ATTEMPTS):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
            except OSError as error:
                if error.errno not in {errno.EACCES, errno.EAGAIN}:
                    raise
                time.sleep(ATTEMPT_SECONDS)
            else:
                return True
        return False


def _offset(worker_id: str) -> int:
    """Return the byte of a worker: 48 bits of a digest of its id."""
    digest = hashlib.blake2b(worker_id.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")
