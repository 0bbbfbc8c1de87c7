"""The contract of a backend as an object: threads, forks, and its end."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from django.core.checks import CheckMessage

from django_socket_status.records import ConnectionQuery
from django_socket_status.testing.contract.harness import Harness, in_fork
from django_socket_status.testing.fakes import FakeWorker

__all__ = ["LifecycleContract"]


class LifecycleContract(Harness):
    """Threads share a backend, close it and open it again; a process forks."""

    def test_close_gives_back_and_the_next_call_opens_again(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"))
        self.backend.close()
        self.tell(worker, worker.change(worker.open()))
        self.assert_knows(worker)
        self.backend.close()
        self.backend.close()
        self.backend.read()

    def test_threads_report_and_read_at_once(self) -> None:
        workers = [self.worker(f"worker{number}") for number in range(4)]
        backend = self.backend
        done = threading.Event()

        def report(worker: FakeWorker) -> None:
            assert backend.report(worker.full(()))
            for number in range(30):
                more = worker.open(user=str(number % 5))
                # Each report adds two, so a reader never sees an odd count.
                report = worker.change(more, worker.open())
                assert backend.report(report)

        def read() -> None:
            while not done.is_set():
                for status in backend.read().workers:
                    assert status.counts.get("call", 0) % 2 == 0
                page = backend.get_connections(ConnectionQuery(limit=10))
                at = [it.connected_at for it in page]
                assert at == sorted(at, reverse=True)
                assert len(backend.online_user_ids()) <= 5

        with ThreadPoolExecutor(6) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            try:
                for future in [pool.submit(report, worker) for worker in workers]:
                    future.result()
            finally:
                done.set()
            for future in readers:
                future.result()
        self.assert_knows(*workers)

    def test_forked_child_is_a_worker_of_its_own(self) -> None:
        if not hasattr(os, "fork"):
            return
        parent, child = self.worker("parent"), self.worker("child")
        self.start(parent, parent.open(user="7"))
        self.find()

        def serve() -> None:
            self.backend.forget_after_fork()
            self.tell(child, child.full([child.open(user="8")]))
            self.tell(child, child.change(child.open()))
            assert self.statuses()["child"].counts == {"call": 2}
            assert self.backend.is_online("8")
            self.backend.goodbye("child")
            self.backend.close()

        assert in_fork(serve)
        assert self.backend.report(parent.change(parent.open()))
        self.assert_knows(parent)

    def test_check_returns_messages(self) -> None:
        assert all(isinstance(it, CheckMessage) for it in self.backend.check())
