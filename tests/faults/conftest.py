"""Processes for the tests here, and the end of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.workers import Worker
from tests.redis_servers.fixtures import (
    proxy,
    redis_cluster,
    redis_sentinels,
    redis_server,
)

__all__ = ["proxy", "redis_cluster", "redis_sentinels", "redis_server"]

Start = Callable[..., Worker]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "place" / "sockets"


@pytest.fixture
def start(path: Path, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a worker on the test's status file, or on another one."""
    workers: list[Worker] = []

    def start(at: Path = path, **settings: object) -> Worker:
        workers.append(Worker(at, tmp_path, **settings))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()
