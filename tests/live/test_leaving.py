from __future__ import annotations

import types
from typing import Any

import pytest

from django_socket_status.control.draining import Window
from django_socket_status.live import leaving
from tests.support.asgi_driver import until
from tests.support.live_push import Visitor
from tests.support.live_push import listening as serving


@pytest.fixture
def drains(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is said of the drain of this worker."""
    drains = types.SimpleNamespace(window=None)
    orders = types.SimpleNamespace(drains=drains)
    sender = types.SimpleNamespace(orders=orders)
    reporter = types.SimpleNamespace(sender=sender)
    monkeypatch.setattr(leaving, "reporter", reporter)
    return drains


def closes(visitor: Visitor) -> list[tuple[int, str]]:
    return [
        (it["code"], it["reason"])
        for it in visitor.sent
        if it["type"] == "websocket.close"
    ]


async def test_listener_of_a_draining_worker_is_dismissed_within_the_window(
    app, clock, status, drains
):
    visitor = Visitor()
    async with serving(app, visitor):
        await visitor.is_told(0)
        drains.window = Window(clock.now + 10, clock.now + 70, 1012, "moving")
        await status.was_looked_at(times=3)
        assert not closes(visitor)
        # The window is over, and nothing says any more that the worker drains.
        clock.now += 70
        drains.window = None
        await until(lambda: closes(visitor))
        assert closes(visitor) == [(1012, "moving")]


async def test_listener_stays_if_the_drain_is_stopped(app, clock, status, drains):
    visitor = Visitor()
    async with serving(app, visitor):
        await visitor.is_told(0)
        drains.window = Window(clock.now + 10, clock.now + 70, 1012, "")
        await status.was_looked_at(times=3)
        drains.window = None
        await status.was_looked_at(times=3)
        clock.now += 10
        await status.was_looked_at(times=3)
        status.sockets = 1
        await visitor.is_told(1)
        assert not closes(visitor)
