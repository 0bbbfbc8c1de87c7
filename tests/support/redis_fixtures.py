"""A Redis server that tests share, each under its own prefix."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_socket_status.backends.redis import RedisBackend
from django_socket_status.testing import Clock
from tests.support.redis_servers.cluster import Cluster, patient_cluster
from tests.support.redis_servers.sentinel import Sentinels, sentinels
from tests.support.redis_servers.server import RedisServer, free_port, wait_until

__all__ = [
    "TlsRedis",
    "make_redis",
    "redis_prefix",
    "shared_cluster",
    "shared_redis",
    "shared_sentinels",
    "tls_redis",
]

_numbers = itertools.count()


def new_prefix() -> str:
    """Return a prefix without a report."""
    return f"test-{os.getpid()}-{next(_numbers)}"


#: How long a server has to be up, so that its being empty says that no worker is there:
#: the default of ``LEASE_SECONDS``.
LEASE_SECONDS = 5


def wait_for_a_lease(server: RedisServer) -> None:
    """Wait until everybody who had reported before would have reported again."""

    def is_old() -> bool:
        told: Any = server.admin.info("server")
        return bool(told["uptime_in_seconds"] >= LEASE_SECONDS)

    wait_until(is_old)


#: Of a backend, where its limit is not what a test is about.
PATIENT_SECONDS = 20.0


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """Run a server that no test may stop, flush or configure."""
    with RedisServer() as server:
        wait_for_a_lease(server)
        yield server


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """Run three masters that no test may stop or flush."""
    with patient_cluster() as cluster:
        for node in cluster.nodes:
            wait_for_a_lease(node)
        yield cluster


@pytest.fixture(scope="session")
def shared_sentinels() -> Iterator[Sentinels]:
    """Run a master, a replica and a Sentinel that no test may stop or flush."""
    with sentinels() as service:
        wait_for_a_lease(service.master)
        yield service


@pytest.fixture
def redis_prefix() -> str:
    return new_prefix()


@pytest.fixture
def make_redis(
    request: pytest.FixtureRequest, redis_prefix: str, clock: Clock
) -> Iterator[Callable[..., RedisBackend]]:
    """Return what makes a backend, of the shared server by default, and closes it."""
    with contextlib.ExitStack() as made:

        def make(server: RedisServer | None = None, **options: Any) -> RedisBackend:
            if "url" not in options and "sentinels" not in options:
                server = server or request.getfixturevalue("shared_redis")
                options["url"] = server.url
            given = {
                "prefix": redis_prefix,
                "clock": clock,
                "timeout_seconds": PATIENT_SECONDS,
                **options,
            }
            backend = RedisBackend(**given)
            made.callback(backend.close)
            return backend

        yield make


@dataclasses.dataclass(frozen=True)
class TlsRedis:
    """A server that is spoken to by TLS alone."""

    url: str
    #: The file with the certificate that it has to be trusted by.
    authority: str


@pytest.fixture(scope="session")
def tls_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRedis]:
    """Run a server with a self-signed certificate; Debian's can do TLS."""
    place = tmp_path_factory.mktemp("tls")
    port = free_port()
    options = ("--tls-port", str(port), "--tls-auth-clients", "no")
    with RedisServer(*options, *certificate(place)):
        yield TlsRedis(f"rediss://localhost:{port}/0", str(place / "certificate"))


def certificate(place: Path) -> tuple[str, ...]:
    """Make a certificate for this host; return the options of a server with it."""
    key, file = place / "key", place / "certificate"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    out = ("-keyout", str(key), "-out", str(file))
    subprocess.run([*make.split(), *names, *out], check=True, capture_output=True)
    return (
        *("--tls-cert-file", str(file)),
        *("--tls-key-file", str(key)),
        *("--tls-ca-cert-file", str(file)),
    )
