"""Worker processes with WebSockets, controlled by the test."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from django_socket_status.backends.sqlite.connection import BUSY_SECONDS
from tests.faults.worker_process import serve

DEADLINE_SECONDS = 60.0
POLL_SECONDS = 0.02

#: A short heartbeat, so that tests do not wait, and a long lease, since a slow process
#: is no fault.
HEARTBEAT_SECONDS = 0.1
LEASE_SECONDS = 30.0

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload([serve.__module__, "pytest"])
_numbers = itertools.count(1)


class Worker:
    """A process with WebSockets; see :mod:`tests.faults.worker_process`.

    Args:
        path: The status file.
        errors: A directory for what it writes to standard error.
        busy_seconds: How long it waits while others write to the file.
        has_ofd: Whether its kernel may have open file description locks.
        **settings: What differs from short defaults.
    """

    def __init__(
        self,
        path: Path,
        errors: Path,
        *,
        busy_seconds: float = BUSY_SECONDS,
        has_ofd: bool = True,
        **settings: object,
    ) -> None:
        given = {
            "OPTIONS": {"path": str(path)},
            "HEARTBEAT_SECONDS": HEARTBEAT_SECONDS,
            "LEASE_SECONDS": LEASE_SECONDS,
            "REPORT_INTERVAL_SECONDS": 0.01,
            "CACHE_SECONDS": 0.0,
            **settings,
        }
        self.path = path
        self._errors = errors / f"errors{next(_numbers)}"
        self._commands, its_end = _forking.Pipe()
        self.process = _forking.Process(
            target=serve,
            args=(given, its_end, self._errors, busy_seconds, has_ofd),
            daemon=True,
        )
        self.process.start()
        its_end.close()

    def tell(self, do: str, **arguments: object) -> None:
        """Have it do something, and do not wait for an answer."""
        self._commands.send((do, arguments))

    def ask(self, do: str, **arguments: object) -> Any:
        """Have it do something, and return what it answers."""
        self.tell(do, **arguments)
        return self.answer()

    def answer(self) -> Any:
        assert self._commands.poll(DEADLINE_SECONDS), "it does not answer"
        try:
            return self._commands.recv()
        except EOFError:
            raise AssertionError(f"it ended: {self._said()}") from None

    @property
    def total(self) -> int | None:
        """How many sockets there are; ``None`` when it says that it is unsure."""
        summary = self.ask("summary")
        return None if summary.get("stale") else summary.get("total_sockets")

    @property
    def seen(self) -> int | None:
        """How many sockets it sees, and there may be more."""
        total: int | None = self.ask("summary").get("total_sockets")
        return total

    @property
    def coverage(self) -> str | None:
        coverage: str | None = self.ask("summary").get("coverage")
        return coverage

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def wait_until_frozen(self) -> None:
        process = psutil.Process(self.process.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED)

    def stop(self) -> None:
        """End it; what it wrote to standard error is a failure."""
        if self.process.is_alive():
            self.signal(signal.SIGCONT)
        self._commands.close()
        self.process.join(DEADLINE_SECONDS)
        if self.process.is_alive():
            self.kill()
        said = self._said()
        assert not said, said

    def _said(self) -> str:
        return self._errors.read_text() if self._errors.exists() else ""


def wait_until(
    fact: Callable[[], object],
    explain: Callable[[], object] = lambda: "it did not happen in time",
) -> None:
    """Return when something is so; fail if it does not happen in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not fact():
        assert time.monotonic() < deadline, explain()
        time.sleep(POLL_SECONDS)
