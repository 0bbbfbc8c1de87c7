"""What type checkers know of the test kit. Nothing here runs."""

from __future__ import annotations

from typing_extensions import assert_type

from django_socket_status.activity.entries import ClosedConnection
from django_socket_status.records import ConnectionRecord
from django_socket_status.testing import SocketStatusKit
from django_socket_status.testing.sockets import Socket


async def sockets(kit: SocketStatusKit) -> None:
    async with kit.open("/ws/call/42/", user=7) as socket:
        assert_type(socket, Socket)
        assert_type(socket.accepted, bool)
        assert_type(socket.close_code, int | None)
        assert_type(await socket.receive_from(), str | bytes)


def lists(kit: SocketStatusKit) -> None:
    assert_type(kit.connections(type="call"), list[ConnectionRecord])
    assert_type(kit.closed_connections(code=1000), list[ClosedConnection])
    kit.assert_closed(cause="worker_lost", count=1)
    kit.assert_closed(cause="unheard of")  # type: ignore[arg-type]
    assert_type(kit.disconnects[0].code, int)


def faults(kit: SocketStatusKit) -> None:
    with kit.backend_down(), kit.freeze_worker():
        kit.flush()
        kit.advance(5)
