from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.status.deployment import DeploymentSource
from tests.support.held_sockets import open_socket
from tests.support.scripted_backend import (
    SCRIPTED,
    ScriptedBackend,
    fails_with,
    scripted,
)

SECONDS = 60.0


@pytest.fixture
def backend(settings: Any, monkeypatch: pytest.MonkeyPatch) -> ScriptedBackend:
    # Otherwise the reporter's thread may report between two steps of a test.
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    return scripted()


@pytest.fixture
def source() -> DeploymentSource:
    return DeploymentSource(registry, reporter)


def test_reading_has_the_reports_of_all_workers(source, backend):
    open_socket()
    reading = source.read(5.0, SECONDS)
    (status,) = reading.snapshot.workers
    assert status.counts == {"call": 1}
    assert (reading.read_at, reading.coverage) == (5.0, "host")
    assert (reading.stale, reading.whole) == (False, True)
    assert reading.version is registry.version


def test_process_that_cannot_report_adds_its_current_state(source, backend):
    open_socket()
    source.read(5.0, SECONDS)
    backend.before_report = fails_with(BackendError("it takes nothing"))
    open_socket()
    reading = source.read(6.0, SECONDS)
    (status,) = reading.snapshot.workers
    assert status.counts == {"call": 2}
    assert (reading.stale, reading.whole) == (True, False)


def test_backend_that_cannot_be_used_leaves_the_process_alone(source, backend):
    backend.before_read = fails_with(BackendUnusableError("no room"))
    with pytest.raises(BackendUnusableError):
        source.read(5.0, SECONDS)
    open_socket()
    reading = source.read(5.0, SECONDS)
    assert (reading.coverage, reading.whole) == ("process", False)


def test_other_errors_of_the_backend_are_raised(source, backend):
    open_socket()
    backend.before_read = fails_with(BackendError("it is away"))
    with pytest.raises(BackendError):
        source.read(5.0, SECONDS)
