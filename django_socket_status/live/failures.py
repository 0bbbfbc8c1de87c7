"""Logs errors that clients may cause, once for each episode."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django_socket_status.concurrency.clock import monotonic

__all__ = ["FailureLog"]

logger = logging.getLogger("django_socket_status")

#: An episode ends after so many seconds without the error.
QUIET_SECONDS = 60.0
#: The most kinds of errors that are distinguished.
MAX_KINDS = 100


class FailureLog:
    """Logs an error with its traceback when its episode begins.

    A client can repeat a handshake without end, so its errors must not fill the log.
    Safe from any thread: two threads that fail at the same time may both log.

    Args:
        message: What failed.
        clock: Seconds that never go back; for tests.
    """

    def __init__(self, message: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._message = message
        self._clock = clock
        #: When each kind of error was last seen.
        self._seen_at: dict[str, float] = {}

    def reset(self) -> None:
        """End every episode."""
        self._seen_at = {}

    def note(self, error: Exception) -> None:
        """Log an error, unless one of its class was noted in the last minute."""
        now, seen_at = self._clock(), self._seen_at
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        if kind not in seen_at and len(seen_at) >= MAX_KINDS:
            kind = ""
        last = seen_at.get(kind)
        seen_at[kind] = now
        if last is None or now >= last + QUIET_SECONDS:
            logger.error(
                "%s Errors of this kind are not logged again until there was none for "
                "%d seconds.",
                self._message,
                QUIET_SECONDS,
                exc_info=error,
            )
