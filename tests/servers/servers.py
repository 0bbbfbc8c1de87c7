"""Starts the project of these tests under a real server, in separate processes."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
from websockets.sync.client import ClientConnection, connect

from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
from django_socket_status.testing import isolated_socket_status
from tests.servers.clients import RawClient
from tests.support.source import ROOT

SECONDS = 20
#: Until a process that was started answers: it has a lot to import.
START_SECONDS = 60
POLL_SECONDS = 0.05
#: To look for the port of a server takes longer than to ask whether something is so.
LOOK_SECONDS = 0.1

PROJECT = "tests.servers.project"
APPLICATION = f"{PROJECT}.asgi:application"

UVICORN = ("uvicorn", "--host=127.0.0.1", "--port=0", "--no-access-log")
GUNICORN = ("gunicorn", "--bind=127.0.0.1:0", "--no-control-socket")

#: What comes after ``python -m``. All of them listen on a free port.
SERVERS: dict[str, tuple[str, ...]] = {
    "daphne": ("daphne", "--bind=127.0.0.1", "--port=0", "--verbosity=0"),
    "uvicorn-sansio": (*UVICORN, "--ws=websockets-sansio"),
    "uvicorn-wsproto": (*UVICORN, "--ws=wsproto"),
    "hypercorn": ("hypercorn", "--bind=127.0.0.1:0"),
    "granian": ("granian", "--interface=asgi", "--host=127.0.0.1", "--port=0"),
    "gunicorn-uvicorn": (*GUNICORN, "--worker-class=uvicorn.workers.UvicornWorker"),
    "gunicorn": (*GUNICORN, "--worker-class=asgi"),
}

#: A machine that is busy ends no such lease. Tests that wait for the end of one say so.
LONG_LEASE_SECONDS = 60.0

#: Under WSGI, with every request of a process on one thread.
GEVENT = (*GUNICORN, "--worker-class=gevent", f"{PROJECT}.wsgi:application")

#: Everything that Python could complain about is an error, in every process.
STRICT = ("-X", "dev", "-W", "error")
#: Without what development mode checks of the memory of C: it makes all else slower.
MEMORY = {"PYTHONMALLOC": "pymalloc"}
#: What these two import, or call, is deprecated.
LENIENT = {"granian", "gunicorn-uvicorn"}

#: The longest that a reader waits, unless a test says otherwise in its environment:
#: a machine that is busy is nothing to complain about.
READ_SECONDS = "10"
#: Where that limit is what a test is about.
READ_LIMIT = {"PROJECT_READ_SECONDS": "0.8"}

#: What a line of a server's stderr must not hold while all is well.
COMPLAINTS = ("django_socket_status", "Warning", "never awaited", "Exception ignored")


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """An answer of ``/socket-status/``, and which process gave it."""

    pid: int
    status: int
    content: dict[str, Any]


class Site:
    """The project, served by processes that a test started."""

    def __init__(
        self,
        command: tuple[str, ...],
        directory: Path,
        *,
        python: tuple[str, ...] = STRICT,
        socket_status: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.socket_status = {
            "BACKEND": SQLITE_BACKEND,
            "OPTIONS": {"path": str(directory / "status")},
            "LEASE_SECONDS": LONG_LEASE_SECONDS,
            # Some consumers of the project sleep, which is no trouble to look for.
            "SLOW_SECONDS": 3600,
            **(socket_status or {}),
        }
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings",
            "PROJECT_DIARY": str(directory / "diary"),
            "PROJECT_PULSE": str(directory / "pulse"),
            "PROJECT_READ_SECONDS": READ_SECONDS,
            "PROJECT_SOCKET_STATUS": json.dumps(self.socket_status),
            "PYTHONUNBUFFERED": "1",
            **MEMORY,
            "TMPDIR": str(directory),
            **(environment or {}),
        }
        self._stderr = directory / "stderr"
        with self._stderr.open("ab") as stderr:
            # A separate group, so that no process survives the test.
            self.process = subprocess.Popen(
                [sys.executable, *python, "-m", *command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        self.port = 0

    # Its processes.

    def wait_until_ready(self, expected: int = 200) -> None:
        """Wait until it answers with a status, wherever it listens."""

        def is_ready() -> bool:
            assert self.process.poll() is None, self.stderr
            self.port = self._find_port()
            # Some listen before they can answer.
            with contextlib.suppress(TimeoutError):
                return bool(self.port) and self.ask().status == expected
            return False

        wait_until(is_ready, START_SECONDS, lambda: self.stderr, every=LOOK_SECONDS)

    def _find_port(self) -> int:
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                for connection in process.net_connections("tcp4"):
                    if connection.status == psutil.CONN_LISTEN:
                        return connection.laddr.port
        return 0

    def processes(self) -> list[psutil.Process]:
        """Return the process that was started, and those that it started."""
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def terminate(self) -> int:
        """End it as a supervisor does; return its exit status."""
        self.process.terminate()
        return self.process.wait(SECONDS)

    def kill(self) -> None:
        """Kill whatever is left of it, orphans and frozen processes too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(SECONDS)

    # What it says.

    @property
    def stderr(self) -> str:
        """Return what its processes complained about."""
        return self._stderr.read_text()

    def complaints(self) -> list[str]:
        """Return lines that should not be there while all is well.

        The frames of a traceback are passed over: where a consumer raises, ours are
        among them, and what counts is its last line. So are sockets: uvicorn's parent
        leaves the one it listens on to Python. So is what asyncio says of a callback
        that took long, which tells how busy the machine was.
        """
        return [
            line
            for line in self.stderr.splitlines()
            if not line.startswith("  ")
            and "<socket.socket" not in line
            and "asyncio: Executing <" not in line
            and any(word in line for word in COMPLAINTS)
        ]

    def diary(self, room: str) -> list[dict[str, Any]]:
        """Return what the signals told about a room."""
        entries = self._entries("PROJECT_DIARY")
        return [entry for entry in entries if entry.pop("room") == room]

    def _entries(self, name: str) -> list[Any]:
        file = Path(self.environment[name])
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def steadily(self, is_so: Callable[[], bool], lease_seconds: float) -> None:
        """See that something is so now.

        If it is not, a process must have been unable to run, so that its lease ended;
        and it has to be so again.
        """
        since = time.monotonic() - lease_seconds
        if is_so():
            return

        def has_stalled() -> bool:
            stalls = self._entries("PROJECT_PULSE")
            return any(ended >= since for _, ended in stalls)

        wait_until(is_so, explain=lambda: self.stderr)
        wait_until(has_stalled, explain=lambda: "a process that ran was missing")

    # Its status.

    def ask(self) -> Answer:
        """Ask for the status over a fresh connection."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with contextlib.closing(client):
            client.request("GET", "/socket-status/")
            response = client.getresponse()
            pid = int(response.headers["X-Pid"])
            return Answer(pid, response.status, json.loads(response.read()))

    def get(self, path: str) -> str:
        """Return the page at a path, over a fresh connection."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with contextlib.closing(client):
            client.request("GET", path)
            return client.getresponse().read().decode()

    def eventually(
        self, is_as_expected: Callable[[dict[str, Any]], bool], seconds: float = SECONDS
    ) -> dict[str, Any]:
        """Ask until the status is as expected, and return it."""
        last: dict[str, Any] = {}

        def is_so() -> bool:
            nonlocal last
            last = self.ask().content
            return is_as_expected(last)

        wait_until(is_so, seconds, lambda: f"{last}\n{self.stderr}")
        return last

    def eventually_holds(self, sockets: int, seconds: float = SECONDS) -> None:
        """Ask until exactly so many sockets are open."""
        self.eventually(lambda it: it.get("total_sockets") == sockets, seconds)

    def ask_every_worker(self, workers: int, times: int = 1) -> Iterator[Answer]:
        """Ask until so many workers have answered so many times each."""
        answered: Counter[int] = Counter()
        give_up_at = time.monotonic() + START_SECONDS
        while len(answered) < workers or min(answered.values()) < times:
            assert time.monotonic() < give_up_at, answered
            answer = self.ask()
            answered[answer.pid] += 1
            yield answer

    def settle(self, sockets: int, workers: int) -> None:
        """Wait until every worker says that exactly so many sockets are open.

        A worker shows for a moment what it read a moment ago.
        """
        right: set[int] = set()

        def is_settled() -> bool:
            answer = self.ask()
            if answer.content.get("total_sockets") == sockets:
                right.add(answer.pid)
            return len(right) == workers

        wait_until(
            is_settled,
            START_SECONDS,
            lambda: f"{right} {self.ask()}\n{self.stderr}",
        )

    @contextlib.contextmanager
    def reader(self, **socket_status: Any) -> Iterator[type[SocketStatusService]]:
        """Read in the test's own process, as one more process of the project."""
        seconds = float(self.environment["PROJECT_READ_SECONDS"])
        with (
            isolated_socket_status(**{**self.socket_status, **socket_status}),
            mock.patch.object(status_reader, "read_seconds", seconds),
        ):
            yield SocketStatusService

    def manage(self, *words: str) -> str:
        """Run a management command in a new process; return what it prints."""
        return subprocess.run(
            [sys.executable, "-m", "django", *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=True,
        ).stdout

    # Its sockets.

    def open(self, path: str) -> ClientConnection:
        """Open a socket that behaves."""
        url = f"ws://127.0.0.1:{self.port}/ws/{path}"
        return connect(url, proxy=None, open_timeout=SECONDS, compression=None)

    def open_raw(self, path: str, *, wait: bool = True) -> RawClient:
        """Open a socket that may misbehave."""
        return RawClient(self.port, f"/ws/{path}", wait=wait)


@contextlib.contextmanager
def serving(
    server: str,
    directory: Path,
    *words: str,
    quiet: bool = True,
    ready: int = 200,
    **given: Any,
) -> Iterator[Site]:
    """Serve the project; in the end, see that nothing of ours was complained about.

    Args:
        server: One of ``SERVERS``.
        directory: For its files, temporary ones too.
        *words: Further options of the server.
        quiet: Whether complaints are a failure.
        ready: The status of the answer with which it is ready.
        **given: See :class:`Site`.
    """
    with started(site_of(server, directory, *words, **given), ready) as site:
        yield site
    if quiet:
        assert not site.complaints(), site.stderr


def site_of(server: str, directory: Path, *words: str, **given: Any) -> Site:
    """Return the project, served by processes that begin to start."""
    if server in LENIENT:
        given.setdefault("python", (*STRICT, "-W", "ignore::DeprecationWarning"))
    return Site((*SERVERS[server], *words, APPLICATION), directory, **given)


@contextlib.contextmanager
def started(site: Site, ready: int = 200) -> Iterator[Site]:
    """Wait until a site is ready; in the end, kill what is left of it."""
    try:
        site.wait_until_ready(ready)
        yield site
    finally:
        site.kill()


def wait_until(
    is_so: Callable[[], Any],
    seconds: float = SECONDS,
    explain: Callable[[], object] = lambda: "",
    every: float = POLL_SECONDS,
) -> float:
    """Wait until something is so; return how many seconds it took."""
    started_at = time.monotonic()
    while not is_so():
        assert time.monotonic() < started_at + seconds, explain()
        time.sleep(every)
    return time.monotonic() - started_at


def answer_of(client: ClientConnection, text: str) -> str:
    """Say something and return what comes back."""
    client.send(text)
    heard = client.recv(SECONDS)
    assert isinstance(heard, str)
    return heard


def pid_of(client: ClientConnection) -> int:
    """Return which process serves a socket."""
    pid = json.loads(answer_of(client, "who"))["pid"]
    assert isinstance(pid, int)
    return pid


def open_on_each_worker(
    site: Site, stack: contextlib.ExitStack, workers: int
) -> list[ClientConnection]:
    """Open sockets until so many workers have one; return all of them."""
    opened: list[ClientConnection] = []
    served: set[int] = set()
    # Not before all of them have started.
    assert list(site.ask_every_worker(workers))
    give_up_at = time.monotonic() + SECONDS
    while len(served) < workers:
        assert time.monotonic() < give_up_at, served
        opened.append(stack.enter_context(site.open(f"async/{len(opened)}/")))
        served.add(pid_of(opened[-1]))
    return opened


def killed(process: psutil.Process) -> None:
    """Kill a process and wait until it is gone, whichever process has to reap it."""
    process.kill()

    def is_gone() -> bool:
        try:
            # Its first thread may be gone before the others.
            is_dead = process.status() == psutil.STATUS_ZOMBIE
            return is_dead and process.num_threads() <= 1
        except psutil.NoSuchProcess:
            return True

    wait_until(is_gone)
