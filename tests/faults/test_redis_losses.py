"""The first worker to report after a loss does not make the answer complete."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from django_socket_status.backends.redis import RedisBackend
from django_socket_status.testing import FakeWorker
from tests.support.redis_servers.server import RedisServer, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.redis, pytest.mark.protocol]

LOSSES: dict[str, Callable[[RedisServer], object]] = {
    "restarted": lambda server: server.restart(),
    "flushed": lambda server: server.admin.flushall(),
    "flushed, with scripts": lambda server: (
        server.admin.flushall(),
        server.admin.script_flush(),
    ),
    "index deleted": lambda server: server.admin.delete("{socket_status}:workers"),
}


@pytest.fixture
def backend(redis_server: RedisServer) -> Iterator[Callable[[], RedisBackend]]:
    """Return what makes the backend of one more process."""
    with contextlib.ExitStack() as stack:

        def make() -> RedisBackend:
            backend = RedisBackend(url=redis_server.url, timeout_seconds=20.0)
            return stack.enter_context(contextlib.closing(backend))

        yield make


@pytest.mark.parametrize("again", ["full", "change"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_first_worker_back_is_not_taken_for_all(
    redis_server: RedisServer,
    backend: Callable[[], RedisBackend],
    loss: Callable[[RedisServer], object],
    again: str,
) -> None:
    workers = {FakeWorker(name): backend() for name in "ab"}
    reader = backend()
    for worker, its_own in workers.items():
        assert its_own.report(worker.full([worker.open()]))
    assert reader.read().complete
    loss(redis_server)
    assert not reader.read().complete
    for worker, its_own in workers.items():
        # In full at once, if its last report failed.
        if again == "full" or not its_own.report(worker.change()):
            assert its_own.report(worker.full())
        # Also for a process that has seen nothing of it.
        assert not reader.read().complete
        assert not backend().read().complete


def test_first_worker_back_after_an_outage_is_not_taken_for_all(
    redis_server: RedisServer, backend: Callable[[], RedisBackend]
) -> None:
    workers = [FakeWorker(name, lease_seconds=1.0) for name in "ab"]
    its_own, reader = backend(), backend()
    for worker in workers:
        assert its_own.report(worker.full([worker.open()]))
    redis_server.freeze()
    redis_server.thaw()
    wait_until(lambda: not reader.read().workers)
    assert not reader.read().complete
    assert not backend().read().complete
    worker = workers[0]
    worker.lease_seconds = 60.0
    assert its_own.report(worker.change())
    assert len(reader.read().workers) == 1
    assert not reader.read().complete
    assert not backend().read().complete
