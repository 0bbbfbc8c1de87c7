"""A Cluster with one master down, and Sentinels that put another one in its place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from django_socket_status.activity.stored import Activity, CountTotals
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.testing import FakeWorker
from tests.faults.deployment import Deployment
from tests.faults.redis_faults import PREFIX
from tests.faults.workers import Worker
from tests.support.redis_servers.cluster import Cluster, cluster
from tests.support.redis_servers.sentinel import SERVICE, Sentinels

pytestmark = [pytest.mark.faults, pytest.mark.redis]

Start = Callable[..., Worker]

#: A master of a Cluster that comes back answers no client for two seconds. A lease that
#: is no longer leaves no time to report in.
LEASE_SECONDS = 4.0

HOW = ["killed", pytest.param("frozen", marks=pytest.mark.slow)]

#: Every key of a project is where this one is.
KEY = f"{{{PREFIX}}}:workers"


@pytest.fixture
def in_cluster(start: Start, redis_cluster: Cluster) -> Iterator[Deployment]:
    """Run workers on a Cluster; no answer is wrong, and all are right in the end."""
    yield from honest(clustered(start, redis_cluster))


def clustered(start: Start, nodes: Cluster) -> Deployment:
    return Deployment(start, url=nodes.url, cluster=True, lease_seconds=LEASE_SECONDS)


def honest(deployment: Deployment) -> Iterator[Deployment]:
    deployment.watch()
    yield deployment
    deployment.wait_until_exact()
    deployment.verify_honest()
    deployment.verify_kept()
    deployment.verify_quiet()


def test_every_key_is_on_one_node(
    in_cluster: Deployment, redis_cluster: Cluster
) -> None:
    for node in redis_cluster.nodes:
        assert bool(node.admin.dbsize()) == (node is redis_cluster.serving(KEY))


def test_master_of_others_may_be_down(
    in_cluster: Deployment, redis_cluster: Cluster
) -> None:
    redis_cluster.not_serving(KEY).kill()
    in_cluster.go_on(1.5 * in_cluster.lease_seconds)
    in_cluster.wait_until_exact()


def test_what_happened_is_read_while_a_master_of_others_is_down(
    redis_cluster: Cluster,
) -> None:
    backend = RedisBackend(url=redis_cluster.url, cluster=True)
    with contextlib.closing(backend):
        worker, totals = FakeWorker("a" * 16), CountTotals(1, True, "{}")
        backend.exchange(worker.full([], activity=Activity(totals=totals)))
        redis_cluster.not_serving(KEY).kill()
        # Which node is asked first is chance.
        for _ in range(5):
            assert backend.read_totals() is not None
            assert not backend.read_ended("closed")
            assert not backend.read_buckets({"1h": 0})


@pytest.mark.parametrize("how", HOW)
def test_own_master_may_be_down_for_a_while(
    in_cluster: Deployment, redis_cluster: Cluster, how: str
) -> None:
    own = redis_cluster.serving(KEY)
    down, up = {
        "killed": (own.kill, own.start),
        "frozen": (own.freeze, own.thaw),
    }[how]
    down()
    in_cluster.go_on(1.5 * in_cluster.lease_seconds)
    up()


@pytest.mark.slow
def test_cluster_may_stop_as_a_whole(start: Start) -> None:
    """As it does by default, when one of its masters is down."""
    with cluster() as nodes:
        for deployment in honest(clustered(start, nodes)):
            other = nodes.not_serving(KEY)
            other.kill()
            deployment.go_on(1.5 * deployment.lease_seconds)
            other.start()


@pytest.mark.protocol
def test_slots_may_move(in_cluster: Deployment, redis_cluster: Cluster) -> None:
    """Move slots to another node, as when one is added."""
    for _ in range(2):
        in_cluster.go_on(0.3)
        redis_cluster.move(KEY)
    in_cluster.go_on(in_cluster.lease_seconds)


@pytest.mark.protocol
@pytest.mark.parametrize("how", HOW)
def test_replica_takes_over(start: Start, redis_sentinels: Sentinels, how: str) -> None:
    given = {"sentinels": redis_sentinels.addresses, "sentinel_service": SERVICE}
    for deployment in honest(Deployment(start, **given)):
        master = redis_sentinels.master
        master.kill() if how == "killed" else master.freeze()
        deployment.go_on(deployment.lease_seconds)
        redis_sentinels.wait_for_failover()
        deployment.wait_until_exact()
        # The one of before comes back, and takes its new place.
        master.start() if how == "killed" else master.thaw()
        deployment.go_on(2 * deployment.lease_seconds)
