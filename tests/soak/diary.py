"""What the signals of a worker have told, as a project would keep it."""

from __future__ import annotations

import threading
from typing import Any

from django_socket_status.records import ConnectionRecord
from django_socket_status.signals import socket_closed, socket_opened

#: Between two readings of the wall clock in one process: it may be adjusted.
SLACK_SECONDS = 0.005
MOST_FLAWS = 5


class Diary:
    """Who is here by the signals alone, and what was told in a wrong order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self._latest = 0.0
        self._flaws: list[str] = []

    def keep(self) -> None:
        """Receive the signals from now on."""
        socket_opened.connect(self.opened, weak=False)
        socket_closed.connect(self.closed, weak=False)

    def told(self) -> dict[str, Any]:
        """Return how many connections are open, and what was wrong."""
        with self._lock:
            return {"open": len(self._open), "flaws": self._flaws[:MOST_FLAWS]}

    def opened(self, connection: ConnectionRecord, **kwargs: Any) -> None:
        with self._lock:
            if connection.connection_id in self._open:
                self._flaws.append(f"opened twice: {connection}")
            self._open.add(connection.connection_id)
            self._note("opened", connection.connected_at.timestamp())

    def closed(
        self, connection: ConnectionRecord, duration_seconds: float, **kwargs: Any
    ) -> None:
        with self._lock:
            if connection.connection_id not in self._open:
                self._flaws.append(f"closed, and not opened before: {connection}")
            self._open.discard(connection.connection_id)
            opened_at = connection.connected_at.timestamp()
            self._note("closed", opened_at + duration_seconds)

    def _note(self, what: str, at: float) -> None:
        """See that events come in the order in which they happened."""
        if at < self._latest - SLACK_SECONDS:
            self._flaws.append(f"{what} {self._latest - at:.3f} s after a later event")
        self._latest = max(self._latest, at)


diary = Diary()
