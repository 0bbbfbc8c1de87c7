"""Lets listeners leave a worker that drains, each at its own random moment."""

from __future__ import annotations

import random
from collections.abc import Iterable

from django_socket_status.control.draining import Window
from django_socket_status.live.listener import Listener
from django_socket_status.reporter.thread import reporter

__all__ = ["Leaving"]


class Leaving:
    """The moments of the listeners of one event loop."""

    def __init__(self) -> None:
        #: The window that was seen last, as long as a listener may wait for its moment.
        self._window: Window | None = None

    def look(self, listeners: Iterable[Listener], now: float) -> None:
        """Dismiss the listeners whose moment has come. O(listeners) while one drains.

        Args:
            listeners: All of them.
            now: The time, by ``time.monotonic()``.
        """
        window = reporter.sender.orders.drains.window
        told = window or self._window
        if told is None:
            return
        for listener in listeners:
            if listener.leaves_at is None:
                if window is not None:
                    listener.leaves_at = window.moment(now, random.random())  # noqa: S311
            elif now >= listener.leaves_at:
                listener.dismiss(told.code, told.reason)
            elif window is None:
                # The drain was stopped.
                listener.leaves_at = None
        self._window = window
