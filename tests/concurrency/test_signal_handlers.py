"""A host's signal handler may ask the service: it runs between any two instructions.

Python runs a handler on the main thread, in the middle of whatever that thread does, a
lock that it holds included. The tests do the same on a thread that they can give up.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import django_socket_status
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
from tests.support.asgi_driver import Socket

pytestmark = pytest.mark.python

#: Where the handler interrupts: in the package, and in what holds locks for it.
PLACES = (
    str(Path(django_socket_status.__file__).parent),
    str(Path(concurrent.futures.__file__).parent),
    queue.__file__,
)
DEADLINE_SECONDS = 60.0


class Handler:
    """Asks the service once, before the n-th line of these places in this thread."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.answer: Any = None

    def trace(self, frame: Any, event: str, argument: object) -> Any:
        if self.left < 0 or not frame.f_code.co_filename.startswith(PLACES):
            return None
        return self._step

    def _step(self, frame: Any, event: str, argument: object) -> Any:
        if event == "line":
            self.left -= 1
            if self.left == -1:
                sys.settrace(None)
                self.answer = SocketStatusService.get_socket_info_summary()
        return self._step


def open_and_close() -> None:
    Socket().open().close()


@pytest.mark.parametrize(
    "interrupted",
    [
        SocketStatusService.get_socket_info_summary,
        lambda: asyncio.run(SocketStatusService.aget_socket_info_summary()),
        lambda: SocketStatusService.is_online(1),
        SocketStatusService.get_connections,
        status_reader.latest,
        open_and_close,
    ],
    ids=["summary", "async summary", "question", "search", "latest", "socket"],
)
def test_handler_that_reads_gets_an_answer_wherever_it_interrupts(
    interrupted, settings
):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CACHE_SECONDS": 0}
    at = 0
    while (handler := run_with_handler(at, interrupted)).left < 0:
        assert handler.answer is not None, f"it waits at line {at}"
        assert not handler.answer["stale"], f"it gave up at line {at}"
        at += 1
    assert at > 10


def run_with_handler(at: int, interrupted: Callable[[], object]) -> Handler:
    handler = Handler(at)

    def run() -> None:
        sys.settrace(handler.trace)
        try:
            interrupted()
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive(), f"it waits for ever at line {at}"
    return handler
