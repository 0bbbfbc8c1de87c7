"""Calls receivers and writes a log line when workers are drained."""

from __future__ import annotations

import logging

from django_socket_status.control.drain_orders import DrainOrder, UndrainOrder
from django_socket_status.control.drain_results import DrainResult
from django_socket_status.operations.audit import off_the_loop
from django_socket_status.signals import drain_finished, drain_requested

__all__ = ["afinished", "arequested", "finished", "requested", "stopped"]

logger = logging.getLogger("django_socket_status.control")


def requested(command_id: str, order: DrainOrder) -> None:
    """Tell that a drain was asked for; in the calling thread."""
    facts = _facts(command_id, order)
    logger.info(
        "drain %s requested%s: %s, over %g s after %g s, code %s%s",
        command_id,
        _by(order),
        _words(order),
        order.over_seconds,
        order.grace_seconds,
        order.code,
        f" {order.reason!r}" if order.reason else "",
        extra=facts,
    )
    drain_requested.send_robust(sender=DrainOrder, **facts)


def finished(order: DrainOrder, result: DrainResult) -> None:
    """Tell how far a drain had come when its caller went on; in the calling thread."""
    facts = _facts(result.command_id, order)
    logger.info(
        "drain %s %s%s: %s, matched %d, waiting %d, closed %d, sent %d, unsent %d, "
        "gone %d, unanswered %d, remaining %d",
        result.command_id,
        "finished" if result.complete else "goes on or ran out of time",
        _by(order),
        _words(order),
        result.matched,
        result.waiting,
        result.closed,
        result.sent,
        result.unsent,
        result.gone,
        result.unanswered,
        result.remaining,
        extra={**facts, "complete": result.complete},
    )
    drain_finished.send_robust(sender=DrainOrder, result=result, **facts)


def stopped(order: UndrainOrder) -> None:
    """Tell that drains were stopped."""
    logger.info("drain stopped%s: %s", _by(order), _words(order))


async def arequested(command_id: str, order: DrainOrder) -> None:
    """Tell that a drain was asked for; off the event loop."""
    await off_the_loop(lambda: requested(command_id, order))


async def afinished(order: DrainOrder, result: DrainResult) -> None:
    """Tell how far a drain had come; off the event loop."""
    await off_the_loop(lambda: finished(order, result))


def _facts(command_id: str, order: DrainOrder) -> dict[str, object]:
    return {
        "command_id": command_id,
        "selector": order.selector.as_dict(),
        "over_seconds": order.over_seconds,
        "grace_seconds": order.grace_seconds,
        "code": order.code,
        "reason": order.reason,
        "requested_by": order.requested_by,
    }


def _by(order: DrainOrder | UndrainOrder) -> str:
    return f" by {order.requested_by}" if order.requested_by else ""


def _words(order: DrainOrder | UndrainOrder) -> str:
    selector = order.selector.as_dict()
    return " ".join(f"{name}={value!r}" for name, value in selector.items())
