"""What arrives late, after what was said later, changes nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.support.redis_servers.proxy import Network, Proxy
from tests.support.redis_servers.server import RedisServer, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.redis, pytest.mark.protocol]

#: Of each kind.
ROUNDS = 25

#: The timeout of a command.
TIMEOUT_SECONDS = 0.04

Late = Callable[[BaseBackend, FakeWorker], object]

#: What was said, and given up; the worker then tells everything again.
SAID: dict[str, Late] = {
    "opened": lambda backend, worker: backend.report(worker.change(worker.open())),
    "closed": lambda backend, worker: backend.report(
        worker.change(closed=[next(iter(worker.connections.values()))])
    ),
    "heartbeat": lambda backend, worker: backend.report(worker.change()),
    "goodbye": lambda backend, worker: backend.goodbye(worker.worker.worker_id),
}


@pytest.fixture
def impatient(proxy: Proxy) -> Iterator[RedisBackend]:
    """Return the backend of a worker that gives up soon."""
    with contextlib.closing(
        RedisBackend(url=proxy.url, timeout_seconds=TIMEOUT_SECONDS)
    ) as backend:
        yield backend


@pytest.fixture
def reader(redis_server: RedisServer) -> Iterator[RedisBackend]:
    """Return what others see."""
    with contextlib.closing(
        RedisBackend(url=redis_server.url, timeout_seconds=20.0)
    ) as backend:
        yield backend


def scripts_run(server: RedisServer) -> int:
    return int(server.admin.info("commandstats")["cmdstat_evalsha"]["calls"])


def assert_knows(backend: BaseBackend, worker: FakeWorker) -> None:
    """Assert that a worker's last word counts, and nothing else."""
    (status,) = backend.read().workers
    assert status.counts == worker.counts
    page = backend.get_connections(ConnectionQuery(limit=1000))
    assert {it.connection_id for it in page} == {
        f"{worker.worker.worker_id}-{number:x}" for number in worker.connections
    }


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_late_word_changes_nothing(
    redis_server: RedisServer,
    proxy: Proxy,
    impatient: RedisBackend,
    reader: RedisBackend,
    said: Late,
) -> None:
    """The network keeps it until the worker has told everything on another way."""
    worker = FakeWorker(lease_seconds=60.0)
    # So that Redis knows the script, and runs what arrives.
    reader.goodbye("nobody")
    for _ in range(ROUNDS):
        tell_all(impatient, worker)
        proxy.network = Network.SWALLOWS
        with pytest.raises(BackendError):
            said(impatient, worker)
        tell_all(reader, worker)
        before = scripts_run(redis_server)
        proxy.network = Network.WORKS
        wait_until(lambda before=before: scripts_run(redis_server) > before)
        assert_knows(reader, worker)


def test_late_word_wakes_no_dead(
    redis_server: RedisServer,
    proxy: Proxy,
    impatient: RedisBackend,
    reader: RedisBackend,
) -> None:
    worker = FakeWorker(lease_seconds=0.1)
    tell_all(impatient, worker)
    before = scripts_run(redis_server)
    proxy.network = Network.SWALLOWS
    with pytest.raises(BackendError):
        impatient.report(worker.change(worker.open()))
    sent_at = now_of(redis_server)
    wait_until(lambda: now_of(redis_server) > sent_at + worker.lease_seconds)
    proxy.network = Network.WORKS
    wait_until(lambda: scripts_run(redis_server) > before)
    assert not reader.read().workers


def now_of(server: RedisServer) -> float:
    seconds, microseconds = server.admin.time()
    return float(seconds + microseconds / 1e6)


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_word_to_a_frozen_server_changes_nothing(
    redis_server: RedisServer,
    impatient: RedisBackend,
    reader: RedisBackend,
    said: Late,
) -> None:
    """It is read together with what the worker says later, in whichever order."""
    worker = FakeWorker(lease_seconds=60.0)
    reader.goodbye("nobody")
    for _ in range(ROUNDS):
        tell_all(impatient, worker)
        redis_server.freeze()
        with pytest.raises(BackendError):
            said(impatient, worker)
        later = threading.Thread(target=tell_all, args=(reader, worker))
        later.start()
        redis_server.thaw()
        later.join()
        assert_knows(reader, worker)


def test_replayed_report_is_refused(
    redis_server: RedisServer, reader: RedisBackend
) -> None:
    worker, reports = FakeWorker(lease_seconds=60.0), []
    for number in range(ROUNDS):
        reports.append(worker.change(worker.open()) if number % 3 else worker.full())
        reader.report(reports[-1])
    last = worker.full()
    assert reader.report(last)
    for report in [*reports, last]:
        with contextlib.closing(
            RedisBackend(url=redis_server.url, timeout_seconds=20.0)
        ) as another:
            assert not another.report(report)
    assert_knows(reader, worker)


def tell_all(backend: BaseBackend, worker: FakeWorker) -> None:
    """Have a worker say all, with a change, until it is heard."""
    while len(worker.connections) > 5:
        worker.connections.popitem()
    connections = [*worker.connections.values(), worker.open()]
    with contextlib.suppress(BackendError):
        assert backend.report(worker.full(connections))
        return
    tell_all(backend, worker)
