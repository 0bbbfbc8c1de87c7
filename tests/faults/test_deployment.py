"""The judge of answers tells a busy machine from a worker that does not report."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.faults.deployment import Deployment
from tests.faults.workers import Worker, wait_until
from tests.support.redis_servers.server import RedisServer

pytestmark = [pytest.mark.faults, pytest.mark.redis]


@pytest.fixture
def deployment(start: Callable[..., Worker], redis_server: RedisServer) -> Deployment:
    deployment = Deployment(start, url=redis_server.url, lease_seconds=1.0)
    deployment.watch()
    return deployment


def is_missing(worker: Worker, deployment: Deployment) -> Callable[[], bool]:
    rest = deployment.total - deployment.held_by(worker)
    return lambda: deployment.reader.total == rest


def test_process_that_did_not_run_may_be_missing(deployment: Deployment) -> None:
    worker = deployment.workers[0]
    worker.signal(signal.SIGSTOP)
    wait_until(is_missing(worker, deployment))
    worker.signal(signal.SIGCONT)
    deployment.wait_until_exact()
    deployment.verify_honest()


def test_process_that_runs_and_does_not_report_may_not(deployment: Deployment) -> None:
    worker = deployment.workers[0]
    worker.tell("hold_reports", seconds=2 * deployment.lease_seconds)
    wait_until(is_missing(worker, deployment))
    worker.answer()
    deployment.wait_until_exact()
    with pytest.raises(AssertionError, match="and there were"):
        deployment.verify_honest()
