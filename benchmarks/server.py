"""A real server, in a separate process."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil

__all__ = ["Server", "served"]

SECONDS = 60.0


class Server:
    """One worker of uvicorn, in a separate process.

    Args:
        site: The module that holds ``application``.
        settings: The module with its settings.
    """

    def __init__(self, site: str, settings: str) -> None:
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        with listening:
            self.port: int = listening.getsockname()[1]
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "uvicorn", f"{site}:application"),
                    *("--fd", str(listening.fileno()), "--log-level", "error"),
                ],
                pass_fds=[listening.fileno()],
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": settings,
                    # Where processes of one site find each other.
                    "TMPDIR": os.environ["BENCHMARKS_DIRECTORY"],
                },
            )
        self._seen = psutil.Process(self._process.pid)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all of its threads so far."""
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """Return the bytes that it alone holds."""
        return int(self._seen.memory_full_info().uss)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(SECONDS)


@contextlib.contextmanager
def served(site: str, settings: str = "benchmarks.settings") -> Iterator[Server]:
    """Start a server, and end it."""
    server = Server(site, settings)
    try:
        yield server
    finally:
        server.stop()
