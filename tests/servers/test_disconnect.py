"""Connections are closed from another process, on real servers.

The test itself is that process: it holds no socket, and asks two workers.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from django_socket_status.control.results import DisconnectResult
from tests.servers.pairs import REDIS, Pair, end_of, pair
from tests.servers.servers import (
    SERVERS,
    answer_of,
    pid_of,
    wait_until,
)
from tests.support.redis_servers.fixtures import redis_server
from tests.support.redis_servers.server import RedisServer

__all__ = ["redis_server"]

pytestmark = pytest.mark.server

#: What clients see of our close with 4321 and a reason.
REASON = "enough"
#: Those that send no reason.
WITHOUT_REASON = {"daphne"}


@pytest.fixture(scope="module", params=list(SERVERS))
def workers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Pair]]:
    """Two workers of each server, on one status file."""
    directory = tmp_path_factory.mktemp(request.param)
    with pair(request.param, directory) as both:
        yield request.param, both


@pytest.mark.parametrize("kind", ["async", "sync", "bare"])
def test_clients_on_both_workers_get_a_close_frame(workers, kind):
    server, both = workers
    with ExitStack() as stack:
        leaving = both.open(stack, f"{kind}/leaving/")
        staying = both.open(stack, f"{kind}/staying/")
        both.settle(4)
        result = both.disconnect(labels={"room": "leaving"}, code=4321, reason=REASON)
        reason = "" if server in WITHOUT_REASON else REASON
        assert [end_of(it) for it in leaving] == [(4321, reason)] * 2
        assert result.complete, result
        assert (result.matched, result.closed) == (2, 2)
        assert result.codes == {4321: 2}
        assert len(result.by_worker) == 2
        both.settle(2)
        for client in staying:
            assert answer_of(client, "still here") == "still here"
        # The end is told once, as what it is.
        for site in both.sites:
            wait_until(lambda site=site: len(site.diary("leaving")) >= 2)
    both.settle(0)
    for site in both.sites:
        ends = [it for it in site.diary("leaving") if it["kind"] == "closed"]
        assert {it["cause"] for it in ends} == {"disconnected"}
        assert {it["ended_by"] for it in ends} == {"command"}
        Path(site.environment["PROJECT_DIARY"]).write_text("")


# With faults, on two servers and both stores.


@pytest.fixture(params=["daphne", "uvicorn-sansio"])
def server(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings for a store that both workers use."""
    if request.param == "sqlite":
        return {}
    redis: RedisServer = request.getfixturevalue("redis_server")
    return {"BACKEND": REDIS, "OPTIONS": {"url": redis.url}, "LEASE_SECONDS": 60.0}


@pytest.fixture
def both(server: str, store: dict[str, Any], tmp_path: Path) -> Iterator[Pair]:
    with pair(server, tmp_path, **store) as workers:
        yield workers


def test_worker_that_is_frozen_does_not_answer_and_closes_later(both):
    frozen, other = both.sites
    with ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        both.settle(2)
        os.kill(pid_of(clients[0]), signal.SIGSTOP)
        try:
            result = both.service.disconnect(type="async_room", wait_seconds=4.0)
        finally:
            os.kill(frozen.process.pid, signal.SIGCONT)
        assert (result.matched, result.closed, result.unanswered) == (2, 1, 1), result
        assert not result.complete
        assert end_of(clients[1]) == (4000, "")
        # It gets the command with its next report.
        assert end_of(clients[0]) == (4000, "")
        wait_until(lambda: is_complete(both, result), explain=lambda: other.stderr)


def is_complete(both: Pair, result: DisconnectResult) -> bool:
    now = both.service.get_command(result.command_id)
    assert now is not None
    return (now.matched, now.closed) == (2, 2)


def test_worker_that_is_killed_is_not_said_to_have_closed_anything(both):
    killed, _ = both.sites
    with ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        both.settle(2)
        os.kill(killed.process.pid, signal.SIGSTOP)
        kill = threading.Timer(2.0, killed.kill)
        kill.start()
        result = both.service.disconnect(labels={"room": "leaving"}, wait_seconds=5.0)
        kill.join()
        assert (result.closed, result.sent, result.unsent) == (1, 0, 0), result
        assert not result.complete
        # Its connections are gone with it, or are still listed.
        assert result.unanswered == 1 or result.unknown_workers
        assert end_of(clients[1]) == (4000, "")


