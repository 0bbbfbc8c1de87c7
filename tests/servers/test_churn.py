"""Sockets come and go while workers are frozen and killed and files are removed."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator

import psutil
import pytest

from django_socket_status.records import ConnectionPage
from tests.servers.clients import RawClient
from tests.servers.servers import Site, killed, wait_until

pytestmark = [pytest.mark.server, pytest.mark.faults]

WORKERS = 3
CHURN_SECONDS = 4
FAULT_SECONDS = 0.4
MOST_SOCKETS = 40

SETTINGS = {"HEARTBEAT_SECONDS": 0.2, "LEASE_SECONDS": 4.0}


def faults(site: Site, rng: random.Random) -> Iterator[str]:
    """Do one thing after another that a worker, or its file, does not survive."""
    while True:
        pids = list({answer.pid for answer in site.ask_every_worker(WORKERS)})
        victim = psutil.Process(rng.choice(pids))
        match rng.choice(["freeze", "kill", "remove"]):
            case "freeze":
                victim.suspend()
                yield "frozen"
                victim.resume()
                yield "resumed"
            case "kill":
                killed(victim)
                yield "killed"
            case "remove":
                for file in site.directory.glob("status*"):
                    if rng.random() < 0.5:
                        file.unlink(missing_ok=True)
                yield "removed"


def step(site: Site, rng: random.Random, sockets: list[RawClient]) -> None:
    """Open a socket, or leave one in one of the ways in which clients leave."""
    if len(sockets) < rng.randrange(1, MOST_SOCKETS):
        kind = rng.choice(["async", "sync", "bare"])
        sockets.append(site.open_raw(f"{kind}/churn/"))
    else:
        socket = sockets.pop(rng.randrange(len(sockets)))
        rng.choice([socket.reset, socket.finish])()


def is_alive(socket: RawClient) -> bool:
    """Return whether an application still serves a socket."""
    with contextlib.suppress(OSError):
        return socket.ask("there?") == "there?"
    return False


def is_whole(page: ConnectionPage, connections: int) -> bool:
    return page.total == len(page) == connections


@pytest.mark.parametrize("seed", [1])
def test_answer_is_the_clients_own_truth_once_the_faults_are_over(serve, seed):
    rng = random.Random(seed)
    site = serve(
        "uvicorn-sansio",
        f"--workers={WORKERS}",
        # A damaged file may be logged.
        quiet=False,
        socket_status=SETTINGS,
    )
    sockets: list[RawClient] = []
    trouble = faults(site, rng)
    with contextlib.ExitStack() as stack:
        give_up_at = time.monotonic() + CHURN_SECONDS
        next_fault_at = 0.0
        what = ""
        while time.monotonic() < give_up_at or what == "frozen":
            if time.monotonic() >= next_fault_at:
                what = next(trouble)
                next_fault_at = time.monotonic() + rng.random() * FAULT_SECONDS * 2
            step(site, rng, sockets)
        for socket in sockets:
            stack.enter_context(socket)
        alive = sum(map(is_alive, sockets))
        site.settle(alive, WORKERS)
        with site.reader() as status:
            wait_until(lambda: is_whole(status.get_connections(limit=1000), alive))
    site.settle(0, WORKERS)
    for line in site.complaints():
        assert line.startswith("WARNING django_socket_status:"), site.stderr
