"""What tests ask for; a ``conftest.py`` imports the fixtures that it offers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis_servers.cluster import Cluster, cluster, patient_cluster
from tests.support.redis_servers.proxy import Proxy
from tests.support.redis_servers.sentinel import FAILOVER_MS, Sentinels, sentinels
from tests.support.redis_servers.server import RedisServer

__all__ = [
    "proxy",
    "redis_cluster",
    "redis_sentinels",
    "redis_server",
    "steady_cluster",
]


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """Run an empty server for one test."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    """Put a network before the server."""
    with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def redis_cluster() -> Iterator[Cluster]:
    """Run three masters, each of which goes on when another one is down."""
    with cluster(3, "--cluster-require-full-coverage", "no") as nodes:
        yield nodes


@pytest.fixture
def steady_cluster() -> Iterator[Cluster]:
    """Run three masters, none of which goes down."""
    with patient_cluster() as nodes:
        yield nodes


@pytest.fixture
def redis_sentinels() -> Iterator[Sentinels]:
    """Run a master, a replica and a Sentinel that soon takes the master for down."""
    with sentinels(down_after_ms=FAILOVER_MS) as service:
        yield service
