"""For tests: a clean slate, and the contract that every backend keeps.

Needs no package beyond those of the application; the contract is run by pytest.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.test import override_settings

from django_socket_status import endpoints, listening
from django_socket_status.conf import SETTING
from django_socket_status.registry import registry
from django_socket_status.reporter import reporter
from django_socket_status.status import status_reader
from django_socket_status.testing.contract import BackendContract
from django_socket_status.testing.fakes import Clock, FakeWorker

__all__ = [
    "BackendContract",
    "Clock",
    "FakeWorker",
    "isolated_socket_status",
    "reset_socket_status",
]

#: The longest that is waited for what a thread has begun.
SETTLE_SECONDS = 10.0

MEMORY_BACKEND = "django_socket_status.backends.memory.MemoryBackend"


@contextlib.contextmanager
def isolated_socket_status(**settings: Any) -> Iterator[None]:
    """Run with settings of its own, and without a trace of what came before.

    Args:
        **settings: What ``SOCKET_STATUS`` holds; the ``memory`` backend by default.
    """
    settings.setdefault("BACKEND", MEMORY_BACKEND)
    reset_socket_status()
    try:
        with override_settings(**{SETTING: settings}):
            try:
                yield
            finally:
                reset_socket_status()
    finally:
        endpoints.reset()


def reset_socket_status() -> None:
    """Say goodbye, end every thread, and forget every connection of this process.

    What a thread has begun is waited for, so that nothing of it happens in the next
    test; a backend or a receiver that hangs is given up on after some seconds.
    """
    due = time.monotonic() + SETTLE_SECONDS
    threads = _own_threads()
    reporter.stop(SETTLE_SECONDS)
    reporter.reset()
    status_reader.reset()
    listening.reset()
    for thread in threads:
        thread.join(max(0.0, due - time.monotonic()))
    # Of what they did until they ended as well, or others since.
    reporter.stop(SETTLE_SECONDS)
    reporter.reset()
    registry.reset()
    endpoints.reset()


def _own_threads() -> list[threading.Thread]:
    """Return the threads of this package, but for one that is asking."""
    me = threading.current_thread()
    found = (it for it in threading.enumerate() if it is not me)
    return [it for it in found if it.name.startswith("django-socket-status-")]
