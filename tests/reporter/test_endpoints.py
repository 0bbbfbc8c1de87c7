from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from channels.routing import URLRouter
from django.urls import path

from django_socket_status.backends import get_backend
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.endpoints.loaded import own_endpoints
from django_socket_status.endpoints.served import ServedEndpoints
from django_socket_status.registry.registry import registry
from django_socket_status.reporter import endpoints as endpoint_reports
from django_socket_status.reporter.endpoints import EndpointReport, KnownEndpoints
from django_socket_status.reporter.thread import reporter
from tests.support.applications import CallConsumer as RoutedConsumer
from tests.support.held_sockets import open_socket
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted

#: What a process of a project does that asks, and never loads the ASGI application.
ASK = """
import json, logging, sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_socket_status"],
    ASGI_APPLICATION="resetting_asgi.application",
    LOGGING_CONFIG=None,
    SOCKET_STATUS=json.loads(sys.argv[1]),
)
django.setup()
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
# An answer of a busy machine may take longer than a second.
status_reader.read_seconds = 60.0
summary = SocketStatusService.get_socket_info_summary()
summary["loaded"] = "resetting_asgi" in sys.modules
summary["disabled"] = logging.getLogger("host").disabled
print(json.dumps(summary))
"""


@pytest.fixture
def loaded(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load an ASGI application, as a worker has."""
    module = types.ModuleType("loaded_asgi")
    module.application = URLRouter(  # type: ignore[attr-defined]
        [path("ws/call/<room>/", RoutedConsumer.as_asgi())]
    )
    monkeypatch.setitem(sys.modules, "loaded_asgi", module)
    settings.ASGI_APPLICATION = "loaded_asgi.application"


@pytest.fixture
def unreported(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Report on request only, to a backend that a test can tell what to do."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    yield


def kept() -> ServedEndpoints | None:
    return ServedEndpoints.from_text(get_backend().read_endpoints())


def test_worker_reports_the_endpoints_that_it_serves(loaded, unreported):
    open_socket()
    assert reporter.flush()
    assert kept() == own_endpoints()
    assert kept().urls == {"call": "/ws/call/<room>/"}


def test_process_without_a_socket_reports_nothing(loaded, unreported):
    assert reporter.flush()
    assert kept() is None


def test_worker_that_has_not_loaded_the_application_reports_nothing(
    settings, unreported
):
    settings.ASGI_APPLICATION = "not_loaded.application"
    open_socket()
    assert reporter.flush()
    assert kept() is None


def test_store_that_lost_everything_gets_the_endpoints_again(loaded, unreported):
    open_socket()
    assert reporter.flush()
    backend = scripted()
    backend._endpoints = None
    backend._entries.clear()
    open_socket()
    assert reporter.flush()
    assert kept() is not None


def test_endpoints_that_cannot_be_reported_do_not_spoil_the_report(
    loaded, unreported, monkeypatch, caplog
):
    fail = fails_with(OSError("no room"))
    monkeypatch.setattr(scripted(), "report_endpoints", lambda *told: fail())
    for _ in range(3):
        open_socket()
        reporter.sender._endpoints.owe()
        assert reporter.flush()
        assert reporter.failure is None
    assert [record.getMessage() for record in caplog.records] == [
        "WebSocket endpoints cannot be reported: no room"
    ]
    assert scripted().read().workers[0].total_sockets == 3


def test_worker_reports_again_before_thirty_days_are_over(loaded, monkeypatch):
    told = []
    backend = types.SimpleNamespace(report_endpoints=lambda *words: told.append(words))
    report = EndpointReport()
    assert report.is_due(0.0)
    report.send(backend, 0.0)  # type: ignore[arg-type]
    assert not report.is_due(endpoint_reports.REPORT_SECONDS - 1)
    assert report.is_due(endpoint_reports.REPORT_SECONDS)
    ((text, age),) = told
    assert ServedEndpoints.from_text(text)
    assert age >= 0


def test_reader_reads_again_after_a_while_and_keeps_what_it_knows(settings, unreported):
    settings.ASGI_APPLICATION = "not_loaded.application"
    known = KnownEndpoints()
    backend = get_backend()
    first = ServedEndpoints(urls={"call": "/ws/"})
    second = ServedEndpoints(urls={"chat": "/ws/"})
    assert known.look(get_backend, 0.0) is None
    backend.report_endpoints(first.to_text(), 20.0)
    assert known.look(get_backend, 0.1) == first
    backend.report_endpoints(second.to_text(), 10.0)
    assert known.look(get_backend, 0.2) == first
    later = endpoint_reports.READ_SECONDS + 1
    assert known.look(fails_with(OSError()), later) == first  # type: ignore[arg-type]
    assert known.look(get_backend, 2 * later) == second


def test_process_that_reads_imports_nothing_and_keeps_its_logging(tmp_path):
    """The application configures logging, as ``django.setup()`` in asgi.py does."""
    (tmp_path / "resetting_asgi.py").write_text(
        "import logging.config\n"
        "logging.config.dictConfig({'version': 1})\n"
        "raise SystemExit('imported')\n"
    )
    socket_status = {
        "BACKEND": SQLITE_BACKEND,
        "OPTIONS": {"path": str(tmp_path / "status")},
    }

    def ask() -> dict[str, Any]:
        words = [sys.executable, "-c", ASK, json.dumps(socket_status)]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        printed = subprocess.run(
            words, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        answer: dict[str, Any] = json.loads(printed)
        return answer

    before = ask()
    assert (before["ws_endpoints"], before["endpoints_known"]) == ({}, False)
    assert (before["loaded"], before["disabled"]) == (False, False)
    from django_socket_status.backends.sqlite import SqliteBackend

    backend = SqliteBackend(path=tmp_path / "status")
    served = ServedEndpoints(urls={"call": "/ws/<room>/"})
    backend.report_endpoints(served.to_text(), 0.0)
    backend.close()
    after = ask()
    assert after["ws_endpoints"] == {"call": "/ws/<room>/"}
    assert (after["loaded"], after["endpoints_known"]) == (False, True)
