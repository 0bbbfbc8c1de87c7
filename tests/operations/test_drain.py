"""Workers are emptied over a window, and the result says how far they have come."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from django_socket_status.backends import get_backend
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.control import orders
from django_socket_status.control.drain_orders import DrainOrder, DrainSelector
from django_socket_status.control.draining import Window
from django_socket_status.control.drains import MAX_WINDOWS, Drains
from django_socket_status.control.texts import Outcome
from django_socket_status.operations import drainage
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.signals import drain_finished, drain_requested
from django_socket_status.testing import Clock, FakeWorker, isolated_socket_status
from tests.support.asgi_driver import accepted, until
from tests.support.closing_server import ClosingServer
from tests.support.tracked import echo, tracked

adrain = SocketStatusService.adrain
MEMORY = "django_socket_status.backends.memory.MemoryBackend"


@pytest.fixture(params=[MEMORY, SQLITE_BACKEND], ids=["memory", "sqlite"], autouse=True)
def backend(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[None]:
    options = {} if request.param == MEMORY else {"path": str(tmp_path / "own")}
    with isolated_socket_status(BACKEND=request.param, OPTIONS=options):
        yield


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than a person would for what comes at once on a quiet machine."""
    monkeypatch.setattr(drainage, "AFTERWARDS_SECONDS", 60.0)
    # Another test may have imported Daphne.
    monkeypatch.setattr(orders, "_INSTEAD", {})


@contextlib.asynccontextmanager
async def calls(number: int = 3, **server: Any) -> AsyncIterator[list[ClosingServer]]:
    servers = [ClosingServer(**server) for _ in range(number)]
    async with contextlib.AsyncExitStack() as stack:
        for it in servers:
            await stack.enter_async_context(accepted(tracked(echo), it))
        yield servers


def closes(server: ClosingServer) -> list[tuple[int, str]]:
    return [
        (it["code"], it["reason"])
        for it in server.sent
        if it["type"] == "websocket.close"
    ]


def is_draining() -> list[bool]:
    return [it.is_draining for it in SocketStatusService.get_workers()]


async def test_every_connection_is_closed_and_the_worker_is_empty(caplog):
    caplog.set_level(logging.INFO, "django_socket_status.sockets")
    async with calls() as servers:
        result = await adrain(all=True, over_seconds=0.3, grace_seconds=0, wait=True)
        assert [closes(it) for it in servers] == [[(1012, "")]] * 3
        assert result.complete, result
        assert (result.matched, result.closed, result.remaining) == (3, 3, 0)
        assert result.codes == {1012: 3}
        (worker,) = result.by_worker.values()
        assert (worker.matched, worker.closed, worker.waiting) == (3, 3, 0)
        await until(lambda: reporter.flush() and len(_ends(caplog)) == 3)
    assert {it.cause for it in _ends(caplog)} == {"drained"}
    assert {it.ended_by for it in _ends(caplog)} == {"drain"}


