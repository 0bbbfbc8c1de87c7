"""Where the workers report to, and the network between: what there is to break."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from django_socket_status.conf import SQLITE_BACKEND
from tests.redis_servers.proxy import Proxy
from tests.redis_servers.server import RedisServer

REDIS_BACKEND = "django_socket_status.backends.redis.RedisBackend"

#: Seconds. A worker waits for the store less than it takes to lose its lease.
TIMEOUT_SECONDS = 0.3


class RedisStore:
    """A Redis server, and a network for each worker.

    Args:
        server: The server.
        proxies: Whatever is between it and each worker.
    """

    coverage = "cluster"

    def __init__(self, server: RedisServer, proxies: Sequence[Proxy]) -> None:
        self.server = server
        self.proxies = proxies
        #: Whoever does something to it holds this, so that faults take turns.
        self.lock = asyncio.Lock()
        self.network_lock = asyncio.Lock()

    @classmethod
    @contextlib.contextmanager
    def opened(cls, directory: Path, workers: int) -> Iterator[RedisStore]:
        """Run one for so many workers."""
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(RedisServer())
            proxies = [
                stack.enter_context(Proxy(server.port, delay_seconds=TIMEOUT_SECONDS))
                for _ in range(workers)
            ]
            yield cls(server, proxies)

    def settings(self, worker: int | None) -> dict[str, Any]:
        """Return what ``SOCKET_STATUS`` says to a worker, or to a reader of its own."""
        at = self.server if worker is None else self.proxies[worker]
        options = {"url": at.url, "timeout_seconds": TIMEOUT_SECONDS}
        return {"BACKEND": REDIS_BACKEND, "OPTIONS": options}

    def version(self) -> str:
        """Return what is used, and in which version."""
        info = self.server.admin.info("server")
        return f"Redis {info['redis_version']}, redis-py {redis.__version__}"

    def flaws(self) -> Iterator[str]:
        """Yield what is wrong with what is kept: every key has to end by itself."""
        for key in self.server.admin.scan_iter(count=1000):
            if self.server.admin.ttl(key) == -1:
                yield f"the key {key} never ends"


class SqliteStore:
    """A status file.

    Args:
        directory: Where it is.
    """

    coverage = "host"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lock = asyncio.Lock()

    @classmethod
    @contextlib.contextmanager
    def opened(cls, directory: Path, workers: int) -> Iterator[SqliteStore]:
        """Use a directory of the soak's."""
        place = directory / "store"
        place.mkdir()
        yield cls(place)

    def settings(self, worker: int | None) -> dict[str, Any]:
        """Return what ``SOCKET_STATUS`` says to everybody."""
        path = self.directory / "status"
        return {"BACKEND": SQLITE_BACKEND, "OPTIONS": {"path": str(path)}}

    def version(self) -> str:
        """Return nothing: it comes with Python."""
        return ""

    def flaws(self) -> Iterator[str]:
        """Yield what is wrong with what is kept."""
        yield from ()


Store = RedisStore | SqliteStore

STORES = {"redis": RedisStore, "sqlite": SqliteStore}
