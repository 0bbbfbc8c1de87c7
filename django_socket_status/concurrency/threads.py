"""Threads that take nothing over from their starter, and Python without the GIL."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["daemon_thread", "has_gil"]


def daemon_thread(
    name: str, function: Callable[..., object], *arguments: Any
) -> threading.Thread:
    """Return a daemon thread with an empty context, which the caller starts.

    The first socket of a process may start the thread. Without the GIL, Python gives a
    thread the context of its starter (:data:`sys.flags.thread_inherit_context`, 3.14):
    the language and the script prefix of that socket.
    """
    run = contextvars.Context().run
    return threading.Thread(
        target=run, args=[function, *arguments], name=name, daemon=True
    )


def has_gil() -> bool:
    """Return whether one thread at a time runs Python code.

    If not, some calls that modify a collection are no single step, and the frames of
    another thread must not be read.
    """
    is_enabled = getattr(sys, "_is_gil_enabled", None)
    return is_enabled is None or bool(is_enabled())
