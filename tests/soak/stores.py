"""Where the workers report to, and the network between: what there is to break."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from django_socket_status.conf import SQLITE_BACKEND
from tests.support.redis_servers.proxy import Proxy
from tests.support.redis_servers.server import RedisServer

REDIS_BACKEND = "django_socket_status.backends.redis.RedisBackend"

#: Of the disk that the status file has for itself.
DISK_BYTES = 32 * 2**20

#: Seconds. A worker waits for the store less than it takes to lose its lease.
TIMEOUT_SECONDS = 0.3


class RedisStore:
    """A Redis server, and a network for each worker.

    Args:
        server: The server.
        proxies: Whatever is between it and each worker.
    """

    coverage = "cluster"
    has_disk = False

    def __init__(self, server: RedisServer, proxies: Sequence[Proxy]) -> None:
        self.server = server
        self.proxies = proxies
        #: Each fault holds this, so that faults of the store take turns.
        self.lock = asyncio.Lock()
        self.network_lock = asyncio.Lock()
        #: From when until when nothing could be written: seconds since the epoch.
        self.outages: list[tuple[float, float]] = []

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
        """Return what ``SOCKET_STATUS`` says to a worker or a reader."""
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

    def idle(self) -> None:
        """Expire the index, as when no worker reports for days."""
        for key in self.server.admin.scan_iter("*:workers"):
            self.server.admin.delete(key)


class SqliteStore:
    """A status file.

    Args:
        directory: Where it is.
    """

    coverage = "host"

    def __init__(self, directory: Path, *, has_disk: bool) -> None:
        self.directory = directory
        #: Whether it has a disk for itself, which can be filled.
        self.has_disk = has_disk
        self.lock = asyncio.Lock()
        #: From when until when nothing could be written.
        self.outages: list[tuple[float, float]] = []

    @classmethod
    @contextlib.contextmanager
    def opened(cls, directory: Path, workers: int) -> Iterator[SqliteStore]:
        """Use a directory of the soak's."""
        place = directory / "store"
        place.mkdir()
        with disk(place) as is_mounted:
            yield cls(place, has_disk=is_mounted)

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

    def idle(self) -> None:
        """Do nothing: no file ends by itself."""


@contextlib.contextmanager
def disk(place: Path) -> Iterator[bool]:
    """Mount a small disk, where that is permitted: seen by this process and its own.

    The kernel unmounts it when the last of these processes ends.
    """
    try:
        # Not before Python 3.12, and only on Linux.
        os.unshare(os.CLONE_NEWNS)  # type: ignore[attr-defined,unused-ignore]
        _run("mount", "--make-rprivate", "/")
        _run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "soak", str(place))
    except (AttributeError, OSError, subprocess.CalledProcessError):
        yield False
        return
    try:
        yield True
    finally:
        _run("umount", "--lazy", str(place))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


Store = RedisStore | SqliteStore

STORES = {"redis": RedisStore, "sqlite": SqliteStore}
