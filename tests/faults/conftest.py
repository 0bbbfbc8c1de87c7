"""Processes for the tests here, and the end of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from django_socket_status.backends.sqlite.connection import BUSY_SECONDS
from tests.faults.workers import Worker
from tests.support.redis_servers.fixtures import (
    proxy,
    redis_cluster,
    redis_sentinels,
    redis_server,
)

__all__ = ["proxy", "redis_cluster", "redis_sentinels", "redis_server"]

Start = Callable[..., Worker]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "place" / "sockets"
    path.parent.mkdir()
    return path


@pytest.fixture
def start(path: Path, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a worker on the test's status file, or on another one."""
    workers: list[Worker] = []

    def start(
        at: Path = path, busy_seconds: float = BUSY_SECONDS, **settings: object
    ) -> Worker:
        worker = Worker(at, tmp_path, busy_seconds=busy_seconds, **settings)
        workers.append(worker)
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()