def _ends(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [it for it in caplog.records if getattr(it, "cause", None)]


async def test_nothing_is_closed_before_the_grace_is_over_and_the_worker_is_marked():
    async with calls() as servers:
        result = await adrain(all=True, grace_seconds=600)
        assert (result.matched, result.waiting, result.remaining) == (3, 3, 3)
        assert not result.complete
        (record,) = await SocketStatusService.aget_workers()
        assert record.is_draining
        assert [closes(it) for it in servers] == [[], [], []]
        await SocketStatusService.astop_drain(all=True)
        reporter.flush()
        (record,) = await SocketStatusService.aget_workers()
        assert not record.is_draining
        later = await SocketStatusService.aget_drain(result.command_id)
        assert later is not None
        assert (later.waiting, later.unsent, later.remaining) == (0, 3, 3)
        # It is no disconnect.
        assert await SocketStatusService.aget_command(result.command_id) is None


async def test_drain_is_stopped_by_its_id_too():
    async with calls():
        result = await adrain(all=True, grace_seconds=600)
        await SocketStatusService.astop_command(result.command_id)
        reporter.flush()
        (record,) = await SocketStatusService.aget_workers()
        assert not record.is_draining


async def test_mark_ends_with_the_window():
    async with calls(silent=True):
        await adrain(all=True, grace_seconds=0, over_seconds=0.2, wait=True)
        await until(lambda: reporter.sender.orders.drains.window is None)
        reporter.flush()
        (record,) = await SocketStatusService.aget_workers()
        assert not record.is_draining


async def test_newcomer_gets_a_moment_of_what_is_left(monkeypatch):
    async with calls(1) as (first,):
        result = await adrain(all=True, grace_seconds=0, over_seconds=3600)
        # The next moment that is chosen has come already.
        monkeypatch.setattr(Window, "moment", lambda self, now, chance: now)
        async with calls(1) as (second,):
            await until(lambda: closes(second))
            assert not closes(first)
            await until(lambda: reporter.flush() and sum(registry.counts.values()) == 1)
            later = await SocketStatusService.aget_drain(result.command_id)
            assert later is not None
            assert (later.matched, later.waiting, later.remaining) == (2, 1, 1)
        await SocketStatusService.astop_drain(all=True)
        async with calls(1) as (third,):
            assert counted_after_stop(third)


def counted_after_stop(server: ClosingServer) -> bool:
    """Return whether a connection that opened after the drain stays open."""
    reporter.flush()
    return not closes(server) and sum(registry.counts.values()) == 2


@pytest.mark.parametrize(
    "selector", [{"worker": "another"}, {"host": "another"}, {"release": "another"}]
)
async def test_other_workers_are_not_drained(selector):
    async with calls() as servers:
        result = await adrain(**selector, grace_seconds=0, over_seconds=0, wait=True)
        assert (result.matched, result.by_worker) == (0, {})
        assert result.complete
        reporter.flush()
        (record,) = await SocketStatusService.aget_workers()
        assert not record.is_draining
        assert [closes(it) for it in servers] == [[], [], []]


async def test_worker_is_chosen_by_its_id_and_host():
    async with calls(1) as (server,):
        (record,) = await SocketStatusService.aget_workers()
        result = await adrain(
            worker=record.worker_id,
            host=record.host,
            grace_seconds=0,
            over_seconds=0,
            code=4001,
            reason="moving",
            wait=True,
        )
        assert result.complete
        assert closes(server) == [(4001, "moving")]


async def test_server_that_raises_leaves_the_connection_and_the_time_runs_out(
    monkeypatch,
):
    monkeypatch.setattr(drainage, "AFTERWARDS_SECONDS", 0.3)
    async with calls(1, error=OSError("no")):
        result = await adrain(all=True, grace_seconds=0, over_seconds=0.1, wait=True)
        assert not result.complete
        assert (result.unsent, result.remaining) == (1, 1)


async def test_client_that_leaves_by_itself_is_gone():
    async with calls(1) as (server,):
        result = await adrain(all=True, grace_seconds=600)
        server.put({"type": "websocket.disconnect", "code": 1001})
        await until(lambda: reporter.flush() and not registry.counts)
        reporter.sender.orders.drains.stop("")
        reporter.flush()
        later = await SocketStatusService.aget_drain(result.command_id)
        assert later is not None
        assert (later.gone, later.remaining, later.complete) == (1, 0, True)
    await SocketStatusService.astop_drain(all=True)


async def test_disconnect_of_a_draining_worker_closes_once():
    async with calls(1) as (server,):
        await adrain(all=True, grace_seconds=0, over_seconds=0.4)
        await SocketStatusService.adisconnect(all=True)
        await until(lambda: reporter.sender.orders.drains.window is None)
        assert len(closes(server)) == 1


async def test_receivers_and_the_log_are_told_who_asked(caplog):
    caplog.set_level(logging.INFO, "django_socket_status.control")
    told: list[Any] = []

    def receive(signal: Any, **kwargs: Any) -> None:
        told.append((signal, kwargs))

    for signal in (drain_requested, drain_finished):
        signal.connect(receive)
    try:
        async with calls(1):
            await adrain(
                all=True,
                over_seconds=0,
                grace_seconds=0,
                requested_by="ada",
                wait=True,
            )
    finally:
        for signal in (drain_requested, drain_finished):
            signal.disconnect(receive)
    (first, asked), (second, ended) = told
    assert (first, second) == (drain_requested, drain_finished)
    assert asked["requested_by"] == ended["requested_by"] == "ada"
    assert asked["selector"] == {"all": True}
    assert ended["result"].complete
    lines = [it.getMessage() for it in caplog.records]
    assert lines[0].startswith("drain ") and " requested by ada: all=True" in lines[0]
    assert lines[1].startswith("This worker drains, as ada asked: it closes 1 ")
    assert " finished by ada: all=True, matched 1" in lines[-1]


async def test_event_loop_is_not_blocked():
    with pytest.raises(RuntimeError, match=r"await adrain\(\)"):
        SocketStatusService.drain(all=True)
    result = await asyncio.to_thread(
        SocketStatusService.drain, all=True, over_seconds=0, grace_seconds=0, wait=True
    )
    assert result.complete


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, ValueError),
        ({"all": True, "host": "a"}, ValueError),
        ({"host": ""}, ValueError),
        ({"host": 7}, TypeError),
        ({"all": 1}, TypeError),
        ({"all": True, "over_seconds": 3601}, ValueError),
        ({"all": True, "grace_seconds": -1}, ValueError),
        ({"all": True, "code": 1001}, ValueError),
        ({"all": True, "reason": "x" * 124}, ValueError),
    ],
)
async def test_wrong_arguments_drain_nothing(given, error):
    with pytest.raises(error):
        await adrain(**given)


