"""A socket of the test kit ends in any case, and hides no error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.websocket import AllowedHostsOriginValidator

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.testing import SocketStatusKit, sockets


@pytest.fixture(autouse=True)
def socket_status() -> Iterator[SocketStatusKit]:
    with SocketStatusKit() as kit:
        yield kit


class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    async def connect(self) -> None:
        if self.scope["path"] == "/forbidden/":
            await self.close(4003)
        else:
            await self.accept("chat" if self.scope["subprotocols"] else None)

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        if text_data == "fail":
            raise ValueError("The consumer fails.")
        if text_data == "hang":
            await asyncio.Event().wait()
        await self.send(text_data)


CALL = CallConsumer.as_asgi()


async def test_it_speaks_text_and_json(socket_status):
    async with socket_status.open(CALL) as socket:
        await socket.send_to("hello")
        assert await socket.receive_from() == "hello"
        await socket.send_json_to({"a": 1})
        assert await socket.receive_json_from() == {"a": 1}
        assert await socket.receive_nothing(0)
        await socket.send_to("more")
        assert not await socket.receive_nothing(30)


async def test_rejection_fails_the_test_unless_it_is_expected(socket_status):
    with pytest.raises(AssertionError, match="/forbidden/ was rejected with code 4003"):
        async with socket_status.open(CALL, path="/forbidden/"):
            pytest.fail("it was accepted")
    async with socket_status.open(
        CALL, path="/forbidden/", may_be_rejected=True
    ) as socket:
        assert not socket.accepted
        assert socket.close_code == 4003
    socket_status.assert_closed(count=0)


async def test_handshake_offers_what_the_test_says(socket_status):
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)
        await CALL(scope, receive, send)

    async with socket_status.open(
        AllowedHostsOriginValidator(app),
        path="/ws/call/42/?name=Ada",
        headers={"Authorization": "Token 1"},
        subprotocols=["chat"],
    ) as socket:
        assert socket.subprotocol == "chat"
    assert (seen["path"], seen["query_string"]) == ("/ws/call/42/", b"name=Ada")
    assert (b"authorization", b"Token 1") in seen["headers"]


async def test_error_of_the_application_fails_the_test(socket_status):
    with pytest.raises(ValueError, match="The consumer fails"):
        async with socket_status.open(CALL) as socket:
            await socket.send_to("fail")
    socket_status.assert_closed(cause="app_error", count=1)


async def test_error_that_the_test_has_seen_is_raised_once(socket_status):
    async with socket_status.open(CALL) as socket:
        await socket.send_to("fail")
        with pytest.raises(ValueError, match="The consumer fails"):
            await socket.receive_from()
    socket_status.assert_closed(cause="app_error", count=1)


async def test_error_of_the_test_comes_first(socket_status):
    with pytest.raises(LookupError):
        async with socket_status.open(CALL) as socket:
            await socket.send_to("fail")
            raise LookupError
    socket_status.assert_open(count=0)


async def test_silence_does_not_end_the_application(socket_status):
    async with socket_status.open(CALL) as socket:
        with pytest.raises(TimeoutError, match="sends nothing"):
            await socket.receive_from(0)
        await socket.send_to("hello")
        assert await socket.receive_from() == "hello"


async def test_application_that_does_not_end_is_cancelled(socket_status, monkeypatch):
    monkeypatch.setattr(sockets, "SECONDS", 0.05)
    with pytest.raises(TimeoutError, match="has not ended"):
        async with socket_status.open(hanging) as socket:
            pass
    assert socket.future.cancelled()


async def hanging(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()
