"""Workers are emptied from another process, on real servers.

The test itself is that process: it holds no socket, and asks two workers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.servers.pairs import REDIS, Pair, end_of, pair
from tests.servers.servers import answer_of, pid_of, wait_until
from tests.support.redis_servers.server import RedisServer

pytestmark = pytest.mark.server

#: Daphne cannot send 1012.
CODES = {"daphne": 4012, "uvicorn-sansio": 1012}


#: Each pair of workers serves several tests: to start them takes longest.
PAIRS = [
    pytest.param((server, store), id=f"{server}-{store}", marks=marks)
    for server in CODES
    for store, marks in (("sqlite", ()), ("redis", pytest.mark.redis))
]


@contextlib.contextmanager
def two_workers(server: str, store: str, directory: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        given: dict[str, Any] = {}
        if store == "redis":
            redis = stack.enter_context(RedisServer())
            given = {
                "BACKEND": REDIS,
                "OPTIONS": {"url": redis.url},
                "LEASE_SECONDS": 60.0,
            }
        yield stack.enter_context(pair(server, directory, **given))


@pytest.fixture(scope="module", params=PAIRS)
def workers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Pair]]:
    server, store = request.param
    with two_workers(server, store, tmp_path_factory.mktemp(server)) as both:
        yield server, both


def worker_of(both: Pair, client: ClientConnection) -> str:
    """Return the id of the worker that serves a client."""
    pid = pid_of(client)
    (found,) = (it for it in both.service.get_workers() if it.pid == pid)
    return found.worker_id


def draining(both: Pair) -> set[str]:
    return {it.worker_id for it in both.service.get_workers() if it.is_draining}


def readiness(both: Pair) -> list[str]:
    """Return what each worker answers to the probe of a load balancer."""
    answers = [site.get("/socket-status/health/ready/") for site in both.sites]
    return [json.loads(it)["checks"]["drain"] for it in answers]


def test_one_worker_is_emptied_and_the_other_one_is_not(workers):
    server, both = workers
    one, two = both.sites
    with ExitStack() as stack:
        leaving = [stack.enter_context(one.open(f"async/{it}/")) for it in range(4)]
        staying = stack.enter_context(two.open("async/staying/"))
        listener = stack.enter_context(one.open("socket-status/"))
        both.settle(5)
        worker = worker_of(both, leaving[0])
        began = both.service.drain(worker=worker, grace_seconds=0, over_seconds=15)
        assert (began.matched, list(began.by_worker)) == (4, [worker]), began
        wait_until(lambda: draining(both) == {worker})
        newcomer = stack.enter_context(one.open("async/newcomer/"))
        code = CODES[server]
        assert {end_of(it) for it in [*leaving, newcomer]} == {(code, "")}
        # Live push on daphne ends with 1000 if its own code is refused.
        assert end_of(listener) == (code, "")

        def result() -> tuple[int, int, int]:
            now = both.service.get_drain(began.command_id)
            assert now is not None
            return now.matched, now.closed, now.remaining

        wait_until(lambda: result() == (5, 5, 0), explain=result)
        wait_until(lambda: not draining(both))
        assert answer_of(staying, "still here") == "still here"
    both.settle(0)
    ends = [it for it in one.diary("newcomer") if it["kind"] == "closed"]
    assert [(it["cause"], it["ended_by"]) for it in ends] == [("drained", "drain")]


def test_drain_that_is_stopped_closes_nothing_more(workers):
    _, both = workers
    with ExitStack() as stack:
        clients = both.open(stack, "async/here/")
        both.settle(2)
        both.service.drain(all=True, grace_seconds=600)
        wait_until(lambda: len(draining(both)) == 2)
        both.service.stop_drain(worker=worker_of(both, clients[0]))
        wait_until(lambda: draining(both) == {worker_of(both, clients[1])})
        # A probe may reach either of them.
        wait_until(lambda: readiness(both) == ["failed", "failed"])
        both.service.stop_drain(all=True)
        wait_until(lambda: not draining(both))
        wait_until(lambda: readiness(both) == ["ok", "ok"])
        for client in clients:
            assert answer_of(client, "still here") == "still here"
    both.settle(0)


def test_hook_ends_with_0_when_the_host_is_empty(workers):
    _, both = workers
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
            assert end_of(client)[0] in CODES.values()


@pytest.mark.parametrize(
    ("server", "store", "how"),
    [
        ("daphne", "sqlite", signal.SIGSTOP),
        pytest.param(
            *("uvicorn-sansio", "redis", signal.SIGKILL), marks=pytest.mark.redis
        ),
    ],
)
def test_worker_that_is_killed_or_frozen_during_the_drain(server, store, how, tmp_path):
    with ExitStack() as stack:
        both = stack.enter_context(two_workers(server, store, tmp_path))
        lost, other = both.sites
        clients = both.open(stack, "async/leaving/")
        both.settle(2)
        process = lost.process.pid
        began = both.service.drain(all=True, grace_seconds=10, over_seconds=0)
        assert began.waiting == 2
        os.kill(process, how)
        assert end_of(clients[1])[0] in CODES.values()

        def is_told() -> bool:
            now = both.service.get_drain(began.command_id)
            assert now is not None
            return now.closed == 1 and now.matched == 2

        wait_until(is_told, explain=lambda: other.stderr)
        if how == signal.SIGSTOP:
            os.kill(process, signal.SIGCONT)
            assert end_of(clients[0])[0] in CODES.values()
