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
    """What is said of the drains of this worker."""
    drains = types.SimpleNamespace(windows=())
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
        drains.windows = (Window(clock.now + 10, clock.now + 70, 1012, "moving"),)
        await status.was_looked_at(times=3)
        assert not closes(visitor)
        clock.now += 70
        await until(lambda: closes(visitor))
        assert closes(visitor) == [(1012, "moving")]


async def test_listener_is_dismissed_if_the_window_was_over_before_it_was_seen(
    app, clock, status, drains
):
    """A drain over no time, or an order that arrives late."""
    early, late = Visitor(), Visitor()
    async with serving(app, early):
        await early.is_told(0)
        drains.windows = (Window(clock.now, clock.now, 1012, ""),)
        clock.now += 1
        async with serving(app, late):
            await until(lambda: closes(early))
            await late.is_told(0)
            await status.was_looked_at(times=3)
            assert not closes(late)


async def test_listener_leaves_by_the_window_that_ends_first(
    app, clock, status, drains
):
    visitor = Visitor()
    async with serving(app, visitor):
        await visitor.is_told(0)
        slow = Window(clock.now + 100, clock.now + 200, 1012, "slow")
        drains.windows = (slow,)
        await status.was_looked_at(times=3)
        drains.windows = (slow, Window(clock.now, clock.now + 1, 1012, "soon"))
        clock.now += 1
        await until(lambda: closes(visitor))
        assert closes(visitor) == [(1012, "soon")]


async def test_listener_stays_if_the_drain_is_stopped(app, clock, status, drains):
    visitor = Visitor()
    async with serving(app, visitor):
        await visitor.is_told(0)
        drains.windows = (Window(clock.now + 10, clock.now + 70, 1012, ""),)
        await status.was_looked_at(times=3)
        drains.windows = ()
        await status.was_looked_at(times=3)
        clock.now += 10
        await status.was_looked_at(times=3)
        status.sockets = 1
        await visitor.is_told(1)
        assert not closes(visitor)
