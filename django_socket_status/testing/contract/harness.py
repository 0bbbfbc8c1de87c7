"""The base class of the tests of the contract."""

# ruff: noqa: D102, S101

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from django_socket_status.backends.base import BaseBackend
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    ConnectionRecord,
    OpenedConnection,
    Report,
    WorkerStatus,
)
from django_socket_status.testing.fakes import Clock, FakeWorker

__all__ = ["Harness"]


class Harness:
    """Makes the backend under test, and asserts what it knows."""

    #: The lease of most workers here. Shorter is quicker where time is real.
    lease_seconds = 5.0

    def make_backend(self, clock: Clock) -> BaseBackend:
        """Return a new backend that measures leases by ``clock``, if it can."""
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        """Let time pass. Override it if the backend does not use :attr:`clock`."""
        self.clock.advance(seconds)

    def setup_method(self) -> None:
        self.clock = Clock()
        self._backends: list[BaseBackend] = []

    def teardown_method(self) -> None:
        for backend in self._backends:
            backend.close()

    @property
    def backend(self) -> BaseBackend:
        """Return the backend of this test, made at its first use."""
        return self._backends[0] if self._backends else self.another_backend()

    def another_backend(self) -> BaseBackend:
        """Return one more backend, as in another process."""
        made = self.make_backend(self.clock)
        self._backends.append(made)
        return made

    def worker(self, worker_id: str = "a") -> FakeWorker:
        """Return a worker that the backend does not know yet."""
        return FakeWorker(worker_id, lease_seconds=self.lease_seconds)

    def start(self, worker: FakeWorker, *connections: OpenedConnection) -> None:
        """Have a worker report for the first time."""
        assert self.backend.report(worker.full(connections)) is True

    def tell(self, worker: FakeWorker, report: Report) -> None:
        """Report as a worker does: in full, if a change cannot be built upon."""
        if not self.backend.report(report):
            assert self.backend.report(worker.full()) is True

    def statuses(self) -> dict[str, WorkerStatus]:
        """Return the status of each live worker by its id."""
        found = self.backend.read().workers
        by_id = {status.worker.worker_id: status for status in found}
        assert len(by_id) == len(found)
        return by_id

    def find(self, **query: object) -> ConnectionPage:
        """Return the page of connections for a query."""
        return self.backend.get_connections(ConnectionQuery(**query))  # type: ignore[arg-type]

    def assert_knows(self, *workers: FakeWorker) -> None:
        """Assert that the backend knows these workers and all their connections."""
        statuses = self.statuses()
        assert statuses.keys() == {worker.worker.worker_id for worker in workers}
        for worker in workers:
            status = statuses[worker.worker.worker_id]
            assert status.worker == worker.worker
            assert status.counts == worker.counts
            assert status.anonymous == worker.anonymous
            assert status.complete
        users = frozenset().union(*(worker.users for worker in workers))
        assert self.backend.read().unique_users == len(users)
        assert set(self.backend.online_user_ids()) == users
        page = self.find(limit=1000)
        assert page.total == len(page)
        assert {it.connection_id: it for it in page} == records_of(*workers)


def records_of(*workers: FakeWorker) -> dict[str, ConnectionRecord]:
    """Return the records of the workers' connections by their ids."""
    records = [
        ConnectionRecord.of(worker.worker.worker_id, opened)
        for worker in workers
        for opened in worker.connections.values()
    ]
    return {record.connection_id: record for record in records}


def in_fork(serve: Callable[[], None]) -> bool:
    """Return whether a function returned, and did not raise, in a forked child."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            serve()
            status = 0
        except BaseException:  # noqa: BLE001 - nothing of the parent's may run here
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0
