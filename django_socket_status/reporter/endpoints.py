"""Reports the endpoints that this worker serves, and reads those of all workers.

They are separate from the reports of connections: endpoints belong to the deployment,
change with a release, and stay in the backend for 30 days after the last worker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django_socket_status.backends.base import BaseBackend
from django_socket_status.conf import get_settings
from django_socket_status.endpoints.loaded import own_endpoints
from django_socket_status.endpoints.served import ServedEndpoints
from django_socket_status.reporter.worker import code_age_seconds

__all__ = ["EndpointReport", "KnownEndpoints"]

logger = logging.getLogger("django_socket_status")

#: A worker reports its endpoints after each full report, and again after this time.
REPORT_SECONDS = 3600.0
#: A process that has read the endpoints reads them again after this time.
READ_SECONDS = 10.0

NEVER = float("-inf")


class EndpointReport:
    """Decides when this worker reports its endpoints, and reports them."""

    def __init__(self) -> None:
        self._due_at = NEVER
        self._failing = False

    def owe(self) -> None:
        """Make a report due now: the store may have lost the endpoints."""
        self._due_at = NEVER

    def is_due(self, now: float) -> bool:
        """Return whether it is time to report."""
        return now >= self._due_at

    def send(self, backend: BaseBackend, now: float) -> None:
        """Report the endpoints if this process has loaded them. Never raises.

        A failure does not affect the reports of connections.
        """
        self._due_at = now + get_settings().heartbeat_seconds
        served = own_endpoints()
        if served is None:
            return
        try:
            backend.report_endpoints(served.to_text(), code_age_seconds())
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            if not self._failing:
                logger.warning("WebSocket endpoints cannot be reported: %s", error)
            self._failing = True
        else:
            self._failing = False
            self._due_at = now + REPORT_SECONDS


class KnownEndpoints:
    """Finds the endpoints: loaded by this process, or else reported by workers.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self._reported: ServedEndpoints | None = None
        self._due_at = NEVER

    def look(
        self, get_backend: Callable[[], BaseBackend], now: float
    ) -> ServedEndpoints | None:
        """Return the endpoints; ``None`` while they are unknown. Never raises.

        Reads the backend only if this process has not loaded the application.
        """
        own = own_endpoints()
        if own is not None:
            return own
        if self._reported is None or now >= self._due_at:
            self._due_at = now + READ_SECONDS
            try:
                text = get_backend().read_endpoints()
            except Exception:
                # A backend may raise anything. The counts that were read are valid.
                logger.debug("WebSocket endpoints cannot be read.", exc_info=True)
            else:
                self._reported = ServedEndpoints.from_text(text)
        return self._reported
