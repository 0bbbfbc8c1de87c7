"""Backends on one status file, and a clock that a test moves."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.testing import Clock, FakeWorker
from tests.support.redis_fixtures import (
    make_redis,
    redis_prefix,
    shared_cluster,
    shared_redis,
    shared_sentinels,
    tls_redis,
)
from tests.support.redis_servers.fixtures import proxy, redis_server, steady_cluster

__all__ = [
    "make_redis",
    "proxy",
    "redis_prefix",
    "redis_server",
    "shared_cluster",
    "shared_redis",
    "shared_sentinels",
    "steady_cluster",
    "tls_redis",
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sockets"


@pytest.fixture
def make(path: Path, clock: Clock) -> Iterator[Callable[[], SqliteBackend]]:
    """Return what makes a backend on one and the same file, and closes it."""
    with contextlib.ExitStack() as made:

        def make(**options: Any) -> SqliteBackend:
            backend = SqliteBackend(**{"path": path, "clock": clock, **options})
            made.callback(backend.close)
            return backend

        yield make


@pytest.fixture
def backend(make: Callable[[], SqliteBackend]) -> SqliteBackend:
    return make()


@pytest.fixture
def other(make: Callable[[], SqliteBackend]) -> SqliteBackend:
    return make()


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker("a")


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what gives the warnings that were logged since it was last asked."""
    caplog.set_level(logging.WARNING, "django_socket_status")

    def warned() -> list[str]:
        messages = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return messages

    return warned
