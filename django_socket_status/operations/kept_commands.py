"""Reads the commands that a backend keeps, and what has become of each."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from django_socket_status.activity.stored import CommandState
from django_socket_status.backends.base import BaseBackend
from django_socket_status.control.drain_orders import DrainOrder, UndrainOrder
from django_socket_status.control.drain_results import DrainResult
from django_socket_status.control.results import DisconnectResult
from django_socket_status.control.revocation import (
    CLOSE_CODE,
    REQUESTED_BY,
    RevocationOrder,
)
from django_socket_status.control.texts import (
    DisconnectOrder,
    Executable,
    StopOrder,
    order_of,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.operations.commanding import outcomes_in
from django_socket_status.operations.commands import expected_by, result_of_state
from django_socket_status.records import WorkerStatus, instant
from django_socket_status.status.kept import kept
from django_socket_status.status.reader import status_reader
from django_socket_status.validation import valid_snapshot

__all__ = ["CommandRecord", "CommandStatus", "read_commands"]

#: A worker is at it; every worker has answered for good; one did not answer in time;
#: another command has stopped it; it is of another version of this package.
CommandStatus = Literal["running", "done", "unanswered", "stopped", "unknown"]

Kept: TypeAlias = Executable | StopOrder


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A command to workers, and what has become of it."""

    command_id: str
    """For :meth:`get_command` and :meth:`stop_command`."""
    kind: str
    """``"disconnect"``, ``"drain"``, ``"undrain"``, ``"stop"``, or ``"revoke"`` of
    ``CLOSE_ON``; empty if unknown."""
    state: CommandStatus
    """How far it has come."""
    given_at: datetime.datetime
    """When it was given, by the clock of the backend: aware, UTC."""
    requested_by: str
    """Who asked, as the caller said."""
    selector: Mapping[str, Any]
    """What was selected; of a stop, the ``command_id``."""
    how: Mapping[str, Any]
    """How to do it: ``code``, ``reason``, and so on."""
    result: DisconnectResult | DrainResult | None
    """What became of the connections by now; ``None`` where workers do not say."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return {
            "command_id": self.command_id,
            "kind": self.kind,
            "state": self.state,
            "given_at": self.given_at.isoformat(),
            "requested_by": self.requested_by,
            "selector": dict(self.selector),
            **self.how,
            "result": self.result and self.result.as_dict(),
        }


def read_commands() -> Sequence[CommandRecord]:
    """Return the commands of the last 24 hours, newest first.

    Raises:
        StatusUnavailableError: the backend fails or does not answer in time.
        NotKeptError: the backend keeps no commands.
    """
    return status_reader.ask(kept("commands", "commands to workers", _records))


def _records(backend: BaseBackend) -> Sequence[CommandRecord]:
    states = backend.read_commands()
    workers = valid_snapshot(backend.read()).workers
    orders = [_order_of(it) for it in states]
    stopped = {it.command_id for it in orders if isinstance(it, StopOrder)}
    found = [
        _record(state, order, workers, stopped)
        for state, order in zip(states, orders, strict=True)
    ]
    return found[::-1]


def _order_of(state: CommandState) -> Kept | None:
    try:
        return order_of(state.command.text)
    except BackendError:
        return None


def _record(
    state: CommandState,
    order: Kept | None,
    workers: Sequence[WorkerStatus],
    stopped: set[str],
) -> CommandRecord:
    is_stopped = state.command.command_id in stopped
    return CommandRecord(
        command_id=state.command.command_id,
        given_at=instant(state.given_at),
        state="stopped" if is_stopped else _status(state, order, workers),
        **_facts(order),
        result=result_of_state(state, order, workers)
        if isinstance(order, DisconnectOrder | DrainOrder)
        else None,
    )


def _facts(order: Kept | None) -> dict[str, Any]:
    if isinstance(order, StopOrder):
        selector = {"command_id": order.command_id}
        return {"kind": "stop", "requested_by": "", "selector": selector, "how": {}}
    if order is None:
        return {"kind": "", "requested_by": "", "selector": {}, "how": {}}
    if isinstance(order, DrainOrder | UndrainOrder):
        how = order.as_dict()
        return {
            "kind": how.pop("do"),
            "requested_by": how.pop("requested_by"),
            "selector": how.pop("selector"),
            "how": how,
        }
    if isinstance(order, RevocationOrder):
        return {
            "kind": "revoke",
            "requested_by": REQUESTED_BY,
            "selector": order.selector,
            "how": {"code": CLOSE_CODE},
        }
    return {
        "kind": "disconnect",
        "requested_by": order.requested_by,
        "selector": order.selector.as_dict(),
        "how": {
            "code": order.code,
            "reason": order.reason,
            "rate": order.rate,
            "dry_run": order.dry_run,
        },
    }


def _status(
    state: CommandState,
    order: Kept | None,
    workers: Sequence[WorkerStatus],
) -> CommandStatus:
    if order is None:
        return "unknown"
    if isinstance(order, StopOrder | UndrainOrder | RevocationOrder):
        # Workers do not answer it.
        return "done"
    outcomes = outcomes_in(state.results)
    if any(
        not outcome.is_final
        for worker_id, outcome in outcomes.items()
        if any(it.worker.worker_id == worker_id for it in workers)
    ):
        return "running"
    if all(it in outcomes for it in expected_by(state, order, workers)):
        return "done"
    until = state.given_at + state.command.expires_seconds
    return "running" if time.time() < until else "unanswered"
