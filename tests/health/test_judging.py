"""Which workers make a host not ready, and what staff are told."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

import pytest

from django_socket_status.activity.conditions import Condition
from django_socket_status.exceptions import BackendError
from django_socket_status.health import judging
from django_socket_status.health.answers import Health
from django_socket_status.health.judging import (
    aread_health,
    aread_readiness,
    judge_readiness,
    read_health,
    read_readiness,
)
from django_socket_status.services import SocketStatusService
from django_socket_status.status.conditions import Workers
from django_socket_status.status.reader import status_reader
from tests.support.held_sockets import open_socket
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted

HOST = "web1"


@dataclasses.dataclass(frozen=True)
class Worker:
    """A worker as far as health looks at it."""

    host: str = HOST
    is_draining: bool = False
    wait: float | None = None
    is_late: bool = False
    age_seconds: float = 0.5

    @property
    def condition(self) -> Condition | None:
        return Condition(
            release="",
            versions={},
            loop_lag_seconds=[],
            sync_thread_wait_seconds=self.wait,
            sync_thread_queue=None,
        )


def readiness_of(*workers: Worker) -> Health:
    return judge_readiness(workers, HOST)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("workers", "status"),
    [
        ([], "ok"),
        ([Worker()], "ok"),
        ([Worker(), Worker(is_draining=True)], "failed"),
        ([Worker(), Worker(host="web2", is_draining=True)], "ok"),
        ([Worker(wait=3600.0)], "ok"),
    ],
)
def test_host_is_not_ready_while_one_of_its_workers_drains(workers, status):
    found = readiness_of(*workers)
    assert found.as_dict() == {"status": status, "checks": {"drain": status}}
    assert found.http_status == (503 if status == "failed" else 200)


@pytest.mark.parametrize(
    ("workers", "state"),
    [
        ([Worker(wait=2.0), Worker(wait=None)], "ok"),
        ([Worker(wait=2.01), Worker(wait=0.0)], "failed"),
        ([Worker(host="web2", wait=9.0)], "ok"),
    ],
)
def test_host_is_not_ready_while_its_sync_thread_is_slow(settings, workers, state):
    settings.SOCKET_STATUS = {"READY_SECONDS": 2}
    assert readiness_of(*workers).checks == {"drain": "ok", "sync_thread": state}


async def test_own_worker_is_one_of_this_host():
    open_socket()
    (worker,) = await SocketStatusService.aget_workers()
    assert worker.host == socket.gethostname()
    assert read_readiness() == await aread_readiness()
    assert read_readiness().checks == {"drain": "ok"}


async def test_host_stays_ready_while_the_backend_cannot_be_read(settings):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "READY_SECONDS": 2}
    scripted().before_read = fails_with(BackendError("no answer"))
    found = read_readiness()
    assert found.checks == {"drain": "unknown", "sync_thread": "unknown"}
    assert (found.status, found.http_status) == ("warning", 200)
    assert await aread_readiness() == found


async def test_health_fails_if_the_backend_cannot_be_read(settings):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "CACHE_SECONDS": 0}
    scripted().before_read = fails_with(BackendError("no answer"))
    found = read_health()
    assert found.as_dict() == {
        "status": "failed",
        "checks": {"backend": "failed", "workers": "unknown"},
    }
    assert found.http_status == 503
    assert await aread_health() == found


async def test_health_has_the_numbers():
    open_socket()
    found = read_health()
    assert found.checks == {"backend": "ok", "workers": "ok"}
    assert found.details is not None
    assert found.details.workers == 1
    assert found.details.coverage == "host"
    again = await aread_health()
    assert again.details is not None
    assert again.details.workers == 1


def health_of(*workers: Worker, stale: bool = False) -> Health:
    reading: Any = dataclasses.replace(status_reader.read(), stale=stale)
    return judging.judge_health(Workers(reading, workers))  # type: ignore[arg-type]


def test_late_workers_are_a_warning():
    found = health_of(Worker(), Worker(is_late=True, age_seconds=3.21999))
    assert (found.status, found.http_status) == ("warning", 200)
    assert found.checks == {"backend": "ok", "workers": "warning"}
    details = found.as_dict()["details"]
    assert (details["workers"], details["late_workers"]) == (2, 1)
    assert details["oldest_report_seconds"] == 3.22


def test_numbers_that_may_be_old_are_a_warning():
    found = health_of(stale=True)
    assert found.checks == {"backend": "warning", "workers": "ok"}
    assert found.as_dict()["details"]["stale"] is True
    assert found.as_dict()["details"]["oldest_report_seconds"] is None


def test_draining_workers_are_counted():
    found = health_of(Worker(is_draining=True), Worker(host="web2"))
    assert found.status == "ok"
    assert found.as_dict()["details"]["draining_workers"] == 1
