"""Redis fails in every way, and no socket notices, and no answer lies.

Each fault lasts longer than a lease, while sockets open and close. After it, everybody
is exact again, sockets that were open all the time keep their ids, and each process has
warned once.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.deployment import Deployment
from tests.faults.redis_faults import FAULTS, Fault
from tests.faults.workers import Worker, wait_until
from tests.redis_servers.proxy import Proxy
from tests.redis_servers.server import RedisServer

pytestmark = [pytest.mark.faults, pytest.mark.redis]

Start = Callable[..., Worker]

#: How long a fault lasts, in leases.
LEASES = 1.5


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
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


def test_nobody_is_told_a_number_when_it_is_too_old(
    start: Start, redis_server: RedisServer
) -> None:
    deployment = Deployment(
        start, url=redis_server.url, settings={"STALE_SECONDS": 0.5}
    )
    redis_server.kill()
    for process in deployment.processes:
        wait_until(lambda process=process: "error" in process.ask("summary"))
    # And those of before are nobody's that come back to an empty server.
    deployment.watch()
    deployment.open(deployment.workers[0])
    redis_server.start()
    deployment.wait_until_exact()
    deployment.verify_honest()
