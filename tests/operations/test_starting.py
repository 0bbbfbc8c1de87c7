"""A disconnect is started without waiting for its result, which can be asked for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_socket_status.control.selector import selector_of
from django_socket_status.operations.starting import start_disconnect
from django_socket_status.services import SocketStatusService
from django_socket_status.signals import disconnect_finished, disconnect_requested
from django_socket_status.status.arguments import query_of
from tests.operations.test_disconnect import ClosingServer, closes
from tests.support.asgi_driver import DEADLINE_SECONDS, accepted
from tests.support.tracked import echo, tracked

CALLS = selector_of(query_of(type="call"))


async def result_of(command_id: str) -> Any:
    """Return the result as soon as it is complete."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        result = await SocketStatusService.aget_command(command_id)
        if result is not None and result.complete:
            return result
        assert time.monotonic() < deadline, "it never was complete"
        await asyncio.sleep(0.005)


async def test_started_disconnect_closes_and_its_result_can_be_read():
    server = ClosingServer()
    async with accepted(tracked(echo), server) as task:
        command_id = await sync_to_async(start_disconnect)(
            CALLS, code=4321, reason="enough", requested_by="ada"
        )
        assert await task == "done"
        assert closes(server) == [(4321, "enough")]
        result = await result_of(command_id)
    assert (result.matched, result.closed) == (1, 1)


async def test_the_request_is_told_and_no_end():
    told: list[tuple[str, Any]] = []

    def requested(**facts: Any) -> None:
        told.append(("requested", facts["requested_by"]))

    def finished(**facts: Any) -> None:
        told.append(("finished", facts["requested_by"]))

    disconnect_requested.connect(requested)
    disconnect_finished.connect(finished)
    try:
        await sync_to_async(start_disconnect)(CALLS, code=4000, requested_by="ada")
    finally:
        disconnect_requested.disconnect(requested)
        disconnect_finished.disconnect(finished)
    assert told == [("requested", "ada")]


def test_broken_rule_starts_nothing():
    with pytest.raises(ValueError, match="code must be 1000, 1012 or from 3000"):
        start_disconnect(CALLS, code=1001)
    with pytest.raises(ValueError, match="at most 123 bytes"):
        start_disconnect(CALLS, code=4000, reason="é" * 62)
