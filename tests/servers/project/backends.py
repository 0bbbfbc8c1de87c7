"""Backends that no project would want."""

from __future__ import annotations

import threading
from typing import Any, NoReturn

from django_socket_status.backends.memory import MemoryBackend


class HangingBackend(MemoryBackend):
    """Answer nobody, ever."""

    def _hang(self, *args: Any) -> NoReturn:
        threading.Event().wait()
        raise AssertionError

    report = goodbye = read = get_connections = _hang  # type: ignore[assignment]
    is_online = online_user_ids = _hang  # type: ignore[assignment]
