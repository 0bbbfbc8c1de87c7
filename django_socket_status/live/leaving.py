"""Lets listeners leave a worker that drains, each at its own random moment."""

from __future__ import annotations

import random
from collections.abc import Iterable

from django_socket_status.live.listener import Listener
from django_socket_status.reporter.thread import reporter

__all__ = ["let_leave"]


def let_leave(listeners: Iterable[Listener], now: float) -> None:
    """Dismiss the listeners whose moment has come.

    O(listeners) once this worker has drained.

    Args:
        listeners: Those of one event loop.
        now: The time, by ``time.monotonic()``.
    """
    windows = sorted(reporter.sender.orders.drains.windows, key=lambda it: it.ends_at)
    for listener in listeners if windows else ():
        joined_at = listener.joined_at
        window = next((it for it in windows if joined_at <= it.ends_at), None)
        if listener.leaves_in is not window:
            listener.leaves_in = window
            if window is not None:
                listener.leaves_at = window.moment(now, random.random())  # noqa: S311
        if window is not None and now >= listener.leaves_at:
            listener.dismiss(window.code, window.reason)
