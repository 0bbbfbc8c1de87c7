"""Two processes of one server, which share a store, and what their clients see.

To start them takes longer than most tests, so one pair serves many tests of several
modules: the fixture ``both`` is in ``conftest.py``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from django_socket_status.control.results import DisconnectResult
from django_socket_status.services import SocketStatusService
from tests.servers.servers import (
    SECONDS,
    Site,
    pid_of,
    site_of,
    started,
    wait_until,
)
from tests.support.redis_servers.server import RedisServer

REDIS = "django_socket_status.backends.redis.RedisBackend"

#: Each server, and what its workers share.
PAIRS = [
    (server, store)
    for server in ("daphne", "uvicorn-sansio", "hypercorn", "granian", "gunicorn")
    for store in ("sqlite", "redis")
]
#: Those that do what uvicorn does.
LIKE_UVICORN = [(it, "sqlite") for it in ("uvicorn-wsproto", "gunicorn-uvicorn")]


class Pair:
    """Two processes of one server, which share a store.

    Attributes:
        sites: The two processes.
        service: The Python API, in the process of the test.
    """

    def __init__(
        self, server: str, sites: list[Site], redis: RedisServer | None = None
    ) -> None:
        self.server = server
        self.sites = sites
        self.service: type[SocketStatusService]
        self._redis = redis

    @property
    def is_whole(self) -> bool:
        """Return whether no test has killed one of them."""
        return all(it.process.poll() is None for it in self.sites)

    def open(self, stack: ExitStack, path: str) -> list[ClientConnection]:
        """Open a socket on each worker."""
        return [stack.enter_context(site.open(path)) for site in self.sites]

    def settle(self, sockets: int) -> None:
        """Wait until both say that exactly so many sockets are open."""
        for site in self.sites:
            site.eventually_holds(sockets)

    def draining(self) -> set[str]:
        """Return the ids of the workers that drain."""
        return {it.worker_id for it in self.service.get_workers() if it.is_draining}

    def disconnect(self, **given: Any) -> DisconnectResult:
        """Disconnect, and wait for what has to be so."""
        return self.service.disconnect(**{"wait_seconds": 20.0, **given})

    @contextlib.contextmanager
    def disconnecting(self, **given: Any) -> Iterator[Future[DisconnectResult]]:
        """Disconnect on another thread."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(self.disconnect, **given)

    def eventually(self, command_id: str, **expected: int) -> DisconnectResult:
        """Wait until the result of a command has some numbers; return it."""
        found: list[DisconnectResult | None] = []

        def is_so() -> bool:
            found[:] = [self.service.get_command(command_id)]
            return all(getattr(found[0], it) == expected[it] for it in expected)

        wait_until(is_so, explain=lambda: (found, [it.stderr for it in self.sites]))
        assert found[0] is not None
        return found[0]

    def freeze(self, client: ClientConnection) -> int:
        """Freeze the worker that serves a client; return its process id."""
        process = psutil.Process(pid_of(client))
        process.suspend()
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED)
        # The store answers what the worker has sent before. Then no answer is left that
        # could bring it a command of the test.
        for _ in range(2):
            self.service.get_connections(limit=1)
        return process.pid

    def flush(self) -> None:
        """Lose everything that the store has."""
        if self._redis is not None:
            self._redis.client().flushall()
            return
        path = Path(self.sites[0].socket_status["OPTIONS"]["path"])
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()

    def ends(self, room: str) -> list[dict[str, Any]]:
        """Return how the sockets of a room ended, as the signals tell it."""
        entries = [it for site in self.sites for it in site.diary(room)]
        return [it for it in entries if it["kind"] == "closed"]

    def notes(self, room: str) -> dict[str, list[Any]]:
        """Return what the consumers of a room wrote down, on the first worker."""
        path = self.sites[0].directory / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        return {kind: what for name, kind, *what in entries if name == room}


#: A test may set the clocks of the workers.
CLOCK = {"PROJECT_IMPORTS": "tests.servers.project.wrong_clock"}


@contextlib.contextmanager
def pair(server: str, directory: Path, store: str = "sqlite") -> Iterator[Pair]:
    """Start two workers at once."""
    status: dict[str, Any] = {"OPTIONS": {"path": str(directory / "status")}}
    # Each command waits for a heartbeat.
    often = {"HEARTBEAT_SECONDS": 0.2, "CACHE_SECONDS": 0.1}
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer()) if store == "redis" else None
        if redis is not None:
            status = {"BACKEND": REDIS, "OPTIONS": {"url": redis.url}}
        sites = [
            site_of(
                server,
                directory / name,
                socket_status={**status, **often},
                environment=CLOCK,
            )
            for name in ("one", "two")
        ]
        for site in sites:
            stack.callback(site.kill)
        for site in sites:
            stack.enter_context(started(site))
        both = Pair(server, sites, redis)
        both.service = stack.enter_context(sites[0].reader())
        yield both


def end_of(client: ClientConnection) -> tuple[int, str]:
    """Return the close frame that a client gets."""
    try:
        while True:
            client.recv(SECONDS)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return closed.rcvd.code, closed.rcvd.reason
