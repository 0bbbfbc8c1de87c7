"""Real servers that report to a real Redis: they end, fork, and go on without it."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from websockets.sync.client import ClientConnection

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from tests.servers.servers import (
    READ_LIMIT,
    Site,
    answer_of,
    killed,
    open_on_each_worker,
    pid_of,
    wait_until,
)
from tests.servers.test_trouble import sockets_work
from tests.support.redis_servers.fixtures import redis_server
from tests.support.redis_servers.server import RedisServer

__all__ = ["redis_server"]

pytestmark = [pytest.mark.server, pytest.mark.faults, pytest.mark.redis]

LEASE_SECONDS = 4.0
CACHE_SECONDS = 0.05

Status = type[SocketStatusService]
Serve = Callable[..., Site]

#: Number of workers, and options.
SERVERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "daphne": (1, ()),
    "uvicorn-sansio": (2, ("--workers=2",)),
    "uvicorn-wsproto": (1, ()),
    "hypercorn": (2, ("--workers=2",)),
    "granian": (2, ("--workers=2",)),
    "gunicorn-uvicorn": (2, ("--workers=2", "--preload")),
    "gunicorn": (2, ("--workers=2", "--preload", "--graceful-timeout=1")),
}

#: Those of the quick selection.
QUICK = {"daphne", "uvicorn-sansio"}

#: What does not end while a socket is open. (Hypercorn does, before Python 3.12.1.)
ENDS_SECONDS = 4

#: Where Redis does not answer, for the sake of the test: less than a read may take.
TIMEOUT_SECONDS = 0.4


def settings(server: RedisServer, timeout_seconds: float) -> dict[str, Any]:
    return {
        "BACKEND": "django_socket_status.backends.redis.RedisBackend",
        "OPTIONS": {"url": server.url, "timeout_seconds": timeout_seconds},
        "HEARTBEAT_SECONDS": 0.2,
        "LEASE_SECONDS": LEASE_SECONDS,
        "CACHE_SECONDS": CACHE_SECONDS,
    }


@pytest.fixture
def is_limited() -> bool:
    """Return whether the limit of a read, and of what Redis takes, is the point."""
    return False


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    serve: Serve,
    redis_server: RedisServer,
    is_limited: bool,
) -> Site:
    _, options = SERVERS[request.param]
    return serve(
        request.param,
        *options,
        quiet=False,
        socket_status=settings(redis_server, TIMEOUT_SECONDS if is_limited else 5.0),
        environment=READ_LIMIT if is_limited else {},
    )


@pytest.fixture
def sockets(request: pytest.FixtureRequest, site: Site) -> Iterator[Any]:
    """Hold a socket of each worker, or more."""
    workers, _ = SERVERS[request.node.callspec.params["site"]]
    with contextlib.ExitStack() as stack:
        opened = open_on_each_worker(site, stack, workers)
        site.settle(len(opened), workers)
        yield opened


@pytest.fixture
def status(site: Site, sockets: list[ClientConnection]) -> Iterator[Status]:
    """Read in a process of no server."""
    with site.reader() as status:
        yield status


def holds(status: Status, number: int) -> bool:
    """Return whether a reader is sure that so many sockets are open."""
    try:
        summary = status.get_socket_info_summary()
    except StatusUnavailableError:
        return False
    return summary["total_sockets"] == number and not summary["stale"]


def everywhere(*servers: str) -> pytest.MarkDecorator:
    found = [
        pytest.param(it, marks=() if it in QUICK else pytest.mark.slow)
        for it in servers or SERVERS
    ]
    return pytest.mark.parametrize("site", found, indirect=True)


@everywhere()
def test_server_that_gets_sigterm_leaves_nothing(
    site: Site, sockets: list[ClientConnection], status: Status
) -> None:
    wait_until(
        lambda: len(status.get_workers()) == len({pid_of(socket) for socket in sockets})
    )
    site.process.terminate()
    with contextlib.suppress(AssertionError):
        wait_until(lambda: site.process.poll() is not None, ENDS_SECONDS)
    if site.process.poll() is None:
        # It waits for its sockets, which are open, and so they count; or it is late,
        # and has said goodbye.
        wait_until(
            lambda: (
                status.get_connections().total == len(sockets)
                or site.process.poll() is not None
            )
        )
        site.kill()
    wait_until(lambda: holds(status, 0))
    assert not status.get_connections()


@everywhere("uvicorn-sansio", "gunicorn-uvicorn", "gunicorn")
def test_killed_worker_takes_its_sockets_with_it(
    site: Site, sockets: list[ClientConnection], status: Status
) -> None:
    victim = pid_of(sockets[0])
    rest = [socket for socket in sockets if pid_of(socket) != victim]
    killed(psutil.Process(victim))
    wait_until(lambda: holds(status, len(rest)))
    # Another one takes its place, under another name.
    with contextlib.ExitStack() as stack:
        opened = open_on_each_worker(site, stack, 2)
        wait_until(lambda: holds(status, len(rest) + len(opened)))
        assert victim not in {it.worker.pid for it in status.get_workers()}


@everywhere("uvicorn-sansio", "gunicorn-uvicorn")
@pytest.mark.parametrize("how", ["stay", "end"])
def test_fork_of_a_worker_has_no_sockets_and_says_no_goodbye(
    site: Site, sockets: list[ClientConnection], status: Status, how: str, tmp_path
) -> None:
    file = tmp_path / "child"
    before = {it.connection_id for it in status.get_connections()}
    assert answer_of(sockets[0], f"fork {how} {file}")
    wait_until(file.exists)
    until = time.monotonic() + 1.5 * LEASE_SECONDS

    def is_the_same() -> bool:
        return {it.connection_id for it in status.get_connections()} == before

    def is_later() -> bool:
        site.steadily(is_the_same, LEASE_SECONDS)
        return time.monotonic() > until

    wait_until(is_later)
    wait_until(lambda: holds(status, len(sockets)))
    if how == "stay":
        killed(psutil.Process(int(file.read_text())))
        wait_until(lambda: holds(status, len(sockets)))


@everywhere("daphne", "uvicorn-sansio", "uvicorn-wsproto")
@pytest.mark.parametrize("is_limited", [True])
def test_sockets_go_on_while_redis_is_frozen(
    site: Site,
    sockets: list[ClientConnection],
    status: Status,
    redis_server: RedisServer,
) -> None:
    redis_server.freeze()
    # What a worker read just before, it may show for as long as it shows any reading.
    time.sleep(CACHE_SECONDS)
    until = time.monotonic() + 2 * LEASE_SECONDS
    took = []
    while time.monotonic() < until:
        sockets_work(site)
        asked_at = time.monotonic()
        answer = site.ask()
        took.append(time.monotonic() - asked_at)
        assert answer.status == 503 or answer.content["stale"]
    # A machine that is busy is slow now and then, and not for half of the time.
    assert statistics.median(took) < 2
    with site.open("async/new/"):
        redis_server.thaw()
        wait_until(lambda: holds(status, len(sockets) + 1))
    wait_until(lambda: holds(status, len(sockets)))
    assert "Traceback" not in site.stderr
