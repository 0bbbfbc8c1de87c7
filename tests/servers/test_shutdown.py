"""Processes that are told to end, or whose master is killed."""

from __future__ import annotations

import time
from contextlib import ExitStack

import psutil
import pytest

from tests.servers.servers import (
    killed,
    open_on_each_worker,
    pid_of,
    wait_until,
)

pytestmark = [pytest.mark.server, pytest.mark.faults, pytest.mark.oldest]

LEASE_SECONDS = 4.0
SHORT_LEASE = {"HEARTBEAT_SECONDS": 0.2, "LEASE_SECONDS": LEASE_SECONDS}

SERVERS = [
    ("daphne", 1, ()),
    ("uvicorn-sansio", 2, ("--workers=2",)),
]


@pytest.mark.parametrize(("server", "workers", "options"), SERVERS)
def test_server_that_gets_sigterm_leaves_nothing(serve, server, workers, options):
    site = serve(server, *options)
    with ExitStack() as stack:
        opened = open_on_each_worker(site, stack, workers)
        opened += [stack.enter_context(site.open(f"sync/{n}/")) for n in range(3)]
        site.settle(len(opened), workers)
        with site.reader() as status:
            assert status.get_connections().total == len(opened)
            site.process.terminate()
            wait_until(lambda: not status.get_workers())
            assert status.get_socket_info_summary()["total_sockets"] == 0
            assert not status.get_connections()
        site.process.wait(20)


@pytest.mark.parametrize("server", ["uvicorn-sansio", "gunicorn-uvicorn"])
def test_orphans_of_a_killed_master_stay_counted(serve, server):
    site = serve(server, "--workers=2", socket_status=SHORT_LEASE)
    with ExitStack() as stack:
        opened = open_on_each_worker(site, stack, 2)
        pids = {pid_of(socket) for socket in opened}
        site.settle(len(opened), 2)
        killed(psutil.Process(site.process.pid))
        due = time.monotonic() + LEASE_SECONDS
        with site.reader() as status:

            def is_counted() -> bool:
                found = status.get_workers()
                return {it.worker.pid for it in found} == pids and len(opened) == sum(
                    it.total_sockets for it in found
                )

            def is_reported_later() -> bool:
                site.steadily(is_counted, LEASE_SECONDS)
                found, now = status.get_workers(), time.monotonic()
                return len(found) == 2 and all(
                    now - it.age_seconds > due + 0.1 for it in found
                )

            wait_until(is_reported_later)
        # They go on serving, too.
        opened.append(stack.enter_context(site.open("async/new/")))
        assert pid_of(opened[-1]) in pids
        site.eventually_holds(len(opened))
