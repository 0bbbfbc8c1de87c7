"""The test kit says what is open, and does harm when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.urls import path

from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.signals import socket_closed, socket_opened
from django_socket_status.testing import SocketStatusKit
from django_socket_status.testing import kit as kit_module


class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        if text_data == "leave":
            await self.close(4002)
        elif text_data == "fail":
            raise ValueError("The consumer fails.")
        else:
            await self.send(text_data)


class STTRoomConsumer(SocketStatusMixin, WebsocketConsumer):
    pass


CALL = CallConsumer.as_asgi()
STT_ROOM = STTRoomConsumer.as_asgi()

pytestmark = pytest.mark.python

ADA, BEN = User(pk=7, username="ada"), User(pk=8, username="ben")


@pytest.fixture(autouse=True)
def socket_status() -> Iterator[SocketStatusKit]:
    with SocketStatusKit() as status:
        yield status


def total() -> int:
    return SocketStatusService.get_socket_info_summary()["total_sockets"]


async def test_socket_is_open_in_its_block_and_closed_after_it(socket_status):
    async with socket_status.open(CALL, user=ADA):
        socket_status.assert_open(type="call", user=ADA, count=1)
        (record,) = socket_status.connections(type="call")
        assert record.user_id == "7"
    socket_status.assert_open(count=0)
    socket_status.assert_closed(type="call", user=7, cause="client_closed", code=1000)


async def test_path_is_served_by_the_application_of_the_project(
    socket_status, as_project
):
    as_project(
        ProtocolTypeRouter(
            {"websocket": URLRouter([path("ws/call/<room>/", CallConsumer.as_asgi())])}
        )
    )
    async with socket_status.open("/ws/call/42/"):
        socket_status.assert_open(labels={"room": "42"})


async def test_sync_consumers_open_and_close_as_well(socket_status):
    async with socket_status.open(STT_ROOM), socket_status.open(STT_ROOM):
        socket_status.assert_open(type="stt_room", count=2)
    socket_status.assert_closed(type="stt_room", count=2)


async def test_server_closes(socket_status):
    async with socket_status.open(CALL) as socket:
        await socket.send_to("leave")
        assert (await socket.receive_output())["code"] == 4002
        socket_status.assert_closed(cause="server_closed", code=4002, count=1)
    socket_status.assert_closed(count=1)


async def test_assertion_shows_what_is_open(socket_status):
    async with socket_status.open(CALL, user=ADA), socket_status.open(STT_ROOM):
        with pytest.raises(AssertionError) as failed:
            socket_status.assert_open(type="call", user=8)
    first, *table = str(failed.value).splitlines()
    assert first == "No open connection for type='call', user=8. Open are:"
    assert table[0].split() == ["type", "user", "labels", "id"]
    assert [line.split()[:3] for line in table[1:]] == [
        ["stt_room", "-", "-"],
        ["call", "7", "-"],
    ]


async def test_assertion_counts(socket_status):
    async with socket_status.open(CALL):
        with pytest.raises(AssertionError, match="1 open connection for count=2"):
            socket_status.assert_open(count=2)
        with pytest.raises(AssertionError, match="1 open connection for count=0"):
            socket_status.assert_open(count=0)
    with pytest.raises(AssertionError, match="No connection is open at all"):
        socket_status.assert_open(type="call")


async def test_assertion_shows_what_has_closed(socket_status):
    async with socket_status.open(CALL, user=ADA) as socket:
        await socket.send_to("leave")
        await socket.receive_output()
    with pytest.raises(AssertionError) as failed:
        socket_status.assert_closed(cause="app_error")
    first, titles, row = str(failed.value).splitlines()
    assert first == "No closed connection for cause='app_error'. Closed are:"
    assert titles.split() == ["type", "user", "labels", "cause", "code", "reason"]
    assert row.split() == ["call", "7", "-", "server_closed", "4002"]


async def test_long_table_is_cut(socket_status):
    for _ in range(21):
        async with socket_status.open(CALL):
            pass
    with pytest.raises(AssertionError, match="and 1 more"):
        socket_status.assert_closed(count=0)


async def test_socket_that_is_left_open_is_named():
    kit = SocketStatusKit()
    socket = WebsocketCommunicator(CALL, "/ws/call/42/")
    socket.scope["user"] = ADA
    kit.__enter__()
    await socket.connect()
    with pytest.raises(AssertionError, match=r"1 WebSocket left.*\n.*\n  call .* 7"):
        kit.__exit__(None, None, None)
    await socket.disconnect()


async def test_application_that_was_cancelled_was_left_open():
    kit = SocketStatusKit().__enter__()
    socket = WebsocketCommunicator(CALL, "/ws/call/42/")
    await socket.connect()
    socket.stop()
    await asyncio.wait([socket.future])
    with pytest.raises(AssertionError, match="1 WebSocket left open"):
        kit.__exit__(None, None, None)


async def test_socket_may_be_left_open_where_it_is_allowed():
    with SocketStatusKit(allow_open=True):
        socket = WebsocketCommunicator(CALL, "/ws/call/42/")
        await socket.connect()
    await socket.disconnect()


def test_socket_in_a_plain_test_says_what_to_write(socket_status):
    with pytest.raises(RuntimeError, match="async def"):
        socket_status.open(CALL)


async def test_killed_worker_leaves_when_its_lease_ends(socket_status):
    async with socket_status.open(CALL, user=ADA) as socket:
        await socket_status.kill_worker()
        with pytest.raises(ConnectionResetError):
            await socket.receive_from()
        with pytest.raises(ConnectionResetError):
            await socket.send_to("hello")
        assert total() == 1
        async with socket_status.open(CALL, user=BEN):
            assert total() == 2
            socket_status.advance(5)
            assert total() == 1
            socket_status.assert_open(user=BEN, count=1)
    socket_status.assert_closed(user=ADA, cause="worker_lost", count=1)
    socket_status.assert_closed(count=2)


async def test_only_worker_is_lost_as_well(socket_status):
    async with socket_status.open(CALL):
        await socket_status.kill_worker()
        socket_status.advance(5)
        assert total() == 0
    socket_status.assert_closed(cause="worker_lost", count=1)


async def test_frozen_worker_is_back_when_it_runs_again(socket_status):
    async with socket_status.open(CALL):
        with socket_status.freeze_worker():
            assert total() == 1
            socket_status.advance(5)
            assert total() == 0
        assert total() == 1
    socket_status.assert_closed(count=1, cause="client_closed")


async def test_backend_that_is_down_leaves_nothing_but_the_last_answer(socket_status):
    async with socket_status.open(CALL):
        assert total() == 1
        with socket_status.backend_down():
            summary = SocketStatusService.get_socket_info_summary()
            assert summary["stale"]
            assert summary["total_sockets"] == 1
            with pytest.raises(StatusUnavailableError):
                socket_status.connections()
            socket_status.advance(31)
            with pytest.raises(StatusUnavailableError):
                total()
        summary = SocketStatusService.get_socket_info_summary()
        assert not summary["stale"]
        socket_status.assert_open(count=1)


async def test_flushed_backend_is_filled_again(socket_status):
    async with socket_status.open(CALL, user=ADA):
        socket_status.flush()
        socket_status.advance(1)
        socket_status.assert_open(user=ADA, count=1)


async def test_living_worker_outlives_its_lease(socket_status):
    async with socket_status.open(CALL):
        socket_status.advance(86_400)
        assert total() == 1
        (worker,) = SocketStatusService.get_workers()
        assert not worker.is_late


async def test_disconnects_are_noted(socket_status):
    async with socket_status.open(CALL, user=ADA) as socket:
        result = await SocketStatusService.adisconnect(
            user=ADA, code=4403, reason="banned", requested_by="moderation"
        )
        assert result.complete
        assert (await socket.receive_output())["code"] == 4403
    (asked,) = socket_status.disconnects
    assert asked.selector == {"user_id": "7"}
    assert (asked.code, asked.reason, asked.requested_by, asked.dry_run) == (
        *(4403, "banned", "moderation"),
        False,
    )
    socket_status.assert_closed(cause="disconnected", code=4403)


async def test_receivers_have_seen_what_happened(socket_status):
    seen: list[str] = []

    def see(signal, connection, **facts):
        time.sleep(0.01)
        seen.append(facts.get("cause", "opened"))

    with contextlib.ExitStack() as stack:
        for signal in (socket_opened, socket_closed):
            signal.connect(see)
            stack.callback(signal.disconnect, see)
        for number in (1, 2):
            async with socket_status.open(CALL):
                pass
            await socket_status.settle()
            assert seen == ["opened", "client_closed"] * number
        await socket_status.settle()


async def test_receiver_that_hangs_is_told(socket_status, monkeypatch):
    monkeypatch.setattr(kit_module, "SECONDS", 0.05)
    hang = threading.Event()

    def wait(**facts):
        hang.wait()

    socket_opened.connect(wait)
    try:
        async with socket_status.open(CALL):
            with pytest.raises(TimeoutError, match="has not returned"):
                await socket_status.settle()
            hang.set()
    finally:
        socket_opened.disconnect(wait)


def test_settings_of_the_project_stay_unless_the_test_has_others(settings):
    from django_socket_status.conf import get_settings

    settings.SOCKET_STATUS = {"LEASE_SECONDS": 9.0, "TYPES": {"a.B": "b"}}
    with SocketStatusKit(LEASE_SECONDS=4.0):
        assert get_settings().lease_seconds == 4.0
        assert get_settings().types == {"a.B": "b"}
    assert get_settings().lease_seconds == 9.0


def test_another_backend_has_no_faults(tmp_path):
    options: dict[str, Any] = {"path": tmp_path / "status"}
    with (
        SocketStatusKit(BACKEND=SQLITE_BACKEND, OPTIONS=options) as kit,
        pytest.raises(TypeError, match="need the backend of the test kit"),
    ):
        kit.advance(5)
