"""Workers are drained by their id, host or release, with one entry in the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from django_socket_status.admin.actions import drain_view
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.signals import drain_requested
from django_socket_status.status.answers import WorkerRecord
from tests.admin.actions.test_disconnect_view import PATH, XSS, text_of
from tests.support.held_sockets import open_socket

DRAIN = f"{PATH}drain/"
SURE = {
    "confirm": "1",
    "grace_seconds": "60",
    "over_seconds": "90",
    "code": "4001",
    "reason": "deploy",
}


@pytest.fixture
def worker(settings: Any, db: None) -> WorkerRecord:
    settings.SOCKET_STATUS = {"RELEASE": "v7"}
    open_socket()
    reporter.flush()
    (worker,) = SocketStatusService.get_workers()
    return worker


@pytest.fixture
def requests() -> Iterator[list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []

    def hear(**facts: Any) -> None:
        told.append(facts)

    drain_requested.connect(hear)
    yield told
    drain_requested.disconnect(hear)


def test_workers_hosts_and_releases_can_be_chosen(superuser, worker):
    page = text_of(superuser.get(DRAIN))
    assert f'href="{DRAIN}?worker={worker.worker_id}"' in page
    assert f'href="{DRAIN}?host={worker.host}"' in page
    assert f'href="{DRAIN}?release=v7"' in page
    assert f'href="{DRAIN}" aria-current="page"' in page


def test_without_a_worker_there_is_nothing_to_choose(superuser):
    assert "No worker reports now." in text_of(superuser.get(DRAIN))


@pytest.mark.parametrize("name", ["worker", "host", "release"])
def test_drain_is_asked_and_then_begun_with_one_entry(
    superuser, worker, requests, name
):
    known = {"worker": worker.worker_id, "host": worker.host, "release": "v7"}
    url = f"{DRAIN}?{name}={known[name]}"
    page = text_of(superuser.get(url))
    assert "<h1>Drain 1 worker?</h1>" in page
    assert f"{worker.host}:{worker.pid}" in page
    assert not requests
    answer = superuser.post(url, SURE)
    (request,) = requests
    assert request["selector"] == {name: known[name]}
    assert (request["over_seconds"], request["grace_seconds"]) == (90.0, 60.0)
    assert (request["code"], request["reason"]) == (4001, "deploy")
    assert request["requested_by"] == "root"
    assert answer.url == f"{DRAIN}{request['command_id']}/"
    entry = LogEntry.objects.get()
    assert entry.object_id == request["command_id"]
    assert entry.object_repr == f"Workers with {name}={known[name]}"
    assert entry.change_message.startswith(
        "Drained over 90 s after a grace of 60 s. Code 4001 and reason “deploy”. "
        "Workers: 1. Open connections: 1."
    )


def test_wrong_window_begins_nothing(superuser, worker, requests):
    page = superuser.post(f"{DRAIN}?release=v7", {**SURE, "over_seconds": "3601"})
    assert "less than or equal to 3600" in text_of(page)
    assert not requests


@pytest.mark.parametrize(
    "query", ["?worker=x", "?host=x&release=v7", f"?release={XSS}"]
)
def test_worker_that_does_not_report_is_not_drained(superuser, worker, requests, query):
    answer = superuser.post(f"{DRAIN}{query}", SURE, follow=True)
    assert answer.redirect_chain == [(DRAIN, 302)]
    assert "No such worker reports now." in text_of(answer)
    assert "<script>alert" not in text_of(answer)
    assert not requests


def test_form_without_a_target_begins_nothing(superuser, worker, requests):
    assert superuser.post(DRAIN, SURE).status_code == 200
    assert not requests


def test_failure_of_the_backend_is_in_the_log(superuser, worker, monkeypatch):
    def fail(order: Any) -> str:
        raise StatusUnavailableError("down")

    monkeypatch.setattr(drain_view, "start_drain", fail)
    assert superuser.post(f"{DRAIN}?release=v7", SURE).status_code == 503
    assert "The backend failed" in LogEntry.objects.get().change_message
