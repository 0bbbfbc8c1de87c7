"""Empties workers before they are stopped, spread over some time.

Each worker chooses the moments of its connections itself. It learns of the drain with
the answer to its next report, and tells with its reports how far it has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable

from django_socket_status.activity.stored import Command
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.drain_orders import (
    DrainOrder,
    UndrainOrder,
    drain_selector_of,
    valid_drain,
)
from django_socket_status.control.drain_results import DrainResult
from django_socket_status.control.texts import order_to_text
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.operations import drain_audit as audit
from django_socket_status.operations.commanding import give
from django_socket_status.operations.disconnect import verify_no_loop
from django_socket_status.operations.drainage import DELIVERY_SECONDS, Drainage
from django_socket_status.reporter.thread import reporter
from django_socket_status.status.reader import status_reader

__all__ = ["adrain", "astop_drain", "carry_out", "drain", "drain_order", "stop_drain"]


def drain(
    *,
    worker: str | None = None,
    host: str | None = None,
    release: str | None = None,
    all: bool = False,
    over_seconds: float = 60.0,
    grace_seconds: float = 10.0,
    code: int = 1012,
    reason: str = "",
    wait: bool = False,
    requested_by: str = "",
) -> DrainResult:
    """Empty workers: close each of their connections at a random moment of a window.

    Marks the workers as draining until the window ends: see
    :attr:`.WorkerRecord.is_draining`. After ``grace_seconds``, the window begins. A
    connection that opens meanwhile gets a random moment of what is left. Listeners of
    live push, which are not counted, are closed as well. A process that became a worker
    later is not drained, such as one that takes the place of another.

    Do not call it on an event loop.

    Args:
        worker: Only the worker with this id.
        host: Only the workers of this host.
        release: Only the workers with this release.
        all: Whether to drain every worker of the deployment.
        over_seconds: How long the window is; at most an hour.
        grace_seconds: How long nothing is closed, so that a load balancer can notice;
            at most 10 minutes.
        code: The close code: 1012, 1000, or from 3000 to 4999. Daphne cannot send 1012;
            its clients get 4012.
        reason: At most 123 bytes of UTF-8. Daphne does not send it.
        wait: Whether to return only when the grace period is over and no connection is
            left, or the time ran out: 5 seconds after the window. If false, returns
            when the workers have answered, within 5 seconds.
        requested_by: Who asked for it, for signals and the log.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument breaks a rule, or nothing is selected.
        RuntimeError: an event loop runs in this thread: await :meth:`adrain`.
        StatusUnavailableError: the backend fails, does not answer in time, or has 100
            commands that have not expired. Some workers may have got the command.
        NotKeptError: the backend cannot pass commands to other workers.
    """
    verify_no_loop("drain()", "adrain()")
    order = drain_order(
        worker=worker,
        host=host,
        release=release,
        all=all,
        over_seconds=over_seconds,
        grace_seconds=grace_seconds,
        code=code,
        reason=reason,
        requested_by=requested_by,
    )
    return carry_out(order, wait=wait)


def carry_out(
    order: DrainOrder,
    *,
    wait: bool,
    show: Callable[[DrainResult, float], object] = lambda result, left: None,
) -> DrainResult:
    """Give an order, and return how far the workers have come.

    Args:
        order: What :func:`drain` is to do.
        wait: Whether to wait until the workers are empty.
        show: Called with the result so far, and the seconds that are left.

    Raises:
        StatusUnavailableError: as :func:`drain`.
    """
    drainage = Drainage(order, waits=wait)
    audit.requested(drainage.command_id, order)
    status_reader.ask(drainage.give)
    for pause in drainage.pauses():
        time.sleep(pause)
        with contextlib.suppress(StatusUnavailableError):
            status_reader.ask(drainage.look)
        show(drainage.result(), drainage.seconds_left)
    result = drainage.result()
    audit.finished(order, result)
    return result


async def adrain(
    *,
    worker: str | None = None,
    host: str | None = None,
    release: str | None = None,
    all: bool = False,
    over_seconds: float = 60.0,
    grace_seconds: float = 10.0,
    code: int = 1012,
    reason: str = "",
    wait: bool = False,
    requested_by: str = "",
) -> DrainResult:
    """Empty workers, as :meth:`drain`."""
    order = drain_order(
        worker=worker,
        host=host,
        release=release,
        all=all,
        over_seconds=over_seconds,
        grace_seconds=grace_seconds,
        code=code,
        reason=reason,
        requested_by=requested_by,
    )
    drainage = Drainage(order, waits=wait)
    await audit.arequested(drainage.command_id, order)
    await status_reader.aask(drainage.give)
    for pause in drainage.pauses():
        await asyncio.sleep(pause)
        with contextlib.suppress(StatusUnavailableError):
            await status_reader.aask(drainage.look)
    result = drainage.result()
    await audit.afinished(order, result)
    return result


def stop_drain(
    *,
    worker: str | None = None,
    host: str | None = None,
    release: str | None = None,
    all: bool = False,
    requested_by: str = "",
) -> None:
    """Stop the drain of workers: in this process now, elsewhere within a heartbeat.

    What has not been closed stays open, and the workers are not draining any more,
    whichever call of :meth:`drain` they obeyed.

    Args:
        worker: Only the worker with this id.
        host: Only the workers of this host.
        release: Only the workers with this release.
        all: Whether to stop every drain of the deployment.
        requested_by: Who asked for it, for the log.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: nothing is selected.
        StatusUnavailableError: the backend fails or does not answer in time.
        NotKeptError: the backend cannot pass commands to other workers.
    """
    stop = _stop(worker, host, release, all, requested_by)
    status_reader.ask(stop)


async def astop_drain(
    *,
    worker: str | None = None,
    host: str | None = None,
    release: str | None = None,
    all: bool = False,
    requested_by: str = "",
) -> None:
    """Stop the drain of workers, as :meth:`stop_drain`."""
    stop = _stop(worker, host, release, all, requested_by)
    await status_reader.aask(stop)


def drain_order(
    *,
    worker: str | None,
    host: str | None,
    release: str | None,
    all: bool,
    **how: object,
) -> DrainOrder:
    """Return the order for the arguments of :func:`drain`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument breaks a rule, or nothing is selected.
    """
    selector = drain_selector_of(worker=worker, host=host, release=release, all=all)
    return DrainOrder(selector=selector, **valid_drain(**how))


def _stop(
    worker: str | None,
    host: str | None,
    release: str | None,
    all: bool,
    requested_by: str,
) -> Callable[[BaseBackend], None]:
    selector = drain_selector_of(worker=worker, host=host, release=release, all=all)
    order = UndrainOrder(selector=selector, requested_by=requested_by)
    text = order_to_text(order)

    def ask(backend: BaseBackend) -> None:
        command_id = secrets.token_hex(8)
        give(backend, Command(command_id, text, DELIVERY_SECONDS))
        if reporter.sender.is_used:
            reporter.sender.execute(command_id, order, monotonic())
        audit.stopped(order)

    return ask