async def test_worker_of_an_earlier_version_is_named_and_its_sockets_stay(monkeypatch):
    """It reports, and answers nothing."""
    for name in ("AFTERWARDS_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(drainage, name, 0.3)
    old = FakeWorker(lease_seconds=60.0)
    get_backend().report(old.full([old.open(), old.open()]))
    async with calls(1) as (server,):
        result = await adrain(all=True, grace_seconds=0, over_seconds=0, wait=True)
        assert len(closes(server)) == 1
        assert result.silent_workers == ("a",)
        assert (result.closed, result.unanswered, result.remaining) == (1, 2, 2)
        assert not result.complete
        assert not result.as_dict()["complete"]


async def test_process_that_becomes_a_worker_after_the_order_is_spared():
    """Its first socket opens on a process that was not there for the drain."""
    result = await adrain(all=True, over_seconds=60, grace_seconds=0)
    assert result.matched == 0
    async with calls(1) as (server,):
        reporter.flush()
        assert is_draining() == [False]
        assert closes(server) == []


def test_worker_that_begins_after_the_order_is_spared():
    """It takes the place of one that is drained."""
    drains = Drains(registry.intake, clock := Clock())
    drains.arrive()
    order = DrainOrder(
        selector=DrainSelector(), over_seconds=60, grace_seconds=0, code=1012, reason=""
    )
    given: dict[str, Any] = {"is_meant": True, "code": 1012, "changed": bool}
    early = drains.begin(order, at=clock.now - 1, **given)
    assert (drains.window, early.outcome().waiting) == (None, None)
    assert early.outcome().is_final
    late = drains.begin(order, at=clock.now + 1, **given)
    assert drains.window == late.window
    assert late.outcome() == Outcome(is_final=False, waiting=0)
    clock.advance(62)
    assert drains.window is None


def test_listeners_leave_by_a_window_that_was_over_when_its_order_arrived():
    drains = Drains(registry.intake, clock := Clock())
    drains.arrive()
    order = DrainOrder(
        selector=DrainSelector(), over_seconds=1, grace_seconds=0, code=1012, reason=""
    )
    clock.advance(9)
    late = drains.begin(
        order, at=clock.now - 5, is_meant=True, code=1012, changed=lambda: None
    )
    assert drains.window is None
    # What is open now closes, as a counted connection does.
    assert drains.windows == (late.window._replace(ends_at=clock.now),)
    # The last ones stay, however soon they end.
    for seconds in range(2 * MAX_WINDOWS, 0, -1):
        longer = dataclasses.replace(order, over_seconds=60 * seconds)
        drains.begin(longer, at=clock.now, is_meant=True, code=1012, changed=bool)
    assert [it.ends_at - clock.now for it in drains.windows] == [
        60 * it for it in range(MAX_WINDOWS, 0, -1)
    ]
    drains.stop("")
    assert drains.windows == ()


def test_moments_are_spread_over_what_is_left():
    window = Window(begins_at=10, ends_at=70, code=1012, reason="")
    assert [window.moment(0, it) for it in (0, 0.5, 1)] == [10, 40, 70]
    assert [window.moment(40, it) for it in (0, 0.5, 1)] == [40, 55, 70]
    assert window.moment(80, 0.5) == 80
