"""The backend of the test kit is the one in memory, but for faults that are ordered."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.optional import OptionalMethods
from django_socket_status.exceptions import BackendError
from django_socket_status.testing import FakeWorker
from django_socket_status.testing.backend import KitBackend


@pytest.fixture
def backend() -> Iterator[KitBackend]:
    backend = KitBackend()
    yield backend
    backend.close()


#: What no reporter and no reader calls, or what is a part of other calls.
LOCAL = {"check", "close", "forget_after_fork"}

CALLS = sorted(
    name
    for name, method in inspect.getmembers(BaseBackend, inspect.isfunction)
    if not name.startswith("_") and name not in LOCAL
)


def test_calls_are_found():
    assert {"report", "read", "give_command"} <= set(CALLS)
    assert {*vars(OptionalMethods)} & set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_each_call_fails_while_it_is_down(backend, name):
    backend.is_down = True
    method = getattr(backend, name)
    parameters = inspect.signature(method).parameters.values()
    given = [FakeWorker().full() if it.name == "report" else "x" for it in parameters]
    with pytest.raises(BackendError, match="holds the backend down"):
        method(*given)


def test_it_is_down_until_it_is_up(backend):
    backend.is_down = True
    assert backend.is_down
    backend.is_down = False
    assert backend.read().workers == ()


def test_empty_store_is_still_down(backend):
    worker = FakeWorker()
    backend.report(worker.full([worker.open()]))
    backend.is_down = True
    backend.empty()
    with pytest.raises(BackendError):
        backend.read()
    backend.is_down = False
    assert backend.read().workers == ()


def test_report_of_a_frozen_worker_does_not_arrive(backend):
    worker = FakeWorker()
    backend.report(worker.full([worker.open()]))
    backend.frozen.add("a")
    assert backend.report(worker.change(worker.open()))
    assert backend.read().workers[0].counts == {"call": 1}
    backend.frozen.clear()
    assert not backend.report(worker.change(worker.open()))


def test_time_passes_for_all_but_the_worker_that_reports(backend):
    for name in ("a", "b"):
        worker = FakeWorker(name)
        backend.report(worker.full([worker.open()]))
    backend.advance(5, "a")
    assert [it.worker.worker_id for it in backend.read().workers] == ["a"]
    assert backend.has_lost_workers is False


def test_lease_that_ended_is_not_revived_by_time(backend):
    worker = FakeWorker()
    backend.report(worker.full([worker.open()]))
    backend.frozen.add("a")
    backend.advance(5, "a")
    backend.frozen.clear()
    backend.advance(1, "a")
    assert backend.read().workers == ()
