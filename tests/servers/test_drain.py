"""Workers are emptied from another process, on real servers.

The test itself is that process: it holds no socket, and asks two workers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from contextlib import ExitStack

import pytest
from websockets.sync.client import ClientConnection

from tests.servers.pairs import Pair, end_of
from tests.servers.servers import answer_of, pid_of, wait_until

pytestmark = pytest.mark.server


def code_of(both: Pair) -> int:
    """Return the code that clients get."""
    # Daphne cannot send 1012.
    return 4012 if both.server == "daphne" else 1012


def worker_of(both: Pair, client: ClientConnection) -> str:
    """Return the id of the worker that serves a client."""
    pid = pid_of(client)
    (found,) = (it for it in both.service.get_workers() if it.pid == pid)
    return found.worker_id


def readiness(both: Pair) -> list[str]:
    """Return what each worker answers to the probe of a load balancer."""
    answers = [site.get("/socket-status/health/ready/") for site in both.sites]
    return [json.loads(it)["checks"]["drain"] for it in answers]


def result_of(both: Pair, command_id: str) -> tuple[int, int, int]:
    now = both.service.get_drain(command_id)
    assert now is not None
    return now.matched, now.closed, now.remaining


def test_one_worker_is_emptied_and_the_other_one_is_not(both):
    one, two = both.sites
    with ExitStack() as stack:
        leaving = [stack.enter_context(one.open(f"async/{it}/")) for it in range(4)]
        staying = stack.enter_context(two.open("async/staying/"))
        listener = stack.enter_context(one.open("socket-status/"))
        both.settle(5)
        worker = worker_of(both, leaving[0])
        began = both.service.drain(worker=worker, grace_seconds=0, over_seconds=1)
        assert (began.matched, list(began.by_worker)) == (4, [worker]), began
        code = code_of(both)
        assert {end_of(it) for it in leaving} == {(code, "")}
        # Live push on daphne ends with 1000 if its own code is refused.
        assert end_of(listener) == (code, "")
        wait_until(lambda: result_of(both, began.command_id) == (4, 4, 0))
        wait_until(lambda: not both.draining())
        assert answer_of(staying, "still here") == "still here"
    both.settle(0)


def test_process_that_has_served_live_push_alone_is_drained_as_well(serve):
    site = serve("uvicorn-sansio")
    with site.open("socket-status/") as listener, site.reader() as status:
        wait_until(lambda: len(status.get_workers()) == 1)
        summary = status.get_socket_info_summary()
        assert (summary["workers"], summary["total_sockets"]) == (0, 0)
        words = ("socket_status", "drain", "--this-host", "--grace", "0", "--over", "1")
        assert "1 worker, no open connection" in site.manage(*words, "--wait")
        assert end_of(listener) == (1012, "")


@pytest.mark.parametrize("pairs", [("daphne", "sqlite")], indirect=True, ids="-".join)
def test_newcomer_is_closed_in_what_is_left_of_the_window(both):
    one, _ = both.sites
    with ExitStack() as stack:
        first = stack.enter_context(one.open("async/first/"))
        both.settle(1)
        worker = worker_of(both, first)
        began = both.service.drain(worker=worker, grace_seconds=0, over_seconds=15)
        wait_until(lambda: both.draining() == {worker})
        newcomer = stack.enter_context(one.open("async/newcomer/"))
        assert {end_of(first), end_of(newcomer)} == {(code_of(both), "")}
        wait_until(lambda: result_of(both, began.command_id) == (2, 2, 0))
        # What opens in the rest of the window would be closed, too.
        both.service.stop_drain(worker=worker)
    both.settle(0)
    (end,) = both.ends("newcomer")
    assert (end["cause"], end["ended_by"]) == ("drained", "drain")


def test_drain_that_is_stopped_closes_nothing_more(both):
    with ExitStack() as stack:
        clients = both.open(stack, "async/here/")
        both.settle(2)
        both.service.drain(all=True, grace_seconds=600)
        wait_until(lambda: len(both.draining()) == 2)
        both.service.stop_drain(worker=worker_of(both, clients[0]))
        wait_until(lambda: both.draining() == {worker_of(both, clients[1])})
        # A probe may reach either of them.
        wait_until(lambda: readiness(both) == ["failed", "failed"])
        both.service.stop_drain(all=True)
        wait_until(lambda: not both.draining())
        wait_until(lambda: readiness(both) == ["ok", "ok"])
        for client in clients:
            assert answer_of(client, "still here") == "still here"
    both.settle(0)


@pytest.mark.parametrize(
    "pairs",
    [("daphne", "sqlite"), ("uvicorn-sansio", "redis"), ("granian", "sqlite")],
    indirect=True,
    ids="-".join,
)
def test_hook_ends_with_0_when_the_host_is_empty(both):
    words = ("socket_status", "drain", "--this-host", "--grace", "0", "--over", "1")
    with ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        both.settle(2)

        def is_empty() -> bool:
            # With 3 if a busy machine needed longer than the command waits.
            with contextlib.suppress(subprocess.CalledProcessError):
                said = both.sites[0].manage(*words, "--wait")
                return "2 workers, no open connection" in said
            return False

        wait_until(is_empty)
        for client in clients:
            assert end_of(client)[0] == code_of(both)


@pytest.mark.parametrize(
    "pairs", [("daphne", "sqlite"), ("gunicorn", "redis")], indirect=True, ids="-".join
)
def test_worker_that_is_frozen_during_the_drain_drains_later(both):
    with ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        both.settle(2)
        frozen = pid_of(clients[0])
        began = both.service.drain(all=True, grace_seconds=5, over_seconds=0)
        assert began.waiting == 2
        os.kill(frozen, signal.SIGSTOP)
        try:
            assert end_of(clients[1])[0] == code_of(both)
            wait_until(lambda: result_of(both, began.command_id)[:2] == (2, 1))
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert end_of(clients[0])[0] == code_of(both)
        wait_until(lambda: result_of(both, began.command_id) == (2, 2, 0))
