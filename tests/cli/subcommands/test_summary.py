from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest

from django_socket_status.cli.subcommands.summary import read
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import Snapshot
from django_socket_status.services import SocketStatusService
from tests.support.held_sockets import STTRoomConsumer, close_socket, open_socket
from tests.support.scripted_backend import SCRIPTED, scripted


def lines(**options: Any) -> list[str]:
    answer = read(options)
    return list(dataclasses.replace(answer, notes=[]).lines())


def notes() -> str:
    return " ".join(read({}).notes)


@pytest.fixture
def three_open(settings: Any) -> Any:
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    # Another test may have loaded that of the suite.
    settings.ASGI_APPLICATION = "nowhere.application"
    connections = [open_socket(), open_socket(), open_socket(STTRoomConsumer)]
    assert not SocketStatusService.get_summary().stale
    yield
    for connection in connections:
        close_socket(connection)


def test_summary_has_types_workers_coverage_and_age(three_open):
    shown = lines()
    assert shown[:5] == [
        "open           3",
        "users          0",
        "anonymous      3",
        "workers        1",
        "coverage       this host",
    ]
    assert re.fullmatch(r"oldest report  \d+\.\d s ago", shown[5])
    assert [line.split() for line in shown[7:]] == [
        ["TYPE", "OPEN", "ENDPOINT"],
        ["call", "2"],
        ["stt_room", "1"],
    ]


def test_body_is_that_of_the_endpoint(three_open):
    body = dict(read({"json": True}).body)
    expected = dict(SocketStatusService.get_socket_info_summary())
    assert body.keys() == expected.keys()
    assert body["total_sockets"] == 3


def test_type_that_is_not_counted_is_never_zero(three_open, monkeypatch):
    found = SocketStatusService.get_socket_info_summary()
    found["ws_endpoints"] = {"talk": "/ws/talk/", "idle": "/ws/idle/"}
    found["uncounted_endpoints"] = {"talk": "/ws/talk/"}
    found["endpoints_known"] = True
    monkeypatch.setattr(SocketStatusService, "get_socket_info_summary", lambda: found)
    rows = {line.split()[0]: line.split()[1:] for line in lines() if line}
    assert rows["talk"] == ["not", "counted", "/ws/talk/"]
    assert rows["idle"] == ["0", "/ws/idle/"]
    assert "1 type not counted, without the mixin and the middleware: talk" in notes()


class TestNotes:
    """Each limit of an answer has its sentence."""

    def seen(self, change: Callable[[Snapshot], Snapshot]) -> None:
        scripted().seen = change

    def test_no_worker(self, settings):
        settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
        assert "No process reports" in notes()
        assert "manage.py check --tag socket_status" in notes()

    def test_worker_that_still_reports(self, three_open):
        self.seen(lambda it: dataclasses.replace(it, complete=False))
        # So that the next read is no cached one.
        connection = open_socket()
        assert "The counts may be too low" in notes()
        close_socket(connection)

    def test_counts_alone(self, three_open):
        self.seen(lambda it: dataclasses.replace(it, unique_users=None))
        connection = open_socket()
        assert "Users are not known" in notes()
        assert "users          not known" in lines()[1:2]
        close_socket(connection)

    def test_endpoints_that_are_not_known(self, three_open):
        assert "Endpoints are not known" in notes()

    def test_old_answer(self, three_open, monkeypatch):
        found = SocketStatusService.get_socket_info_summary()
        found = {**found, "stale": True, "timestamp": "2020-01-01T00:00:00+00:00"}
        monkeypatch.setattr(
            SocketStatusService, "get_socket_info_summary", lambda: found
        )
        assert "The status cannot be read now. This is the answer of" in notes()

    def test_process_alone(self, settings):
        backend = "django_socket_status.backends.memory.MemoryBackend"
        settings.SOCKET_STATUS = {"BACKEND": backend}
        connection = open_socket()
        assert "of this process alone" in notes()
        close_socket(connection)


def test_zero_of_a_command_alone_is_never_shown(settings):
    backend = "django_socket_status.backends.memory.MemoryBackend"
    settings.SOCKET_STATUS = {"BACKEND": backend}
    with pytest.raises(StatusUnavailableError, match="this command has none"):
        read({})
