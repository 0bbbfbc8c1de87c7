"""Reads the result of a disconnect, and stops closes that have not begun."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from django_socket_status.activity.stored import Command, CommandState
from django_socket_status.backends.base import BaseBackend
from django_socket_status.control.drain_orders import DrainOrder
from django_socket_status.control.drain_results import DrainResult, drain_result_of
from django_socket_status.control.results import DisconnectResult, result_of
from django_socket_status.control.texts import (
    DisconnectOrder,
    StopOrder,
    order_of,
    order_to_text,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.operations.commanding import (
    DELIVERY_SECONDS,
    give,
    outcomes_in,
)
from django_socket_status.records import WorkerStatus
from django_socket_status.reporter.thread import reporter
from django_socket_status.reporter.worker import this_worker
from django_socket_status.status.kept import kept
from django_socket_status.status.reader import status_reader
from django_socket_status.validation import valid_snapshot

__all__ = [
    "aget_command",
    "aget_drain",
    "astop_command",
    "expected_by",
    "get_command",
    "get_drain",
    "result_of_state",
    "stop_command",
]

R = TypeVar("R", DisconnectResult, DrainResult)

#: A stop must reach workers for as long as they may close by a rate.
STOP_SECONDS = 60.0 + DELIVERY_SECONDS


def get_command(command_id: str) -> DisconnectResult | None:
    """Return what has become of a disconnect by now.

    ``sent`` and ``unsent`` become ``closed`` or ``gone`` as connections end, for about
    a minute after the call; then the last numbers stay for 24 hours. A worker that was
    lost before it answered is not in them.

    Returns:
        The result; ``None`` if there is no such command.

    Raises:
        StatusUnavailableError: the backend fails or does not answer in time.
        NotKeptError: the backend keeps no commands.
    """
    return status_reader.ask(_question(command_id, DisconnectResult))


async def aget_command(command_id: str) -> DisconnectResult | None:
    """Return what has become of a disconnect by now, as :meth:`get_command`."""
    return await status_reader.aask(_question(command_id, DisconnectResult))


def get_drain(command_id: str) -> DrainResult | None:
    """Return how far a drain has come by now, as :meth:`get_command`.

    Returns:
        The result; ``None`` if there is no such drain.

    Raises:
        StatusUnavailableError: the backend fails or does not answer in time.
        NotKeptError: the backend keeps no commands.
    """
    return status_reader.ask(_question(command_id, DrainResult))


async def aget_drain(command_id: str) -> DrainResult | None:
    """Return how far a drain has come by now, as :meth:`get_drain`."""
    return await status_reader.aask(_question(command_id, DrainResult))


def stop_command(command_id: str) -> None:
    """Stop what is not done of a disconnect or a drain.

    In this process now, elsewhere soon.

    Closes that have not begun do not go out, and those that a server has not taken are
    given up. Workers get to know within a heartbeat.

    Raises:
        StatusUnavailableError: the backend fails or does not answer in time; workers
            may go on.
        NotKeptError: the backend cannot pass commands to other workers.
    """
    status_reader.ask(_stop(command_id))


async def astop_command(command_id: str) -> None:
    """Stop what is not done of a disconnect, as :meth:`stop_command`."""
    await status_reader.aask(_stop(command_id))


def _stop(command_id: str) -> Callable[[BaseBackend], None]:
    _verify(command_id)

    def ask(backend: BaseBackend) -> None:
        reporter.sender.orders.stop(command_id)
        text = order_to_text(StopOrder(command_id))
        give(backend, Command(secrets.token_hex(8), text, STOP_SECONDS))

    return ask


def _question(command_id: str, kind: type[R]) -> Callable[[BaseBackend], R | None]:
    _verify(command_id)

    def ask(backend: BaseBackend) -> R | None:
        for state in backend.read_commands():
            if state.command.command_id == command_id:
                found = _result(backend, state)
                return found if isinstance(found, kind) else None
        return None

    return kept("commands", "commands to workers", ask)


def _result(
    backend: BaseBackend, state: CommandState
) -> DisconnectResult | DrainResult | None:
    try:
        order = order_of(state.command.text)
    except BackendError:
        # Of another version.
        return None
    if not isinstance(order, DisconnectOrder | DrainOrder):
        return None
    return result_of_state(state, order, valid_snapshot(backend.read()).workers)


def result_of_state(
    state: CommandState,
    order: DisconnectOrder | DrainOrder,
    workers: Sequence[WorkerStatus],
) -> DisconnectResult | DrainResult:
    """Return what has become of a command by now.

    Args:
        state: What the backend has of the command.
        order: What the command says.
        workers: The workers that report now.
    """
    outcomes = dict(outcomes_in(state.results))
    own = reporter.sender.orders.outcome(state.command.command_id)
    if own is not None:
        outcomes[this_worker().worker_id] = own
    held = {it.worker.worker_id: it.total_sockets for it in workers}
    silent = [it for it in expected_by(state, order, workers) if it not in outcomes]
    if isinstance(order, DrainOrder):
        return drain_result_of(
            state.command.command_id,
            {it: found for it, found in outcomes.items() if found.waiting is not None},
            silent={it: held[it] for it in silent},
            held=held,
        )
    gone = outcomes.keys() - held.keys()
    return result_of(
        state.command.command_id,
        outcomes,
        lost=dict.fromkeys([*silent, *gone]),
        dry_run=order.dry_run,
    )


def expected_by(
    state: CommandState,
    order: DisconnectOrder | DrainOrder,
    workers: Sequence[WorkerStatus],
) -> Sequence[str]:
    """Return the ids of the workers that have to answer a command."""
    if isinstance(order, DrainOrder):
        # Those that started later are not drained.
        return [
            it.worker.worker_id
            for it in workers
            if order.selector.may_mean(it.worker.worker_id, it.worker.host)
            and it.worker.started_at.timestamp() < state.given_at
        ]
    # Those that started later answer as well, while the command has not expired.
    until = state.given_at + state.command.expires_seconds
    return [
        it.worker.worker_id
        for it in workers
        if order.selector.may_mean(it.worker.worker_id)
        and it.worker.started_at.timestamp() < until
    ]


def _verify(command_id: object) -> None:
    if not isinstance(command_id, str):
        kind = type(command_id).__name__
        raise TypeError(f"command_id must be a str, not {kind}.")
    if not 0 < len(command_id) <= 64:
        raise ValueError("command_id must have from 1 to 64 characters.")
