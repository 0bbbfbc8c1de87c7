"""A worker that is frozen, blocked or forked keeps its sockets, and they their ids."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator

import psutil
import pytest
from websockets.sync.client import ClientConnection

from django_socket_status.services import SocketStatusService
from tests.servers.servers import (
    POLL_SECONDS,
    Site,
    answer_of,
    killed,
    open_on_each_worker,
    pid_of,
    serving,
    wait_until,
)

pytestmark = [pytest.mark.server, pytest.mark.faults]

#: Short enough to wait for, and long enough for a machine that is busy.
LEASE_SECONDS = 4.0
SHORT_LEASE = {"HEARTBEAT_SECONDS": 0.2, "LEASE_SECONDS": LEASE_SECONDS}

WORKERS = {"daphne": 1, "uvicorn-sansio": 2}
OPTIONS = {"daphne": (), "uvicorn-sansio": ("--workers=2",)}

Status = type[SocketStatusService]


@pytest.fixture(scope="module", params=WORKERS)
def server(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def site(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve what a server survives, under a lease that ends soon."""
    directory = tmp_path_factory.mktemp(server)
    with serving(
        server, directory, *OPTIONS[server], socket_status=SHORT_LEASE
    ) as site:
        yield site


@pytest.fixture
def sockets(site: Site, server: str) -> Iterator[list[ClientConnection]]:
    """Hold a socket or more of each worker, known to the reader."""
    with contextlib.ExitStack() as stack:
        opened = open_on_each_worker(site, stack, WORKERS[server])
        opened.append(stack.enter_context(site.open("sync/last/")))
        site.settle(len(opened), WORKERS[server])
        yield opened
    site.eventually_holds(0)


@pytest.fixture
def status(site: Site, sockets: list[ClientConnection]) -> Iterator[Status]:
    """Read from a process that no server's trouble reaches."""
    with site.reader() as status:
        yield status


def open_now(status: Status) -> dict[str, object]:
    """Return what is open: ids and when they opened."""
    page = status.get_connections(limit=1000)
    return {it.connection_id: it.connected_at for it in page}


def workers_of(status: Status) -> set[str]:
    return {it.worker.worker_id for it in status.get_workers()}


def has_answered(socket: ClientConnection) -> bool:
    """Return whether something comes back, after a moment."""
    with contextlib.suppress(TimeoutError):
        return bool(socket.recv(POLL_SECONDS))
    return False


def nothing_changes(site: Site, status: Status, seconds: float = LEASE_SECONDS) -> None:
    """See that every answer is the same until each worker reported a lease later."""
    before, workers = open_now(status), workers_of(status)
    # A reader's cache is no older than that.
    due = time.monotonic() + seconds + 0.1

    def is_reported() -> bool:
        site.steadily(lambda: open_now(status) == before, LEASE_SECONDS)
        site.steadily(lambda: workers_of(status) == workers, LEASE_SECONDS)
        found = status.get_workers()
        now = time.monotonic()
        return len(found) == len(workers) and all(
            now - it.age_seconds > due for it in found
        )

    wait_until(is_reported)


def test_frozen_worker_leaves_within_the_lease_and_comes_back_the_same(
    site, sockets, status
):
    before = open_now(status)
    victim = pid_of(sockets[0])
    its_own = [socket for socket in sockets if pid_of(socket) == victim]
    rest = len(sockets) - len(its_own)
    worker = psutil.Process(victim)

    def is_prompt() -> bool:
        """Freeze it for a while; return whether it left and came back in time."""
        worker.suspend()
        try:
            left = wait_until(lambda: len(status.get_connections()) < len(sockets))
            wait_until(lambda: len(status.get_connections()) == rest)
            wait_until(
                lambda: status.get_socket_info_summary()["total_sockets"] == rest
            )
            assert victim not in [it.worker.pid for it in status.get_workers()]
        finally:
            worker.resume()
        back = wait_until(lambda: open_now(status) == before)
        return left < LEASE_SECONDS + 0.5 and back < 1

    # A machine that is busy is slow now and then, and not each time.
    assert any(is_prompt() for _ in range(4))
    for socket in its_own:
        assert answer_of(socket, "still there") == "still there"


def test_blocked_event_loop_does_not_cost_a_worker_its_lease(site, sockets, status):
    before = open_now(status)
    blocked = sockets[0]
    blocked.send(f"block {1.5 * LEASE_SECONDS}")
    while not has_answered(blocked):
        site.steadily(lambda: open_now(status) == before, LEASE_SECONDS)


def test_stuck_sync_consumer_costs_neither_the_lease_nor_the_answer(
    site, sockets, status
):
    before = open_now(status)
    stuck = sockets[-1]
    stuck.send(f"sleep {1.5 * LEASE_SECONDS}")
    took = []
    while not has_answered(stuck):
        site.steadily(lambda: open_now(status) == before, LEASE_SECONDS)
        asked_at = time.monotonic()
        site.steadily(
            lambda: site.ask().content["total_sockets"] == len(sockets), LEASE_SECONDS
        )
        took.append(time.monotonic() - asked_at)
    # A machine that is busy is slow now and then, and not for half of the time.
    assert statistics.median(took) < 1


def test_fork_that_stays_has_no_sockets(site, sockets, status, tmp_path):
    file = tmp_path / "child"
    assert answer_of(sockets[0], f"fork stay {file}")
    wait_until(file.exists)
    child = psutil.Process(int(file.read_text()))
    try:
        nothing_changes(site, status)
    finally:
        killed(child)
    nothing_changes(site, status, 0)


def test_fork_that_ends_says_no_goodbye_for_its_parent(site, sockets, status, tmp_path):
    file = tmp_path / "child"
    assert answer_of(sockets[0], f"fork end {file}")
    nothing_changes(site, status)
    assert file.exists()
