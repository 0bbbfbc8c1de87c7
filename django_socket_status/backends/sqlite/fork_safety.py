"""Closes open databases before a fork, and at the end of the process.

No open database may be carried across a fork. SQLite remembers a process's locks in its
memory, so a child that opens the file again would believe that it holds the locks of
its parent ("How To Corrupt An SQLite Database File", section 2.6). So every
handle is closed just before a fork, and opens again at its next use.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from typing import Protocol

from django_socket_status.backends.sqlite import liveness
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.backends.sqlite.generation import Generation

__all__ = ["Guarded", "GuardedLock", "guard", "is_inherited"]

#: The longest that a fork, or the end of the process, waits for one handle.
PAUSE_SECONDS = 0.1


class Guarded(Protocol):
    """What may have a database open: a ``Handle``."""

    def pause(self, timeout: float) -> bool:
        """Wait for the current user, and close the database; false after a timeout."""

    def resume(self) -> None:
        """Allow use again."""

    def forget(self) -> Link | None:
        """Let go of everything and close nothing; return what was open."""

    def drop(self) -> None:
        """Close the files, while it is paused."""


class GuardedLock:
    """A lock around the use of SQLite outside of a handle.

    SQLite has locks of the process, which a child would inherit locked.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        guard(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def pause(self, timeout: float) -> bool:
        """Wait for the current user; false after a timeout."""
        return self._lock.acquire(timeout=timeout)

    def resume(self) -> None:
        """Allow use again."""
        self._lock.release()

    def forget(self) -> None:
        """Begin with a new lock, as a forked child must."""
        self._lock = threading.Lock()

    def drop(self) -> None:
        """Do nothing: it has no files."""


_handles: weakref.WeakSet[Guarded] = weakref.WeakSet()
_paused: list[Guarded] = []
#: Links of a parent process that could not be closed in time. Never collected, as that
#: would close them in the child.
_inherited: list[Link] = []


def guard(handle: Guarded) -> None:
    """Close a handle before each fork, and when the process ends."""
    _handles.add(handle)


def is_inherited(generation: Generation) -> bool:
    """Return whether a parent process left this open, so that it must not be used."""
    return any(link.generation == generation for link in _inherited)


def _before_fork() -> None:
    _paused.extend(it for it in tuple(_handles) if it.pause(PAUSE_SECONDS))


def _after_fork_in_parent() -> None:
    while _paused:
        _paused.pop().resume()


def _after_fork_in_child() -> None:
    for handle in tuple(_handles):
        link = handle.forget()
        if link is not None and link.is_open:
            _inherited.append(link)
    _paused.clear()
    liveness.forget_after_fork()


def _at_exit() -> None:
    for handle in tuple(_handles):
        if handle.pause(PAUSE_SECONDS):
            handle.drop()
            handle.resume()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
atexit.register(_at_exit)
