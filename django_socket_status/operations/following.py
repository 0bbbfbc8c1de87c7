"""Follows a disconnect whose rate takes longer than its caller waits."""

from __future__ import annotations

import time
from collections.abc import Callable

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.results import DisconnectResult
from django_socket_status.control.texts import DisconnectOrder
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.operations.commands import get_command, stop_command

__all__ = ["follow"]

PAUSE_SECONDS = 0.5
#: What a worker needs beside the pauses of the rate.
AFTERWARDS_SECONDS = 5.0


def follow(
    order: DisconnectOrder,
    result: DisconnectResult,
    show: Callable[[DisconnectResult], object],
) -> DisconnectResult:
    """Return what became of each connection once the rate has let all of them close.

    An exception, as of Ctrl-C, stops what is not done.

    Args:
        order: The order that was given.
        result: What had become of the connections when its caller was to wait no more.
        show: Called with each later result.
    """
    if order.rate is None or not result.by_worker:
        return result
    most = max(it.matched for it in result.by_worker.values())
    until = monotonic() + most / order.rate + AFTERWARDS_SECONDS
    try:
        while not result.complete and monotonic() < until:
            time.sleep(PAUSE_SECONDS)
            result = _looked(result)
            show(result)
    except BaseException:
        stop_command(result.command_id)
        raise
    return result


def _looked(result: DisconnectResult) -> DisconnectResult:
    try:
        return get_command(result.command_id) or result
    except StatusUnavailableError:
        return result
