"""A backend that was written before reports had activity passes the contract."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection
from pathlib import Path

from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Report,
    Snapshot,
)
from django_socket_status.testing import BackendContract, Clock, FakeWorker, contract
from django_socket_status.testing.contract.activity import EVERYTHING


class OldBackend(BaseBackend):
    """Has the methods that a backend had to have, and no others."""

    coverage = "process"

    def __init__(self, clock: Clock) -> None:
        self._reports = MemoryBackend(clock=clock)

    def report(self, report: Report) -> bool:
        return self._reports.report(report)

    def goodbye(self, worker_id: str) -> None:
        self._reports.goodbye(worker_id)

    def read(self) -> Snapshot:
        return self._reports.read()

    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        return self._reports.get_connections(query)

    def is_online(self, user_id: str) -> bool:
        return self._reports.is_online(user_id)

    def online_user_ids(self) -> Collection[str]:
        return self._reports.online_user_ids()

    def forget_after_fork(self) -> None:
        self._reports.forget_after_fork()


class TestContractBeforeActivity(BackendContract):
    def make_backend(self, clock: Clock) -> BaseBackend:
        return OldBackend(clock)


def test_callers_learn_that_an_old_backend_keeps_nothing() -> None:
    backend, worker = OldBackend(Clock()), FakeWorker()
    assert backend.keeps == frozenset()
    answer = backend.exchange(worker.full(activity=EVERYTHING))
    assert answer == ReportAnswer(is_taken=True)


def test_contract_calls_each_method_of_a_backend():
    calls = {
        node.func.attr
        for path in Path(contract.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    methods = {
        name
        for name, _ in inspect.getmembers(BaseBackend, inspect.isfunction)
        if not name.startswith("_")
    }
    assert len(methods) > 15
    assert not methods - calls
