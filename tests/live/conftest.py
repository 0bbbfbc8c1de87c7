"""A live push application whose clock and summary a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from django_socket_status.live import hub
from django_socket_status.live import listener as listener_module
from django_socket_status.live.application import LiveStatus
from tests.support.live_push import Status, nothing_runs


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hub, "_now", clock)
    monkeypatch.setattr(listener_module, "_now", clock)
    return clock


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> Status:
    status = Status()
    monkeypatch.setattr(hub, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(hub.SocketStatusService, "aget_socket_info_summary", status)
    return status


@pytest.fixture
async def app(status: Status) -> AsyncIterator[LiveStatus]:
    app = LiveStatus()
    yield app
    await nothing_runs()
    assert app.hubs == {}
