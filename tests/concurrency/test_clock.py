"""A test may freeze or move the time; reports, leases and waits go on."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import freezegun
import pytest
import time_machine
from channels.generic.websocket import AsyncWebsocketConsumer

from django_socket_status.concurrency.clock import monotonic, wall_clock
from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import SocketStatusKit, isolated_socket_status

NOON = datetime.datetime(2031, 5, 17, 12, 0, tzinfo=datetime.timezone.utc)

Stop = Callable[[datetime.datetime], AbstractContextManager[Any]]

#: Each stops the time at an instant.
STOPS: dict[str, Stop] = {
    "time-machine": lambda at: time_machine.travel(at, tick=False),
    "freezegun": lambda at: freezegun.freeze_time(at, real_asyncio=True),
}


class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    pass


CALL = CallConsumer.as_asgi()


@pytest.fixture(params=list(STOPS))
def stop(request: pytest.FixtureRequest) -> Stop:
    return STOPS[request.param]


@pytest.fixture(autouse=True)
def socket_status() -> None:
    """Take the place of the suite's own."""


def test_it_is_the_clock_of_the_standard_library() -> None:
    before = time.monotonic()
    now = monotonic()
    assert before <= now <= time.monotonic()


def test_it_runs_while_the_time_stands_still(stop: Stop) -> None:
    with stop(NOON):
        began = monotonic()
        while monotonic() == began:
            pass
        assert wall_clock() == time.time() == NOON.timestamp()


async def test_every_instant_is_that_of_the_test(stop: Stop) -> None:
    with stop(NOON), SocketStatusKit() as kit:
        async with kit.open(CALL):
            (record,) = kit.connections()
            assert record.connected_at == NOON
            assert SocketStatusService.get_summary().timestamp == NOON
            (worker,) = SocketStatusService.get_workers()
            assert worker.started_at == NOON
        (closed,) = kit.closed_connections()
        assert closed.closed_at == NOON
        assert closed.duration_seconds == 0


async def test_time_that_is_moved_is_how_long_a_connection_was_open(stop: Stop) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(stop(NOON))
        kit = stack.enter_context(SocketStatusKit())
        async with kit.open(CALL):
            kit.assert_open(count=1)
            stack.enter_context(stop(NOON + datetime.timedelta(minutes=3)))
        (closed,) = kit.closed_connections()
        assert closed.duration_seconds == 180


async def test_lease_is_renewed_while_the_time_stands_still(stop: Stop) -> None:
    quick = {"LEASE_SECONDS": 0.5, "HEARTBEAT_SECONDS": 0.05}
    with stop(NOON), isolated_socket_status(**quick):
        async with SocketStatusKit(allow_open=True, **quick).open(CALL):
            first = await reported()
            # Readers flush nothing as long as nothing has changed: the thread does.
            give_up_at = monotonic() + 30
            while await reported() == first:
                assert monotonic() < give_up_at
            assert await SocketStatusService.ahas_listeners("call")


async def reported() -> int:
    """Return the number of the last report."""
    from django_socket_status.reporter.thread import reporter

    return reporter.sender._exchange._sequence


async def test_disconnect_waits_and_ends_while_the_time_stands_still(
    stop: Stop,
) -> None:
    with stop(NOON), SocketStatusKit() as kit:
        async with kit.open(CALL):
            result = await SocketStatusService.adisconnect(type="call")
            assert (result.matched, result.closed) == (1, 1)
