"""The check for django-health-check fails where its limits say so."""

from __future__ import annotations

import json

import pytest
from django.test import AsyncClient
from django.urls import path
from health_check.exceptions import HealthCheckException
from health_check.views import HealthCheckView

from django_socket_status.contrib.health_check import SocketStatus
from django_socket_status.exceptions import BackendError
from django_socket_status.health.answers import Health, HealthDetails
from django_socket_status.health.judging import UNREADABLE
from tests.support.held_sockets import open_socket
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted

urlpatterns = [
    path("", HealthCheckView.as_view(checks=[(SocketStatus, {"max_late": 0})]))
]

FOUND = Health(
    checks={},
    details=HealthDetails(
        coverage="host",
        stale=False,
        workers=2,
        late_workers=1,
        draining_workers=0,
        oldest_report_seconds=3.5,
    ),
)


@pytest.mark.parametrize(
    ("found", "check", "problem"),
    [
        (FOUND, SocketStatus(), ""),
        (FOUND, SocketStatus(max_age=3.5, max_late=1, min_workers=2), ""),
        (UNREADABLE, SocketStatus(), "Unavailable: The status cannot be read now."),
        (FOUND, SocketStatus(max_late=0), "Warning: 1 workers are late; 0 may be."),
        (
            FOUND,
            SocketStatus(max_age=3),
            "Warning: The oldest report of a worker is 3.5 seconds old; 3 are allowed.",
        ),
        (
            FOUND,
            SocketStatus(min_workers=3),
            "Unavailable: 2 workers serve WebSockets; 3 must.",
        ),
    ],
)
async def test_check_judges_what_it_has_limits_for(monkeypatch, found, check, problem):
    async def read() -> Health:
        return found

    monkeypatch.setattr("django_socket_status.contrib.health_check.aread_health", read)
    try:
        await check.run()
    except HealthCheckException as error:
        assert str(error) == problem
    else:
        assert not problem


async def test_view_of_the_package_shows_it(settings):
    settings.ROOT_URLCONF = __name__
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "CACHE_SECONDS": 0}
    settings.MIDDLEWARE = []
    open_socket()
    name = "SocketStatus(max_age=None, max_late=0, min_workers=0)"
    response = await AsyncClient().get("/?format=json")
    assert json.loads(response.content) == {name: "OK"}


async def test_outage_is_an_error_without_its_reason(settings):
    settings.ROOT_URLCONF = __name__
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "CACHE_SECONDS": 0}
    settings.MIDDLEWARE = []
    scripted().before_read = fails_with(BackendError("redis://secret"))
    response = await AsyncClient().get("/?format=json")
    assert response.status_code == 500
    assert "secret" not in response.content.decode()
    assert "The status cannot be read now." in response.content.decode()
