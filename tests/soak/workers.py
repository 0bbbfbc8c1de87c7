"""The workers: uvicorn processes, each on its own port, which its replacement keeps."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.servers.servers import Site
from tests.support.redis_servers.server import free_port
from tests.support.source import ROOT

READY_SECONDS = 60.0
END_SECONDS = 20.0
POLL_SECONDS = 0.05
PACKAGE = "django_socket_status"
ACT_SECONDS = 120.0

SERVER = (
    *("uvicorn", "--host=127.0.0.1", "--log-level=warning", "--ws=websockets-sansio"),
    # A consumer that hangs would be another finding, and must not stop the soak.
    "--timeout-graceful-shutdown=5",
)


class Worker:
    """One process that serves WebSockets, and those that take its place.

    Args:
        directory: For what it writes.
        socket_status: Its ``SOCKET_STATUS``.
        code: The directory with the package of an earlier version, if it runs that.
    """

    def __init__(
        self, directory: Path, socket_status: dict[str, Any], code: Path | None = None
    ) -> None:
        self._code = code
        self.port = free_port()
        self._directory = directory
        self._socket_status = socket_status
        self._site: Site | None = None
        #: The processes that were killed, and those that were told to end.
        self.killed: set[int] = set()
        self.stopped: set[int] = set()
        #: Each fault holds this, so that faults of one worker take turns.
        self.lock = asyncio.Lock()

    async def __aenter__(self) -> Worker:
        try:
            await self.start()
        except BaseException:
            self.kill()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def site(self) -> Site:
        assert self._site is not None
        return self._site

    @property
    def pid(self) -> int:
        return self.site.process.pid

    def complaints(self) -> list[str]:
        """Return what it has said of this package, warnings left out.

        Near the recursion limit, what the collector ends may be anything of the host's.
        """
        return [
            line
            for line in self.site.complaints()
            if not line.startswith(f"WARNING {PACKAGE}:")
            and not (line.startswith("Exception ignored") and PACKAGE not in line)
        ]

    async def start(self) -> None:
        """Start it, and return when it listens."""
        environment = {"DJANGO_SETTINGS_MODULE": "tests.soak.settings"}
        options = [f"--port={self.port}"]
        if self._code is not None:
            # Before the directory with the package of this version, and the tests.
            environment["PYTHONPATH"] = f"{self._code}{os.pathsep}{ROOT}"
            environment["PYTHONSAFEPATH"] = "1"
            options.append(f"--app-dir={self._code}")
        self._site = Site(
            (*SERVER, *options, "tests.soak.site:application"),
            self._directory,
            python=(),
            socket_status=self._socket_status,
            environment=environment,
        )
        self._site.port = self.port
        await asyncio.wait_for(self._until_it_listens(), READY_SECONDS)

    async def _until_it_listens(self) -> None:
        while True:
            assert self.site.process.poll() is None, self.site.stderr
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(POLL_SECONDS)

    def act(self, name: str) -> Any:
        """Have it do something; return what came of it. Waits."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ACT_SECONDS)
        with contextlib.closing(client):
            client.request("GET", f"/soak/{name}")
            response = client.getresponse()
            assert response.status == 200, f"{name}: {self.site.stderr[-5000:]}"
            return json.loads(response.read())

    async def terminate(self) -> None:
        """End it as a supervisor does."""
        self.stopped.add(self.pid)
        self.site.process.terminate()
        await asyncio.to_thread(self.site.process.wait, END_SECONDS)

    def kill(self) -> None:
        if self._site is not None:
            self.killed.add(self.pid)
            self._site.kill()

    def freeze(self) -> None:
        self.site.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.site.process.send_signal(signal.SIGCONT)
