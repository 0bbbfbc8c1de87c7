"""What a forked child must forget.

After ``os.fork`` a child has none of its parent's threads, and a lock that the parent
held is held forever. Whoever starts a thread asks to be called in the child.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["after_fork"]

_callbacks: list[Callable[[], None]] = []


def after_fork(callback: Callable[[], None]) -> None:
    """Call ``callback`` in every child that this process forks from now on, once.

    The same callback again changes nothing. A callback must not wait or raise.
    """
    if not _callbacks and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_run)
    if callback not in _callbacks:
        _callbacks.append(callback)


def _run() -> None:
    for callback in _callbacks:
        callback()
