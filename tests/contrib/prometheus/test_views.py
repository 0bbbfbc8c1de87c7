"""The URLs of the metrics, under both of Django's handlers."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator

import pytest
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse

from django_socket_status.contrib.prometheus import views
from django_socket_status.exceptions import BackendError
from django_socket_status.testing import isolated_socket_status
from tests.support.held_sockets import CallConsumer, open_socket
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted

pytestmark = pytest.mark.python

URLS = ["/socket-status/metrics/", "/socket-status/metrics/worker/"]
OPEN = 'django_socket_status_connections{type="call"} 1.0'


@pytest.fixture(autouse=True)
def public() -> Iterator[None]:
    with isolated_socket_status(
        BACKEND=SCRIPTED, METRICS_ACCESS="public", REPORT_INTERVAL_SECONDS=0
    ):
        yield


def test_urls_have_their_names():
    names = ["socket_status:metrics", "socket_status:worker_metrics"]
    assert [*map(reverse, names)] == URLS


def test_metrics_of_the_deployment_are_current():
    open_socket(CallConsumer)
    response = Client().get(URLS[0])
    assert response.status_code == 200
    text = response.content.decode()
    assert OPEN in text
    assert 'scope="deployment"' in text


async def test_metrics_are_the_same_on_an_event_loop():
    open_socket(CallConsumer)
    response = await AsyncClient().get(URLS[0])
    assert OPEN in response.content.decode()


async def test_metrics_of_the_worker_are_those_of_this_process():
    open_socket(CallConsumer)
    # Reported, and so counted.
    await AsyncClient().get(URLS[0])
    scripted().before_read = fails_with(BackendError("refused"))
    text = (await AsyncClient().get(URLS[1])).content.decode()
    assert OPEN in text
    assert 'scope="worker"' in text
    assert "django_socket_status_users" not in text
    assert text == Client().get(URLS[1]).content.decode()


def test_status_that_cannot_be_read_is_stale_and_no_error():
    scripted().before_read = fails_with(BackendError("refused"))
    response = Client().get(URLS[0])
    assert response.status_code == 200
    lines = response.content.decode().splitlines()
    names = {it.partition("{")[0].partition(" ")[0] for it in lines if it[0] != "#"}
    assert names == {"django_socket_status_info", "django_socket_status_stale"}
    assert "django_socket_status_stale 1.0" in lines


@pytest.mark.parametrize("url", URLS)
def test_access_is_that_of_the_metrics_alone(url):
    with isolated_socket_status(SUMMARY_ACCESS="public"):
        response = Client().get(url)
    assert response.status_code == 403
    assert "METRICS_ACCESS" in json.loads(response.content)["error"]["message"]


@pytest.mark.parametrize("url", URLS)
def test_without_the_extra_the_answer_names_it(url, monkeypatch):
    for name in list(sys.modules):
        if name.startswith(("prometheus_client", "django_socket_status.contrib.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    response = Client().get(url)
    assert response.status_code == 501
    message = json.loads(response.content)["error"]["message"]
    assert "pip install 'django-socket-status[prometheus]'" in message


def test_other_methods_are_refused():
    assert Client().post(URLS[0]).status_code == 405
    head = Client().head(URLS[0])
    assert (head.status_code, head.content) == (200, b"")


async def test_event_loop_does_not_encode(monkeypatch):
    threads = []

    def note(*given: object) -> HttpResponse:
        threads.append(threading.current_thread())
        return HttpResponse()

    monkeypatch.setattr(views, "_respond", note)
    for url in URLS:
        assert (await AsyncClient().get(url)).status_code == 200
    assert threading.current_thread() not in threads
    assert len(threads) == 2
