"""Totals agree with what workers did, whatever is killed, frozen, lost or emptied."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_socket_status.activity.entries import EndedConnection, closed_text
from django_socket_status.activity.stored import Activity, CountTotals, Entries
from django_socket_status.activity.totals import Totals
from django_socket_status.backends import get_backend
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.records import connection_id
from django_socket_status.reporter.sampler import Sampler
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import Clock, FakeWorker, isolated_socket_status
from tests.examples import FEW
from tests.support.simulation import Deployment, deeds_in, growing

MEMORY = "django_socket_status.backends.memory.MemoryBackend"
REDIS = "django_socket_status.backends.redis.RedisBackend"

#: The first of the steps that a store can notice.
REPORTING = 10


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)]
)
def deployment(request, tmp_path, monkeypatch) -> Iterator[Deployment]:
    clock = Clock()
    given: dict[str, Any] = {"BACKEND": MEMORY, "OPTIONS": {"clock": clock}}
    flush: Callable[[], None] | None = None
    if request.param == "sqlite":
        options = {"path": tmp_path / "file", "clock": clock, "wall_clock": clock}
        given = {"BACKEND": SQLITE_BACKEND, "OPTIONS": options}
    if request.param == "redis":
        prefix = request.getfixturevalue("redis_prefix")
        server = request.getfixturevalue("shared_redis")
        options = {"url": server.url, "prefix": prefix, "clock": clock}
        given = {"BACKEND": REDIS, "OPTIONS": options}

        def flush() -> None:
            for key in server.admin.scan_iter(f"*{prefix}*"):
                server.admin.delete(key)

    with isolated_socket_status(**given):
        yield Deployment(clock, monkeypatch, flush)


class Watch:
    """Reads the totals, and sees that they never fall without a new epoch."""

    def __init__(self) -> None:
        self.epoch: float | None = None
        self.before: dict[Any, float] = {}

    def look(self) -> Totals:
        stored = get_backend().read_totals()
        totals = Totals()
        if stored is None:
            return totals
        for text in (stored.base, *(it.text for it in stored.counts)):
            totals.include(Totals.from_text(text))
        now = growing(totals)
        if stored.epoch == self.epoch:
            fell = {key for key, number in self.before.items() if now[key] < number}
            assert not fell
        self.epoch, self.before = stored.epoch, now
        return totals


def one_step(deployment: Deployment, chance: random.Random) -> bool:
    """Take a step, and return whether the store may have changed by it."""
    workers = deployment.workers
    if len(workers) < 2 or (len(workers) < 5 and chance.random() < 0.05):
        deployment.start()
    worker = chance.choice(workers)
    deed = chance.randrange(20)
    if deed < 6:
        worker.open(chance.randrange(1, 5))
    elif deed < 9:
        worker.close(chance.randrange(1, 5), chance)
    elif deed < REPORTING:
        worker.reject(1)
    elif deed < 16:
        loses = chance.choice([None, None, None, "request", "reply"])
        deployment.report(worker, loses)
    elif deed < 17:
        # A worker that is not chosen for a while is one that is frozen.
        deployment.clock.advance(chance.choice([0.5, 5.0, 30.0]))
    elif deed < 18 and len(workers) > 2:
        deployment.kill(worker)
    elif deed < 19 and len(workers) > 2:
        deployment.stop(worker, chance.choice([None, None, "request", "reply"]))
    return deed >= REPORTING


def assert_agreement(deployment: Deployment, watch: Watch) -> None:
    deployment.settle()
    totals = watch.look()
    found = deeds_in(totals)
    open_now = sum(len(it.held) for it in deployment.workers)
    assert sum(totals.open().values()) == open_now
    least, most = deployment.expected()
    for deed in ("client_closed", "rejected", "worker_stopped"):
        assert least[deed] <= found[deed] <= most[deed], deed
    # A connection that a store took for lost, and that came back, opened once more.
    again = found["opened"] - most["opened"]
    assert again <= found["worker_lost"]
    assert found["opened"] >= least["opened"]
    numbers = list_closed()
    assert len(set(numbers)) == len(numbers)
    held = {
        connection_id(it.identity.worker_id, connection.number)
        for it in deployment.workers
        for connection in it.held
    }
    assert not held & set(numbers)


def list_closed() -> list[str]:
    page = SocketStatusService.get_connections(state="closed", limit=1000)
    return [it.connection_id for it in page]


@pytest.mark.parametrize("seed", range(3 if FEW else 6))
def test_totals_are_what_workers_did(deployment, seed):
    chance = random.Random(seed)
    watch = Watch()
    for step in range(400):
        if one_step(deployment, chance):
            watch.look()
        if step % 80 == 79:
            assert_agreement(deployment, watch)
            if deployment._flush and chance.random() < 0.4:
                deployment.empty()
    assert_agreement(deployment, watch)


@pytest.mark.parametrize("loses", [None, "request", "reply"])
@pytest.mark.parametrize("leases", [1, 10])
def test_frozen_worker_goes_on_from_what_the_store_has(deployment, leases, loses):
    """Also if the reply of its last report before the fold was lost."""
    watch = Watch()
    frozen, other = deployment.start(), deployment.start()
    frozen.open(5)
    other.open(2)
    deployment.settle()
    frozen.open(3)
    frozen.close(1, random.Random(1))
    deployment.report(frozen, loses)
    deployment.clock.advance(leases * 40.0)
    for _ in range(40):
        deployment.report(other)
        deployment.clock.advance(1.1)
    assert get_backend().read_totals().base
    watch.look()
    frozen.close(2, random.Random(2))
    frozen.open(1)
    assert_agreement(deployment, watch)
    found = deeds_in(watch.look())
    assert found["client_closed"] == 3
    assert found["worker_lost"] == (5 if loses == "request" else 7)
    assert found["opened"] - found["worker_lost"] == 11


def test_rejected_handshakes_are_listed_once_if_the_reply_was_lost(deployment):
    worker = deployment.start()
    worker.open(1)
    deployment.settle()
    worker.reject(2)
    for loses in ("reply", "reply", None):
        deployment.report(worker, loses)
        deployment.clock.advance(60.0)
    deployment.settle()
    assert SocketStatusService.get_connections(state="rejected").total == 2


def test_forgotten_user_does_not_come_back_with_a_lost_worker(deployment):
    """Nor with an entry that a worker had not reported."""
    lost, late = (FakeWorker(it * 16, lease_seconds=5.0) for it in "ab")
    totals = CountTotals(1, True, Totals(opened={"call": 1}).to_text())
    for worker in (lost, late):
        report = worker.full([worker.open(user="7")], activity=Activity(totals=totals))
        assert get_backend().exchange(report).is_taken
    SocketStatusService.forget_user(7)
    ended = EndedConnection(late.open(user="7"), 1.0, "client_closed", None, "")
    text = closed_text(late.worker.worker_id, "", [ended])
    deployment.clock.advance(3.0)
    report = late.change(activity=Activity(closed=Entries(text, 1)))
    assert get_backend().exchange(report).is_taken
    deployment.clock.advance(3.0)
    Sampler().take(get_backend())
    page = SocketStatusService.get_connections(state="closed")
    assert {it.cause for it in page} == {"worker_lost", "client_closed"}
    assert [it.user_id for it in page] == [None, None]
    assert not page.is_sample
    assert SocketStatusService.forget_user(7) == 2
