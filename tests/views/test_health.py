"""The health views: for everyone, with numbers for staff, under WSGI and ASGI."""

from __future__ import annotations

import json
import logging

import pytest
from django.urls import reverse

from django_socket_status.exceptions import BackendError
from django_socket_status.health.judging import judge_readiness
from django_socket_status.views import health as views
from tests.health.test_judging import HOST, Worker
from tests.support.held_sockets import open_socket
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted
from tests.views.test_api import Requests, ask

__all__ = ["ask"]

HEALTH = "/socket-status/health/"
LIVE = "/socket-status/health/live/"
READY = "/socket-status/health/ready/"


@pytest.fixture
def unreadable(settings):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "SUMMARY_ACCESS": "staff"}
    backend = scripted()
    backend.before_read = fails_with(BackendError("no answer"))
    return backend


def test_urls_have_their_names():
    assert reverse("socket_status:health") == HEALTH
    assert reverse("socket_status:live") == LIVE
    assert reverse("socket_status:ready") == READY


@pytest.mark.parametrize("url", [HEALTH, LIVE, READY])
def test_everyone_may_ask(ask: Requests, settings, url):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}
    for user in ("nobody", "customer", "staff"):
        response = ask(url, user)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Cache-Control"] == "private, no-store"
        assert json.loads(response.content)["status"] == "ok"
    assert ask(url, method="head").content == b""
    assert ask(url, method="post").status_code == 405


def test_liveness_reads_no_backend(ask: Requests, unreadable):
    response = ask(LIVE)
    assert response.status_code == 200
    assert json.loads(response.content) == {"status": "ok", "checks": {}}
    assert not unreadable.reads


def test_readiness_survives_an_outage_of_the_backend(ask: Requests, unreadable):
    response = ask(READY)
    assert response.status_code == 200
    assert json.loads(response.content) == {
        "status": "warning",
        "checks": {"drain": "unknown"},
    }


def test_draining_host_is_not_ready(rf):
    found = judge_readiness([Worker(is_draining=True)], HOST)  # type: ignore[list-item]
    response = views.ready._respond(rf.get(READY), found)
    assert response.status_code == 503
    assert json.loads(response.content)["checks"] == {"drain": "failed"}


def test_health_is_503_while_the_backend_cannot_be_read(
    ask: Requests, unreadable, caplog
):
    with caplog.at_level(logging.WARNING, "django.request"):
        for user in ("nobody", "staff"):
            response = ask(HEALTH, user)
            assert response.status_code == 503
            assert json.loads(response.content) == {
                "status": "failed",
                "checks": {"backend": "failed", "workers": "unknown"},
            }
    assert not [it for it in caplog.records if it.name == "django.request"]


def test_numbers_are_for_staff(ask: Requests):
    open_socket()
    for user in ("nobody", "customer", "staff"):
        response = ask(HEALTH, user)
        body = json.loads(response.content)
        assert response.headers["Vary"] == "Cookie"
        assert body["checks"] == {"backend": "ok", "workers": "ok"}
        assert ("details" in body) is (user == "staff")
    assert body["details"]["workers"] == 1
