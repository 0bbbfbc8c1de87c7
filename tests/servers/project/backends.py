"""Backends that no project would want."""

from __future__ import annotations

import threading
import time
from typing import Any, NoReturn

from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.records import Snapshot


class HangingBackend(MemoryBackend):
    """Never answer."""

    def _hang(self, *args: Any) -> NoReturn:
        threading.Event().wait()
        raise AssertionError

    report = goodbye = read = get_connections = _hang  # type: ignore[assignment]
    is_online = online_user_ids = _hang  # type: ignore[assignment]


class SlowBackend(MemoryBackend):
    """Take half a second for each read."""

    def read(self) -> Snapshot:
        time.sleep(0.5)
        return super().read()
