"""Calls receivers and writes a log line when connections are disconnected."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from django.db import close_old_connections

from django_socket_status.concurrency.daemon_executor import (
    CallTimeoutError,
    DaemonExecutor,
    QueueFullError,
    aresult,
)
from django_socket_status.concurrency.forks import after_fork
from django_socket_status.control.results import DisconnectResult
from django_socket_status.control.revocation import (
    CLOSE_CODE,
    REQUESTED_BY,
    RevocationOrder,
)
from django_socket_status.control.texts import DisconnectOrder
from django_socket_status.signals import disconnect_finished, disconnect_requested

__all__ = [
    "afinished",
    "arequested",
    "finished",
    "off_the_loop",
    "requested",
    "reset",
    "revoked",
]

logger = logging.getLogger("django_socket_status.control")

#: How long asynchronous callers wait for receivers, which then go on by themselves.
RECEIVER_SECONDS = 1.0
_executor = DaemonExecutor("django-socket-status-audit", 1_000)


def reset() -> None:
    """Begin with another thread, as in a forked child."""
    _executor.reset()


after_fork(reset)


def requested(command_id: str, order: DisconnectOrder) -> None:
    """Tell that a disconnect was asked for; in the calling thread."""
    facts = _facts(command_id, order)
    logger.info(
        "disconnect %s requested%s: %s, code %s%s%s",
        command_id,
        _by(order),
        _words(facts["selector"]),
        order.code,
        f" {order.reason!r}" if order.reason else "",
        ", dry run" if order.dry_run else "",
        extra=facts,
    )
    disconnect_requested.send_robust(sender=DisconnectOrder, **facts)


def finished(order: DisconnectOrder, result: DisconnectResult) -> None:
    """Send the result of a disconnect; in the calling thread."""
    facts = _facts(result.command_id, order)
    logger.info(
        "disconnect %s finished%s: %s, code %s%s: matched %d, closed %d, sent %d, "
        "unsent %d, gone %d, unanswered %d%s",
        result.command_id,
        _by(order),
        _words(facts["selector"]),
        order.code,
        f" {order.reason!r}" if order.reason else "",
        result.matched,
        result.closed,
        result.sent,
        result.unsent,
        result.gone,
        result.unanswered,
        "" if not result.unknown_workers else f", {_unknown(result)}",
        extra={**facts, "complete": result.complete},
    )
    disconnect_finished.send_robust(sender=DisconnectOrder, result=result, **facts)


def revoked(command_id: str, order: RevocationOrder) -> None:
    """Tell that connections are closed by ``CLOSE_ON``; in the calling thread."""
    facts: dict[str, Any] = {
        "command_id": command_id,
        "selector": order.selector,
        "code": CLOSE_CODE,
        "reason": "",
        "dry_run": False,
        "requested_by": REQUESTED_BY,
    }
    logger.info(
        "disconnect %s requested by %s: %s, code %s",
        command_id,
        REQUESTED_BY,
        _words(facts["selector"]),
        CLOSE_CODE,
        extra=facts,
    )
    try:
        disconnect_requested.send_robust(sender=RevocationOrder, **facts)
    finally:
        # A receiver may have used the database.
        close_old_connections()


async def arequested(command_id: str, order: DisconnectOrder) -> None:
    """Tell that a disconnect was asked for; off the event loop."""
    await off_the_loop(lambda: requested(command_id, order))


async def afinished(order: DisconnectOrder, result: DisconnectResult) -> None:
    """Send the result of a disconnect; off the event loop."""
    await off_the_loop(lambda: finished(order, result))


async def off_the_loop(tell: Callable[[], None]) -> None:
    """Tell on a thread of this package: asgiref's may wait for the caller."""

    def run() -> None:
        try:
            tell()
        finally:
            # A receiver may have used the database.
            close_old_connections()

    with contextlib.suppress(CallTimeoutError, QueueFullError):
        await aresult(_executor.submit(run), RECEIVER_SECONDS)


def _facts(command_id: str, order: DisconnectOrder) -> dict[str, object]:
    return {
        "command_id": command_id,
        "selector": order.selector.as_dict(),
        "code": order.code,
        "reason": order.reason,
        "dry_run": order.dry_run,
        "requested_by": order.requested_by,
    }


def _by(order: DisconnectOrder) -> str:
    return f" by {order.requested_by}" if order.requested_by else ""


def _words(selector: object) -> str:
    assert isinstance(selector, dict)  # noqa: S101
    return " ".join(f"{name}={value!r}" for name, value in selector.items())


def _unknown(result: DisconnectResult) -> str:
    return f"{len(result.unknown_workers)} workers of which nothing is known"
