"""A backend that writes down what it is told, and processes that use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from django_socket_status.backends import get_backend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.records import ConnectionQuery, Coverage, Report

RECORDER = "tests.support.recorder.Recorder"

ROOT = Path(__file__).resolve().parents[2]

EVERYTHING = ConnectionQuery(limit=1_000_000)


class Recorder(MemoryBackend):
    """Keep reports in memory, and write down every call.

    Args:
        name: Tells one from another.
        log: A file to write the calls to as well, a line each.
        wants_details: Whether reports carry connections and users.
    """

    coverage: Coverage = "host"  # type: ignore[misc]

    def __init__(
        self,
        *,
        name: str = "",
        log: str = "",
        wants_details: bool = True,
        clock: Any = None,
    ) -> None:
        super().__init__(**({"clock": clock} if clock else {}))
        self.wants_details = wants_details
        self.name = name
        self.reports: list[Report] = []
        self.goodbyes: list[str] = []
        #: Runs before a report is taken; may raise, hang, or return ``False``.
        self.before: Callable[[Report], object] = lambda report: None
        self._log_to = log

    def report(self, report: Report) -> bool:
        answer = self.before(report)
        self._log("report", report.worker.worker_id, dict(report.counts))
        if answer is False:
            return False
        self.reports.append(report)
        return super().report(report)

    def goodbye(self, worker_id: str) -> None:
        self._log("goodbye", worker_id, {})
        self.goodbyes.append(worker_id)
        super().goodbye(worker_id)

    @property
    def counts(self) -> dict[str, int]:
        """What a reader would count now."""
        counts: dict[str, int] = {}
        for status in self.read().workers:
            for kind, count in status.counts.items():
                counts[kind] = counts.get(kind, 0) + count
        return counts

    @property
    def labels(self) -> list[dict[str, str]]:
        """The labels of each connection that it knows, in order."""
        page = self.get_connections(EVERYTHING)
        assert page.total == sum(self.counts.values())
        return sorted((dict(it.labels) for it in page), key=str)

    def _log(self, kind: str, worker_id: str, counts: dict[str, int]) -> None:
        if self._log_to:
            line = json.dumps([kind, worker_id, os.getpid(), counts])
            with open(self._log_to, "a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def recorder() -> Recorder:
    """Return the backend in use."""
    return cast(Recorder, get_backend())


def calls_in(log: Path) -> list[tuple[str, str, int, dict[str, int]]]:
    """Return the calls that processes wrote down: kind, worker, pid and counts."""
    if not log.exists():
        return []
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()]  # type: ignore[misc]


PREAMBLE = """
import asyncio, logging, os, signal, sys, threading, time
# How long a callback took says how busy the machine was.
logging.getLogger("asyncio").addFilter(
    lambda record: not str(record.msg).startswith("Executing %s took")
)
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_socket_status"],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{LOG}.db"}
    },
    SOCKET_STATUS={
        "BACKEND": "tests.support.recorder.Recorder",
        "OPTIONS": {"log": LOG},
        "REPORT_INTERVAL_SECONDS": 0.001,
        "HEARTBEAT_SECONDS": 0.01,
        "LEASE_SECONDS": 5,
    },
)
import django
django.setup()
from django_socket_status.reporter.thread import reporter
from django_socket_status.reporter.worker import this_worker
from tests.support.asgi_driver import ACCEPT, CONNECT, Server, Socket
from tests.support.asgi_driver import scope_of, wait_until
from tests.support.recorder import recorder
"""

#: For scripts that ask: on a busy machine an answer may take longer than a second.
PATIENCE = """
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
status_reader.read_seconds = 60.0
"""


#: A connection that is open, and an application that waits for ever: no code cancels
#: it, and none closes its loop.
WAITING = """
from django_socket_status.middleware import SocketStatusMiddleware

class Wait:
    def __await__(self):
        yield

async def receive():
    await Wait()

async def send(message):
    pass

async def app(scope, receive, send):
    await send(ACCEPT)
    await receive()

waiting = SocketStatusMiddleware(app)(scope_of(), receive, send)
"""


OPTIONS = (
    *("-X", "dev"),
    *("-W", "error"),
    # Python 3.12 says that a process with threads should not fork. Ours may.
    *("-W", "ignore:This process:DeprecationWarning"),
)


def run_python(script: str, log: Path) -> str:
    """Run a script in a new process; it must not write errors. Return its output."""
    process = subprocess.Popen(
        [
            *(sys.executable, *OPTIONS),
            *("-c", f"LOG = {str(log)!r}\n{PREAMBLE}\n{script}"),
        ],
        cwd=ROOT,
        # The development mode checks the memory of C, too, for an eighth of the time.
        env={**os.environ, "PYTHONMALLOC": "pymalloc"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, complaint = process.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        # And the children that it waits for.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert complaint == ""
    assert process.returncode == 0, output
    return output
