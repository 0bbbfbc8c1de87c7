"""The numbers of the deployment and of this process, or none at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from django_socket_status.activity.conditions import Condition
from django_socket_status.activity.stored import Activity
from django_socket_status.backends import get_backend
from django_socket_status.contrib.prometheus import numbers
from django_socket_status.contrib.prometheus.numbers import (
    Numbers,
    adeployment_numbers,
    aworker_numbers,
    deployment_numbers,
    worker_numbers,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.testing import FakeWorker, isolated_socket_status
from tests.support.held_sockets import CallConsumer, open_socket
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted


@pytest.fixture(autouse=True)
def told() -> Iterator[None]:
    with isolated_socket_status(BACKEND=SCRIPTED, CACHE_SECONDS=0, STALE_SECONDS=30):
        yield


@pytest.fixture(params=["wsgi", "asgi"])
def read(request: pytest.FixtureRequest) -> Any:
    """Return the function that returns the numbers of the deployment."""
    if request.param == "wsgi":
        return deployment_numbers
    return lambda: asyncio.run(adeployment_numbers())


def known(found: Numbers | None) -> Numbers:
    assert found is not None
    return found


def condition(lags: list[float], wait: float | None) -> str:
    return Condition(
        release="",
        versions={},
        loop_lag_seconds=lags,
        sync_thread_wait_seconds=wait,
        sync_thread_queue=None,
    ).to_text()


def report(name: str, sockets: int, lags: list[float], wait: float | None) -> None:
    worker = FakeWorker(name, lease_seconds=600)
    opened = [worker.open(user="7") for _ in range(sockets)]
    activity = Activity(condition=condition(lags, wait))
    assert get_backend().exchange(worker.full(opened, activity=activity))


def test_numbers_are_those_of_all_workers(read):
    report("a", 2, [0.1, 0.3], None)
    report("b", 1, [0.2], 1.5)
    found = known(read())
    assert found.connections == {"call": 3}
    assert (found.users, found.anonymous) == (1, 0)
    assert sum((found.workers or {}).values()) == 2
    assert found.loop_lag_seconds == 0.3
    assert found.sync_thread_wait_seconds == 1.5
    assert found.oldest_report_age_seconds is not None


def test_numbers_of_no_worker_have_no_times(read):
    found = known(read())
    assert found.connections == {}
    assert found.workers == dict.fromkeys(numbers.STATES, 0)
    assert found.oldest_report_age_seconds is None
    assert found.loop_lag_seconds is found.sync_thread_wait_seconds is None


def test_each_worker_is_in_one_state(read, settings):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "HEARTBEAT_SECONDS": 0.01}
    report("a", 1, [], None)

    def workers() -> Any:
        return known(read()).workers

    while workers()["late"] == 0:
        pass
    assert workers() == {"draining": 0, "late": 1, "serving": 0}


def test_worker_that_drains_is_neither_late_nor_serving():
    drains: Any = SimpleNamespace(is_draining=True, is_late=True)
    assert numbers._state_of(drains) == "draining"


def test_status_that_cannot_be_read_has_no_numbers(read):
    report("a", 1, [], None)
    known(read())
    scripted().before_read = fails_with(BackendError("refused"))
    # The last good answer is younger than STALE_SECONDS.
    assert read() is None


def test_totals_that_cannot_be_read_leave_no_numbers(read, monkeypatch):
    monkeypatch.setattr(
        type(scripted()), "read_totals", lambda backend: fails_with(OSError())()
    )
    assert read() is None


def test_process_that_answers_for_itself_alone_is_no_deployment(read, monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    open_socket(CallConsumer)
    with isolated_socket_status(BACKEND="no.such.Backend"):
        monkeypatch.setattr(registry.intake, "wake", lambda: None)
        open_socket(CallConsumer)
        assert read() is None


def test_backend_that_keeps_no_totals_has_the_other_numbers(read, monkeypatch):
    monkeypatch.setattr(type(scripted()), "keeps", frozenset())
    found = known(read())
    assert found.totals is None
    assert found.connections == {}


def test_worker_has_its_own_numbers_while_the_backend_is_down(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    scripted().before_report = fails_with(BackendError("refused"))
    scripted().before_read = fails_with(BackendError("refused"))
    open_socket(CallConsumer)
    reporter.flush()
    found = known(worker_numbers())
    assert found == asyncio.run(aworker_numbers())
    assert (found.scope, found.coverage) == ("worker", "process")
    assert found.connections == {"call": 1}
    assert found.users is found.workers is None
    assert found.totals is not None
    assert found.totals.report_failures == 1
    scripted().before_report = lambda: None


def test_worker_that_counts_all_the_time_has_no_numbers(monkeypatch):
    monkeypatch.setattr(numbers, "read_own", lambda: None)
    assert worker_numbers() is None
