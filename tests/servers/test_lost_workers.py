"""Processes that are killed or frozen: what they held is counted as lost, once.

A process that was only frozen takes its connections back.
"""

from __future__ import annotations

import itertools
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.servers.happened import Known, Status, read, store_of, wait_for
from tests.servers.servers import Site, killed, serving, wait_until

pytestmark = [pytest.mark.server, pytest.mark.faults]

TYPES = {"async": "async_room", "bare": "ws_bare"}
HELD = Counter({"async_room": 3, "ws_bare": 2})


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def start(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], Site]]:
    """Return what starts one more process that reports to the same store."""
    numbers = itertools.count(1)
    # The processes end before their store.
    with store_of(request.param, tmp_path) as store, ExitStack() as stack:

        def start() -> Site:
            directory = tmp_path / f"site-{next(numbers)}"
            site = serving("uvicorn-sansio", directory, socket_status=store)
            return stack.enter_context(site)

        yield start


@pytest.fixture
def witness(start: Callable[[], Site]) -> Site:
    return start()


@pytest.fixture
def status(witness: Site) -> Iterator[Status]:
    """Read in a process of no server."""
    with witness.reader(CACHE_SECONDS=0.0) as status:
        yield status


def opened(stack: ExitStack, site: Site, group: str) -> list[str]:
    """Open the connections of ``HELD``; return their rooms."""
    rooms = []
    for kind, name in TYPES.items():
        for number in range(HELD[name]):
            rooms.append(f"{group}.{kind}-{number}")
            client = stack.enter_context(site.open_raw(f"{kind}/{rooms[-1]}/"))
            assert client.status == 101
    return rooms


def all_ended(known: Known, cause: str, code: int | None = None) -> bool:
    """Return whether all connections of a group are listed, with one cause."""
    found = Counter(known.closed.values())
    return found == {(name, cause, code): number for name, number in HELD.items()}


def test_killed_process_has_lost_its_connections_and_a_frozen_one_takes_them_back(
    start, witness, status
):
    victim, sleeper = start(), start()
    with ExitStack() as stack, ExitStack() as of_the_sleeper:
        opened(stack, witness, "witness")
        opened(stack, victim, "victim")
        opened(of_the_sleeper, sleeper, "sleeper")
        wait_until(lambda: status.get_connections().total == 3 * HELD.total())
        sleeper.process.send_signal(signal.SIGSTOP)
        killed(psutil.Process(victim.process.pid))
        for group in ("victim", "sleeper"):
            wait_for(
                status, group, lambda it: all_ended(it, "worker_lost"), site=witness
            )
        assert status.get_connections().total == HELD.total()
        since = status.get_totals().since
        sleeper.process.send_signal(signal.SIGCONT)
        wait_for(
            *(status, "sleeper", lambda known: not known.closed),
            returned=HELD,
            site=sleeper,
        )
        assert status.get_connections().total == 2 * HELD.total()
        of_the_sleeper.close()
        wait_for(
            *(status, "sleeper", lambda it: all_ended(it, "client_lost", 1005)),
            returned=HELD,
            site=sleeper,
        )
        known, totals = read(status)
        assert all_ended(known.of("victim"), "worker_lost")
        assert not known.of("witness").closed
        assert totals.since == since
        # Each of the frozen process counts as opened once more.
        assert totals.opened == {name: 4 * number for name, number in HELD.items()}


def test_uvicorn_that_ends_itself_reports_its_ends_in_time(serve, tmp_path):
    """It runs no exit handlers, and a report may have to wait for four seconds."""
    slow = {"REPORT_INTERVAL_SECONDS": 4.0, "HEARTBEAT_SECONDS": 4.0}
    shared = {"OPTIONS": {"path": str(tmp_path / "status")}}
    witness, victim = (
        serve("uvicorn-sansio", socket_status={**shared, **more}) for more in ({}, slow)
    )
    with witness.reader(CACHE_SECONDS=0.0) as status, ExitStack() as stack:
        opened(stack, witness, "witness")
        opened(stack, victim, "victim")
        wait_until(lambda: status.get_connections().total == 2 * HELD.total())
        # It waits for its applications, and so for this one: a busy machine has time.
        stack.enter_context(victim.open_raw("async/busy/")).say("sleep 2")
        victim.terminate()
        wait_for(
            status,
            "victim",
            lambda known: all_ended(known, "worker_stopped", 1012),
            site=witness,
        )
