"""Logs one warning for each time in which nothing can be reported."""

from __future__ import annotations

import logging

from django.core.exceptions import ImproperlyConfigured

from django_socket_status.exceptions import BackendError

__all__ = ["Outage"]

logger = logging.getLogger("django_socket_status")


class Outage:
    """Why the last report failed, if it did."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    def begin(self, error: Exception) -> None:
        """Keep the reason, and log one warning per outage."""
        if self.failure is None:
            expected = isinstance(error, BackendError | ImproperlyConfigured)
            logger.warning(
                "WebSocket status cannot be reported; sockets are not affected, and "
                "everything is reported again when it can be: %s",
                error,
                exc_info=None if expected else error,
            )
        self.failure = error

    def end(self) -> None:
        """Note that everything is reported."""
        if self.failure is not None:
            logger.info("WebSocket status is reported again.")
            self.failure = None
