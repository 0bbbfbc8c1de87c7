"""Workers that report to one Redis: killed, frozen, cut off, wrong about the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.deployment import Deployment
from tests.faults.workers import Worker, wait_until
from tests.support.redis_servers.proxy import Network, Proxy
from tests.support.redis_servers.server import RedisServer

pytestmark = [pytest.mark.faults, pytest.mark.redis]

Start = Callable[..., Worker]

TEN_MINUTES = 600.0


@pytest.fixture
def deployment(
    start: Start, redis_server: RedisServer, proxy: Proxy
) -> Iterator[Deployment]:
    """Run one; no answer may be wrong, and all must be right in the end."""
    deployment = Deployment(start, url=redis_server.url)
    deployment.watch()
    yield deployment
    deployment.wait_until_exact()
    deployment.verify_honest()
    deployment.verify_quiet()


def test_killed_worker_takes_its_sockets_with_it(deployment: Deployment) -> None:
    deployment.kill(deployment.workers[0])
    deployment.go_on(deployment.lease_seconds)
    deployment.wait_until_exact()


def test_no_socket_is_left_of_workers_that_were_all_killed(
    deployment: Deployment,
) -> None:
    for worker in list(deployment.workers):
        deployment.kill(worker)
    deployment.wait_until_exact()
    assert deployment.total == 0


def test_worker_that_follows_a_killed_one_is_another(deployment: Deployment) -> None:
    deployment.kill(deployment.workers[0])
    deployment.join()
    deployment.wait_until_exact()
    deployment.kill(deployment.workers[0])
    deployment.wait_until_exact()


def test_frozen_worker_leaves_and_comes_back_the_same(deployment: Deployment) -> None:
    frozen = deployment.workers[0]
    deployment.freeze(frozen)
    deployment.open(deployment.workers[1])
    deployment.thaw(frozen)
    deployment.verify_kept()


def test_all_workers_may_freeze_at_once(deployment: Deployment) -> None:
    deployment.freeze(*deployment.workers)
    deployment.thaw(*deployment.workers)
    deployment.verify_kept()


def test_worker_that_is_cut_off_knows_itself_and_comes_back(
    deployment: Deployment, proxy: Proxy
) -> None:
    far = deployment.join(url=proxy.url)
    deployment.settle()
    since = time.monotonic()
    proxy.network = Network.SWALLOWS
    deployment.wait_until_missing(far)
    deployment.open(far, 4)
    deployment.close(far)
    assert far.ask("summary")["stale"]
    # Of itself it knows all, and of the others what it knew.
    wait_until(lambda: (far.seen or 0) >= 6)
    proxy.network = Network.WORKS
    deployment.wait_until_exact()
    deployment.may_be_missing(since, far)
    deployment.verify_kept()


@pytest.mark.parametrize("seconds", [-TEN_MINUTES, TEN_MINUTES])
def test_wrong_clock_changes_no_count(deployment: Deployment, seconds: float) -> None:
    wrong = deployment.workers[0]
    wrong.ask("shift_clock", seconds=seconds)
    deployment.go_on(2 * deployment.lease_seconds)
    deployment.wait_until_exact()
    deployment.kill(wrong)
    deployment.wait_until_exact()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-TEN_MINUTES, TEN_MINUTES])
def test_reader_may_have_a_wrong_clock(deployment: Deployment, seconds: float) -> None:
    deployment.reader.ask("shift_clock", seconds=seconds)
    deployment.go_on(2 * deployment.lease_seconds)
    deployment.kill(deployment.workers[0])
    deployment.wait_until_exact()
