"""Connections of this process are closed, and the result says what became of each."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_socket_status.activity.stored import Command, Kept
from django_socket_status.backends import get_backend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.control import matching
from django_socket_status.control.results import DisconnectResult
from django_socket_status.exceptions import (
    BackendError,
    NotKeptError,
    StatusUnavailableError,
)
from django_socket_status.registry.lifecycle import FINISHED
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.signals import disconnect_finished, disconnect_requested
from django_socket_status.testing import isolated_socket_status
from tests.support.asgi_driver import (
    ACCEPT,
    DEADLINE_SECONDS,
    Server,
    accepted,
    disconnect,
    own_threads,
    scope_of,
    text,
    turns,
    until,
)
from tests.support.closing_server import ClosingServer
from tests.support.tracked import echo, tracked

adisconnect = SocketStatusService.adisconnect
MEMORY = "django_socket_status.backends.memory.MemoryBackend"


@pytest.fixture(params=[MEMORY, SQLITE_BACKEND], ids=["memory", "sqlite"], autouse=True)
def backend(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[None]:
    options = {} if request.param == MEMORY else {"path": str(tmp_path / "own")}
    with isolated_socket_status(BACKEND=request.param, OPTIONS=options):
        yield


def closes(server: Server) -> list[tuple[int, str]]:
    return [
        (it["code"], it["reason"])
        for it in server.sent
        if it["type"] == "websocket.close"
    ]


async def eventually(
    result: DisconnectResult, is_so: Callable[[DisconnectResult], object]
) -> DisconnectResult:
    """Return what a command has come to, as soon as something is so.

    To give it may have taken longer than its caller waits.
    """
    now: DisconnectResult | None = result
    deadline = time.monotonic() + DEADLINE_SECONDS
    while now is None or not is_so(now):
        assert time.monotonic() < deadline, now
        await asyncio.sleep(0.01)
        now = await SocketStatusService.aget_command(result.command_id)
    return now


def causes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [it.cause for it in caplog.records if getattr(it, "cause", None)]


def counted() -> int:
    registry.is_dirty and reporter.flush()
    return sum(registry.counts.values())


async def test_connection_is_closed_and_its_application_hears_it():
    server = ClosingServer()
    async with accepted(tracked(echo), server) as task:
        result = await adisconnect(type="call", code=4321, reason="enough")
        assert closes(server) == [(4321, "enough")]
        assert (result.matched, result.closed) == (1, 1)
        assert result.complete
        assert result.codes == {4321: 1}
        (by_worker,) = result.by_worker.values()
        assert (by_worker.matched, by_worker.closed, by_worker.codes) == (
            *(1, 1),
            {4321: 1},
        )
        assert by_worker.complete
        assert await task == "done"
        assert counted() == 0
        assert not registry.intake.departures or reporter.flush()


async def test_only_what_matches_is_closed():
    ours, others = ClosingServer(), ClosingServer()
    other = tracked(echo, socket_status_type="chat")
    async with accepted(tracked(echo), ours), accepted(other, others):
        result = await adisconnect(type="chat")
        assert (result.matched, result.closed) == (1, 1)
        assert (len(closes(ours)), len(closes(others))) == (0, 1)
        assert counted() == 1


@pytest.mark.parametrize("chosen", ["connection_ids", "worker", "keep"])
async def test_connections_are_chosen_by_id_or_worker(chosen):
    ours, others = ClosingServer(), ClosingServer()
    async with accepted(tracked(echo), ours), accepted(tracked(echo), others):
        page = await SocketStatusService.aget_connections()
        second, _ = page
        given: dict[str, Any] = {
            "connection_ids": {"connection_ids": [second.connection_id]},
            "worker": {"worker": second.worker_id},
            "keep": {"all": True, "keep": [second.connection_id]},
        }[chosen]
        result = await adisconnect(**given)
        expected = {"connection_ids": (0, 1), "worker": (1, 1), "keep": (1, 0)}[chosen]
        assert (len(closes(ours)), len(closes(others))) == expected
        assert result.matched == result.closed == sum(expected)
        assert (await adisconnect(worker="another")).matched == 0


async def test_connections_of_a_user_are_found_without_a_scan(monkeypatch):
    def scan(registry: Any) -> Any:
        raise AssertionError("There are 100,000 others.")

    monkeypatch.setattr(matching, "in_pieces", scan)
    ours, others = ClosingServer(), ClosingServer()
    scopes = [scope_of(user=7), scope_of(user=8)]
    async with (
        accepted(tracked(echo), ours, scopes[0]),
        accepted(tracked(echo), others, scopes[1]),
    ):
        assert (await adisconnect(user=7, type="chat")).matched == 0
        result = await adisconnect(user=7, type="call")
        assert (result.matched, result.closed) == (1, 1)
        assert (len(closes(ours)), len(closes(others))) == (1, 0)
        assert (await adisconnect(user=9)).matched == 0


async def test_dry_run_counts_and_closes_nothing():
    server = ClosingServer()
    async with accepted(tracked(echo), server):
        result = await adisconnect(all=True, dry_run=True)
        assert (result.matched, result.unsent, result.dry_run) == (1, 1, True)
        assert not closes(server)
        assert counted() == 1


async def test_application_that_does_not_go_on_is_sent_and_leaves_the_counts():
    server = ClosingServer(silent=True)
    async with accepted(tracked(echo), server):
        result = await adisconnect(all=True, wait_seconds=0.1)
        assert not result.complete
        now = await eventually(result, lambda it: it.sent)
        assert (now.matched, now.sent, now.complete) == (1, 1, False)
        assert counted() == 0
        server.put(disconnect())
        await turns()
        later = await SocketStatusService.aget_command(result.command_id)
        assert later is not None
        assert (later.matched, later.closed, later.sent) == (1, 1, 0)


async def test_connection_that_has_ended_is_let_go_before_the_last_one_ends():
    """Else the last of many frees all of them at once, and nothing runs meanwhile."""
    stuck, ended = ClosingServer(silent=True), ClosingServer()
    async with accepted(tracked(echo), stuck), accepted(tracked(echo), ended):
        counted()
        (one, other) = registry.intake.counted
        result = await adisconnect(all=True, wait_seconds=0.1)
        now = await eventually(result, lambda it: it.closed and it.sent)
        assert (now.closed, now.sent) == (1, 1)
        assert list(registry.intake.departures) == [one]
        assert other.phase == FINISHED
        stuck.put(disconnect())
        await turns()
        assert not registry.intake.departures
        later = await SocketStatusService.aget_command(result.command_id)
        assert later is not None
        assert (later.closed, later.complete) == (2, True)


async def test_server_that_does_not_take_the_close_is_unsent_and_no_task_is_left():
    server = ClosingServer(blocked=True)
    async with accepted(tracked(echo), server):
        tasks = asyncio.all_tasks()
        result = await adisconnect(all=True, wait_seconds=0.2)
        assert (result.matched, result.unsent) == (1, 1)
        assert counted() == 1
        await until(lambda: asyncio.all_tasks() <= tasks)
        # It has left by itself.
        server.put(disconnect(1001))
        await turns()
        later = await SocketStatusService.aget_command(result.command_id)
        assert later is not None
        assert (later.gone, later.complete) == (1, True)


async def test_server_that_raises_is_unsent_and_the_connection_stays():
    server = ClosingServer(error=ValueError("invalid close code"))
    async with accepted(tracked(echo), server):
        result = await adisconnect(all=True, wait_seconds=0.1)
        assert (result.matched, result.unsent, result.codes) == (1, 1, {})
        assert counted() == 1
        # It may be tried again.
        server.error = None
        assert (await adisconnect(all=True)).closed == 1


@pytest.mark.parametrize("early", [False, True], ids=["after", "before"])
async def test_cause_is_disconnected_whenever_the_application_hears_it(early, caplog):
    caplog.set_level(logging.INFO, "django_socket_status.sockets")
    server = ClosingServer(early=early)
    async with accepted(tracked(echo), server):
        assert (await adisconnect(all=True)).closed == 1
        reporter.flush()
        await until(lambda: causes(caplog))
    assert causes(caplog) == ["disconnected"]


async def test_client_that_leaves_while_the_close_is_blocked_is_gone(caplog):
    caplog.set_level(logging.INFO, "django_socket_status.sockets")
    server = ClosingServer(blocked=True)
    async with accepted(tracked(echo), server):
        closing = asyncio.ensure_future(adisconnect(all=True, wait_seconds=0.5))
        await until(lambda: len(asyncio.all_tasks()) > 3)
        server.put(disconnect(1001))
        result = await closing
        result = await eventually(result, lambda it: it.gone)
        assert (result.matched, result.closed) == (1, 0)
        await until(lambda: causes(caplog))
    assert causes(caplog) == ["client_closed"]


async def test_late_messages_of_the_application_reach_the_server():
    async def talkative(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        await send(text("late"))
        await send({"type": "websocket.close", "code": 4111})

    server = ClosingServer()
    async with accepted(tracked(talkative), server) as task:
        assert (await adisconnect(all=True)).closed == 1
        await task
    assert server.sent_types[-3:] == [
        "websocket.close",
        "websocket.send",
        "websocket.close",
    ]


async def test_handler_may_close_its_own_connection_and_does_not_wait_for_itself():
    results = []

    async def leaves(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        began = time.monotonic()
        results.append(await adisconnect(all=True, wait_seconds=30.0))
        assert time.monotonic() - began < 10.0
        assert (await receive())["type"] == "websocket.disconnect"

    server = ClosingServer()
    async with accepted(tracked(leaves), server) as task:
        server.put({"type": "websocket.receive", "text": "leave"})
        await task
    assert (results[0].matched, results[0].sent) == (1, 1)


async def test_sync_code_on_the_shared_thread_does_not_wait_for_applications():
    server = ClosingServer(silent=True)
    async with accepted(tracked(echo), server):
        began = time.monotonic()
        call = sync_to_async(SocketStatusService.disconnect)
        result = await call(all=True, wait_seconds=30.0)
        assert time.monotonic() - began < 10.0
        assert (result.matched, result.sent) == (1, 1)


async def test_sync_form_waits_for_applications_on_any_other_thread():
    server = ClosingServer()
    async with accepted(tracked(echo), server):
        result = await asyncio.to_thread(SocketStatusService.disconnect, all=True)
        assert (result.matched, result.closed) == (1, 1)


async def test_sync_form_is_refused_on_an_event_loop():
    with pytest.raises(RuntimeError, match="await adisconnect"):
        SocketStatusService.disconnect(all=True)


async def test_two_operators_close_once():
    server = ClosingServer()
    async with accepted(tracked(echo), server):
        one, two = await asyncio.gather(adisconnect(all=True), adisconnect(all=True))
        assert len(closes(server)) == 1
        assert one.complete
        assert two.complete
        assert 1 <= one.closed + two.closed <= 2


async def test_connection_that_opened_after_the_request_is_spared():
    """The command comes from elsewhere, and took its time."""
    early, late = ClosingServer(), ClosingServer()
    async with accepted(tracked(echo), early):
        reporter.flush()
        await asyncio.sleep(0.3)
        async with accepted(tracked(echo), late):
            reporter.flush()
            order = (
                '{"v":1,"do":"disconnect","selector":{"all":true},"code":4000,'
                '"reason":"","wait_seconds":5,"rate":null,"dry_run":false,'
                '"requested_by":""}'
            )
            command = Command("c", order, 15.0, 1, age_seconds=0.15)
            with reporter.sender._lock:
                exchange = reporter.sender._exchange
                exchange.orders.execute_all(
                    [command], time.monotonic(), *exchange.identity()
                )
            await until(lambda: closes(early))
            await turns()
            assert not closes(late)
            # And no second time.
            with reporter.sender._lock:
                exchange.orders.execute_all(
                    [command], time.monotonic(), *exchange.identity()
                )
            await turns()
            assert not closes(late)


async def test_closes_are_paced_and_can_be_stopped():
    servers = [ClosingServer() for _ in range(12)]
    tasks = []
    app = tracked(echo)
    for server in servers:
        tasks.append(asyncio.ensure_future(app(scope(), server.receive, server.send)))
    await until(lambda: all(server.sent for server in servers))
    result = await adisconnect(all=True, rate=5.0, wait_seconds=0.05)
    now = await eventually(result, lambda it: it.closed + it.sent)
    assert now.matched == 12
    assert now.closed + now.sent in {5, 10}
    await SocketStatusService.astop_command(result.command_id)
    left = [server for server in servers if not closes(server)]
    await asyncio.sleep(1.2)
    assert not [server for server in left if closes(server)]
    # Five, and five more if the stop took a second.
    assert len(left) in {7, 2}
    after = await SocketStatusService.aget_command(result.command_id)
    assert after is not None
    assert (after.closed, after.unsent) == (12 - len(left), len(left))
    for server in servers:
        server.put(disconnect())
    await asyncio.gather(*tasks)


def scope() -> dict[str, Any]:
    return {"type": "websocket", "path": "/", "headers": [], "user": None}


def test_closed_loop_means_gone():
    async def hold() -> None:
        server = ClosingServer()
        app = tracked(echo)
        coroutine = app(scope(), server.receive, server.send)
        task = asyncio.ensure_future(coroutine)
        await until(lambda: server.sent)
        reporter.flush()
        kept.append(next(iter(registry.intake.counted)))
        task.cancel()

    kept: list[Any] = []
    asyncio.run(hold())
    connection = kept[0]
    from django_socket_status.registry.leaving import Departure

    assert connection.loop.is_closed()
    assert Departure(connection, 4000, "").outcome() == "gone"


async def test_receivers_and_the_log_get_requester_selector_and_result(caplog):
    caplog.set_level(logging.INFO, "django_socket_status.control")
    told: list[tuple[str, dict[str, Any]]] = []

    def note_request(**facts: Any) -> None:
        told.append(("requested", facts))

    def note_result(**facts: Any) -> None:
        told.append(("finished", facts))

    disconnect_requested.connect(note_request)
    disconnect_finished.connect(note_result)
    try:
        async with accepted(tracked(echo), ClosingServer()):
            result = await adisconnect(type="call", reason="so", requested_by="ops")
    finally:
        disconnect_requested.disconnect(note_request)
        disconnect_finished.disconnect(note_result)
    assert [kind for kind, _ in told] == ["requested", "finished"]
    for _, facts in told:
        assert facts["command_id"] == result.command_id
        assert facts["selector"] == {"type": "call"}
        assert facts["requested_by"] == "ops"
        assert (facts["code"], facts["reason"]) == (4000, "so")
    assert told[1][1]["result"] == result
    lines = [it.getMessage() for it in caplog.records if it.name.endswith("control")]
    assert len(lines) == 2
    for line in lines:
        assert "by ops" in line
        assert "type='call'" in line
        assert "'so'" in line
    assert "matched 1, closed 1" in lines[1]


async def test_receiver_that_hangs_does_not_hold_the_event_loop():
    def hang(**facts: Any) -> None:
        time.sleep(2.0)

    disconnect_finished.connect(hang)
    try:
        async with accepted(tracked(echo), ClosingServer()):
            began = time.monotonic()
            ticks = asyncio.ensure_future(tick())
            assert (await adisconnect(all=True)).closed == 1
            assert time.monotonic() - began < 1.9
            assert await ticks < 0.5
    finally:
        disconnect_finished.disconnect(hang)


async def tick() -> float:
    """Return the longest time in which the loop did not run."""
    longest = 0.0
    for _ in range(20):
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
    return longest


async def test_unknown_command_has_no_result_and_can_be_stopped():
    assert await SocketStatusService.aget_command("unknown") is None
    await SocketStatusService.astop_command("unknown")
    with pytest.raises(ValueError, match="1 to 64"):
        await SocketStatusService.aget_command("")
    with pytest.raises(TypeError, match="must be a str"):
        await SocketStatusService.astop_command(7)  # type: ignore[arg-type]


async def test_wrong_arguments_close_nothing():
    server = ClosingServer()
    async with accepted(tracked(echo), server):
        with pytest.raises(ValueError, match="all=True"):
            await adisconnect()
        with pytest.raises(ValueError, match="anonymous"):
            await adisconnect(user=type("Anonymous", (), {"pk": None})())
        with pytest.raises(ValueError, match="from 3000"):
            await adisconnect(all=True, code=1)
        with pytest.raises(ValueError, match="type is empty"):
            await adisconnect(type="")
        assert not closes(server)
        assert not get_backend().read_commands()


class CannotCommand(MemoryBackend):
    keeps: frozenset[Kept] = frozenset()  # type: ignore[assignment]


class ManyProcesses(CannotCommand):
    coverage = "cluster"


class Full(MemoryBackend):
    def give_command(self, command: Command) -> None:
        raise BackendError("too many")


@pytest.mark.parametrize(
    ("name", "error"),
    [("ManyProcesses", NotKeptError), ("Full", StatusUnavailableError)],
)
async def test_backend_that_takes_no_command_closes_nothing(name, error):
    with isolated_socket_status(BACKEND=f"{__name__}.{name}"):
        server = ClosingServer()
        async with accepted(tracked(echo), server):
            with pytest.raises(error):
                await adisconnect(all=True)
            assert not closes(server)


async def test_backend_of_one_process_needs_no_commands():
    with isolated_socket_status(BACKEND=f"{__name__}.CannotCommand"):
        async with accepted(tracked(echo), ClosingServer()):
            assert (await adisconnect(all=True)).closed == 1


async def test_own_threads_end():
    async with accepted(tracked(echo), ClosingServer()):
        await adisconnect(all=True)
    assert own_threads()
