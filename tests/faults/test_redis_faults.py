"""Redis fails in every way, and no socket notices, and no answer lies.

Each fault lasts longer than a lease, while sockets open and close. After it, everybody
is exact again, sockets that were open all the time keep their ids, and each process has
warned once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.deployment import Deployment
from tests.faults.redis_faults import FAULTS, Evicted, Fault, Said
from tests.faults.workers import Worker, wait_until
from tests.support.redis_servers.proxy import Proxy
from tests.support.redis_servers.server import RedisServer

pytestmark = [pytest.mark.faults, pytest.mark.redis]

Start = Callable[..., Worker]

#: How long a fault lasts, in leases.
LEASES = 1.5


def given(fault: Fault) -> Any:
    """Ask each kind of server about what depends on how it answers."""
    answers = isinstance(fault, Said | Evicted)
    return pytest.param(fault, marks=pytest.mark.protocol if answers else ())


@pytest.mark.parametrize("fault", [given(it) for it in FAULTS.values()], ids=FAULTS)
def test_deployment_survives(start: Start, fault: Fault) -> None:
    with RedisServer(*fault.options) as server, Proxy(server.port) as proxy:
        deployment = Deployment(start, url=proxy.url)
        deployment.watch()
        fault.begin(server, proxy)
        deployment.go_on(LEASES * deployment.lease_seconds)
        fault.end(server, proxy)
        deployment.go_on(0.1)
        deployment.wait_until_exact()
        deployment.verify_honest()
        deployment.verify_kept()
        deployment.verify_quiet()


def test_number_that_is_too_old_is_no_answer(
    start: Start, redis_server: RedisServer
) -> None:
    deployment = Deployment(
        start, url=redis_server.url, settings={"STALE_SECONDS": 0.5}
    )
    redis_server.kill()
    for process in deployment.processes:
        wait_until(lambda process=process: "error" in process.ask("summary"))
    # The connections of before the loss are in no answer of the empty server.
    deployment.watch()
    deployment.open(deployment.workers[0])
    redis_server.start()
    deployment.wait_until_exact()
    deployment.verify_honest()
