"""Readers learn how each worker does, or that it is not known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import django
import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory, override_settings

from django_socket_status.activity.conditions import Condition
from django_socket_status.activity.stored import Kept
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.exceptions import BackendError
from django_socket_status.reporter.worker import this_worker
from django_socket_status.services import SocketStatusService
from django_socket_status.views.api import workers
from tests.support.asgi_driver import Socket

CONDITION = Condition(
    release="v7",
    versions={"python": "3.13.0"},
    loop_lag_seconds=[0.5],
    sync_thread_wait_seconds=None,
    sync_thread_queue=None,
)


class KeepsConditions(MemoryBackend):
    keeps: frozenset[Kept] = frozenset({"conditions"})

    def read_conditions(self) -> Mapping[str, str]:
        return {this_worker().worker_id: CONDITION.to_text(), "f" * 16: "damaged"}


class CannotReadThem(KeepsConditions):
    def read_conditions(self) -> Mapping[str, str]:
        raise BackendError("no answer")


class KeepsNone(KeepsConditions):
    keeps: frozenset[Kept] = frozenset()


def of_the_only_worker(backend: type[MemoryBackend]) -> Condition | None:
    with override_settings(
        SOCKET_STATUS={"BACKEND": f"{__name__}.{backend.__qualname__}"}
    ):
        Socket().open()
        (record,) = SocketStatusService.get_workers()
        return record.condition


def test_worker_has_its_condition():
    assert of_the_only_worker(KeepsConditions) == CONDITION


@pytest.mark.parametrize("backend", [CannotReadThem, KeepsNone])
def test_condition_that_is_not_known_is_none(backend):
    assert of_the_only_worker(backend) is None


@pytest.mark.parametrize("path", ["memory.MemoryBackend", "sqlite.SqliteBackend"])
def test_worker_says_how_it_does(settings, path):
    given = {"BACKEND": f"django_socket_status.backends.{path}", "RELEASE": "v9"}
    with override_settings(SOCKET_STATUS=given):
        Socket().open()
        (record,) = SocketStatusService.get_workers()
    assert record.condition is not None
    assert record.condition.release == "v9"
    assert record.condition.versions["django"] == django.__version__


async def test_condition_is_the_same_on_an_event_loop(settings):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.KeepsConditions"}
    Socket().open()
    (record,) = await SocketStatusService.aget_workers()
    assert record.condition == CONDITION


def test_json_has_the_condition(settings: Any):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.KeepsConditions"}
    Socket().open()
    request = RequestFactory().get("/")
    request.user = User(pk=1, is_active=True, is_staff=True)
    (worker,) = json.loads(workers(request).content)["workers"]
    assert worker["condition"] == CONDITION.as_dict()
