"""``drain``: empties workers before they are stopped."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.cli.columns import Field, UsageError, count_fields
from django_socket_status.cli.formats import counted, duration_text
from django_socket_status.cli.frames import Answer, json_text
from django_socket_status.cli.notes import verify_covered
from django_socket_status.cli.output import Output
from django_socket_status.cli.progress import Progress
from django_socket_status.cli.questions import who_asks
from django_socket_status.cli.subcommands.criteria import (
    verify_not_empty,
    verify_selected,
    wrong_values_are_usage_errors,
)
from django_socket_status.cli.subcommands.disconnect import NOT_COMPLETE, WAYS
from django_socket_status.cli.subcommands.lists import table_of
from django_socket_status.control.drain_results import DrainResult, WorkerDrain
from django_socket_status.operations.drain import carry_out, drain_order
from django_socket_status.services import SocketStatusService

__all__ = ["act"]

#: The options that select workers.
SELECTORS = ("worker", "host", "this_host", "release")

_Field = Field[WorkerDrain]

COLUMNS: Sequence[Field[WorkerDrain]] = (
    _Field("worker_id", "WORKER", lambda it: it.worker_id),
    _Field("remaining", "OPEN", lambda it: str(it.remaining), is_number=True),
    *count_fields("waiting", *WAYS),
)


def act(options: Mapping[str, Any], output: Output) -> int:
    """Drain workers, or let them go on; return the exit code.

    Raises:
        StatusUnavailableError: the workers cannot be reached.
        UsageError: an option has an impossible value.
    """
    verify_not_empty(options, *SELECTORS)
    selected = _selected(options)
    who = who_asks(options.get("requested_by"))
    if options.get("stop"):
        return _stop(selected, who, options, output)
    verify_selected(options, *SELECTORS, all_of="every worker of the deployment")
    with wrong_values_are_usage_errors():
        order = drain_order(
            **selected,
            over_seconds=options["over"],
            grace_seconds=options["grace"],
            code=options["code"],
            reason=options["reason"],
            requested_by=who,
        )
    verify_covered(SocketStatusService.get_socket_info_summary())
    waits = bool(options.get("wait"))
    with Progress(output) as progress:

        def show(result: DrainResult, seconds_left: float) -> None:
            if waits:
                progress.say(_progress(result, seconds_left))

        result = carry_out(order, wait=waits, show=show)
    _show(result, waits, options, output)
    return NOT_COMPLETE if waits and not result.complete else 0


def _selected(options: Mapping[str, Any]) -> dict[str, Any]:
    host = options.get("host")
    if options.get("this_host"):
        if host is not None:
            raise UsageError("--this-host and --host exclude each other.")
        host = socket.gethostname()
    return {
        "worker": options.get("worker"),
        "host": host,
        "release": options.get("release"),
        "all": bool(options.get("all")),
    }


def _stop(
    selected: dict[str, Any], who: str, options: Mapping[str, Any], output: Output
) -> int:
    if not any(selected.values()):
        selected["all"] = True
    with wrong_values_are_usage_errors():
        SocketStatusService.stop_drain(**selected, requested_by=who)
    if options.get("json"):
        output.lines([json_text({"stopped": True})])
    else:
        output.lines(["Workers that drain were told to go on, within a heartbeat."])
    return 0


def _progress(result: DrainResult, seconds_left: float) -> str:
    left = duration_text(seconds_left)
    return (
        f"{result.remaining} open, {result.closed} closed, {result.gone} gone, "
        f"at most {left} left"
    )


def _show(
    result: DrainResult, waits: bool, options: Mapping[str, Any], output: Output
) -> None:
    if options.get("json"):
        output.lines([json_text(result.as_dict(), indent=2)])
        return
    records = list(result.by_worker.values())
    answer = Answer(
        body={},
        tables=table_of("workers", COLUMNS, records, lambda it: it.worker_id),
        footer=list(_outcome(result, waits)),
    )
    output.lines(answer.lines(output.width()))


def _outcome(result: DrainResult, waits: bool) -> Iterator[str]:
    if not result.by_worker:
        yield "No worker matches: there is nothing to drain."
        return
    workers = counted(len(result.by_worker), "worker")
    if not waits:
        yield (
            f"{workers}, {counted(result.remaining, 'open connection')}. "
            "'manage.py socket_status commands' shows how far the drain has come."
        )
    elif result.complete:
        yield f"{workers}, no open connection"
    else:
        left = counted(result.remaining, "open connection")
        yield f"! The time ran out: {workers}, {left}."
    if result.silent_workers:
        silent = counted(len(result.silent_workers), "worker")
        yield (
            f"! {silent} did not answer: of an earlier version of this package, or "
            "not able to report now."
        )
