"""A drain is started without waiting for the workers, and can be asked for."""

from __future__ import annotations

from django_socket_status.control.drain_orders import DrainOrder, DrainSelector
from django_socket_status.operations.starting_drain import start_drain
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status
from tests.support.held_sockets import open_socket


def test_started_drain_can_be_followed_and_stopped():
    with isolated_socket_status():
        open_socket()
        reporter.flush()
        order = DrainOrder(
            selector=DrainSelector(),
            over_seconds=60.0,
            grace_seconds=60.0,
            code=1012,
            reason="",
            requested_by="ada",
        )
        command_id = start_drain(order)
        result = SocketStatusService.get_drain(command_id)
        assert result is not None
        assert (result.matched, result.waiting) == (1, 1)
        SocketStatusService.stop_command(command_id)
        result = SocketStatusService.get_drain(command_id)
        assert result is not None
        assert result.waiting == 0