def test_reconnected_socket_is_not_closed_again(both):
    """Each client comes back at once, to the other worker, which may not know yet."""
    one, two = both.sites
    with ExitStack() as stack:
        first = stack.enter_context(one.open("async/user/"))
        both.settle(1)
        back: list[ClientConnection] = []

        def reconnect() -> None:
            end_of(first)
            back.append(two.open("async/user/"))

        thread = threading.Thread(target=reconnect)
        thread.start()
        result = both.disconnect(labels={"room": "user"})
        thread.join()
        stack.enter_context(back[0])
        assert (result.matched, result.closed) == (1, 1), result
        # The second worker has executed the command by now.
        assert answer_of(back[0], "still here") == "still here"
        two.eventually_holds(1)


def test_stuck_applications_are_closed(both):
    with ExitStack() as stack:
        waiting = both.open(stack, "async/stuck/")
        blocking = both.open(stack, "sync/stuck/")
        both.settle(4)
        for client in (*waiting, *blocking):
            client.send("sleep 6 now")
        result = both.service.disconnect(labels={"room": "stuck"}, wait_seconds=3.0)
        assert (result.matched, result.sent + result.closed) == (4, 4), result
        for client in (*waiting, *blocking):
            assert end_of(client) == (4000, "")
        both.settle(0)

        def is_over() -> bool:
            now = both.service.get_command(result.command_id)
            return now is not None and now.closed == 4

        wait_until(is_over)


def test_dry_run_closes_nothing(both):
    with ExitStack() as stack:
        clients = both.open(stack, "async/here/")
        both.settle(2)
        result = both.disconnect(all=True, dry_run=True)
        assert (result.matched, result.unsent, result.dry_run) == (2, 2, True)
        for client in clients:
            assert answer_of(client, "still here") == "still here"


def test_client_that_does_not_answer_the_close_frame(both):
    with ExitStack() as stack:
        clients = [
            stack.enter_context(site.open_raw("async/rude/")) for site in both.sites
        ]
        both.settle(2)
        result = both.service.disconnect(all=True, wait_seconds=2.0)
        # Daphne tells the application when it gives the client up, uvicorn at once.
        assert (result.matched, result.sent + result.closed) == (2, 2), result
        assert [it.hear_end() for it in clients] == [4000, 4000]
        both.settle(0)


def test_client_that_does_not_read_blocks_nobody_else(both, server):
    with ExitStack() as stack:
        deaf = stack.enter_context(both.sites[0].open_raw("bare/deaf/?flood"))
        others = both.open(stack, "async/hearing/")
        both.settle(3)
        time.sleep(0.5)
        began = time.monotonic()
        result = both.service.disconnect(all=True, wait_seconds=3.0)
        assert time.monotonic() - began < 8.0
        assert result.matched == 3, result
        # Daphne takes a close at once, and sends it whenever it can.
        unsent = 0 if server == "daphne" else 1
        assert (result.unsent, result.gone, result.unanswered) == (unsent, 0, 0), result
        for client in others:
            assert end_of(client) == (4000, "")
        deaf.finish()
        both.settle(0)
        for site in both.sites:
            assert "was destroyed" not in site.stderr
            assert "never retrieved" not in site.stderr


@pytest.mark.redis
@pytest.mark.parametrize("seconds", ["3600", "-3600"])
def test_workers_whose_clock_is_wrong_close_what_was_open(
    seconds, redis_server, tmp_path
):
    clock = {
        "PROJECT_IMPORTS": "tests.servers.project.wrong_clock",
        "PROJECT_CLOCK": seconds,
    }
    store = {"BACKEND": REDIS, "OPTIONS": {"url": redis_server.url}}
    with pair("uvicorn-sansio", tmp_path, clock, **store) as both, ExitStack() as stack:
        clients = both.open(stack, "async/leaving/")
        both.settle(2)
        result = both.disconnect(all=True)
        assert (result.matched, result.closed) == (2, 2), result
        assert [end_of(it) for it in clients] == [(4000, "")] * 2
        back = both.open(stack, "async/back/")
        for client in back:
            assert answer_of(client, "still here") == "still here"
        both.settle(2)
