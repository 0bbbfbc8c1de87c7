"""Callbacks that reset a module's state in a forked child.

A child has none of its parent's threads, and a lock that the parent held stays locked
forever. A module with a lock, a thread or the state of a socket registers its callback
at import, since the process may fork before the first use.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["after_fork"]

_callbacks: list[Callable[[], None]] = []


def after_fork(callback: Callable[[], None]) -> None:
    """Call ``callback`` in every child that this process forks from now on, once.

    Registering a callback again changes nothing. A callback must not wait or raise.
    """
    if callback not in _callbacks:
        _callbacks.append(callback)


def _run() -> None:
    for callback in _callbacks:
        callback()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run)
