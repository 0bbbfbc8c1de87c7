"""``disconnect``: closes connections, and says what became of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.cli.columns import Field, count_fields
from django_socket_status.cli.formats import counted
from django_socket_status.cli.frames import Answer, json_text
from django_socket_status.cli.notes import verify_covered
from django_socket_status.cli.output import Output
from django_socket_status.cli.progress import Progress
from django_socket_status.cli.questions import confirmed, verify_answerable, who_asks
from django_socket_status.cli.subcommands import connections
from django_socket_status.cli.subcommands.criteria import (
    labels_of,
    verify_selected,
    with_user,
    wrong_values_are_usage_errors,
)
from django_socket_status.cli.subcommands.lists import table_of
from django_socket_status.cli.subcommands.matches import SHOWN, some_matches
from django_socket_status.control.results import DisconnectResult, WorkerDisconnects
from django_socket_status.control.texts import DisconnectOrder
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.operations.disconnect import carry_out, disconnect_order
from django_socket_status.operations.following import follow
from django_socket_status.services import SocketStatusService

__all__ = ["NOT_COMPLETE", "WAYS", "act"]

#: The exit code if a connection that matched has not ended.
NOT_COMPLETE = 3

#: The options that select connections.
SELECTORS = ("id", "user", "type", "label", "worker", "release")

#: What may become of a connection: the names in a result.
WAYS = ("closed", "sent", "unsent", "gone", "unanswered")

_Field = Field[WorkerDisconnects]

COLUMNS: Sequence[Field[WorkerDisconnects]] = (
    _Field("worker_id", "WORKER", lambda it: it.worker_id),
    *count_fields("matched", *WAYS),
)


def act(options: Mapping[str, Any], output: Output) -> int:
    """Close connections; return the exit code.

    Raises:
        StatusUnavailableError: the workers cannot be reached.
        UsageError: an option has an impossible value.
    """
    order = order_of(options)
    asks = not (options.get("yes") or order.dry_run)
    if asks:
        verify_answerable()
    verify_covered(SocketStatusService.get_socket_info_summary())
    if asks or order.dry_run:
        found = carry_out(dataclasses.replace(order, dry_run=True))
        _show_matches(found, order, options, output)
        if order.dry_run:
            return NOT_COMPLETE if found.unanswered or found.unknown_workers else 0
        question = f"Close {counted(found.matched, 'connection')}?"
        if _is_any(found) and not confirmed(question, output):
            output.say("Nothing was closed.")
            return NOT_COMPLETE
    result = _closed(order, output)
    _show(result, options, output)
    return 0 if result.complete else NOT_COMPLETE


def order_of(options: Mapping[str, Any]) -> DisconnectOrder:
    """Return the order that the options mean.

    Raises:
        UsageError: an option has an impossible value.
    """
    verify_selected(options, *SELECTORS, all_of="every connection of the deployment")
    ids, keep = _ids(options.get("id")), _ids(options.get("keep"))
    labels = labels_of(options.get("label") or ())
    with wrong_values_are_usage_errors():
        return disconnect_order(
            connection_ids=ids,
            user=with_user(options).get("user"),
            type=options.get("type"),
            labels=labels or None,
            worker=options.get("worker"),
            release=options.get("release"),
            all=bool(options.get("all")),
            keep=keep,
            code=options["code"],
            reason=options["reason"],
            rate=options.get("rate"),
            wait_seconds=5.0,
            dry_run=bool(options.get("dry_run")),
            requested_by=who_asks(options.get("requested_by")),
        )


def _ids(given: Sequence[str] | None) -> tuple[str, ...]:
    texts = (it.strip() for part in given or () for it in part.split(","))
    return tuple(it for it in texts if it)


def _is_any(found: DisconnectResult) -> bool:
    return bool(found.matched or found.unknown_workers)


def _closed(order: DisconnectOrder, output: Output) -> DisconnectResult:
    with Progress(output) as progress:

        def show(result: DisconnectResult) -> None:
            if result.matched:
                ended = result.closed + result.gone
                progress.say(f"{ended} of {result.matched} connections ended")
            else:
                progress.say("Waiting for the workers")

        return follow(order, carry_out(order, show), show)


def _show_matches(
    found: DisconnectResult,
    order: DisconnectOrder,
    options: Mapping[str, Any],
    output: Output,
) -> None:
    if options.get("json"):
        if order.dry_run:
            output.lines([json_text(found.as_dict(), indent=2)])
        return
    try:
        records = some_matches(order.selector)
    except (NotKeptError, StatusUnavailableError):
        # The backend lists no connections, so only the numbers are shown.
        records = []
    fields = [connections.FIELDS[name] for name in connections.DEFAULT]
    answer = Answer(
        body={},
        tables=table_of("matches", fields, records, lambda it: it.connection_id),
        notes=list(_unanswered(found)),
        footer=list(_matched(found, len(records))),
    )
    output.lines(answer.lines(output.width()))


def _matched(found: DisconnectResult, shown: int) -> Iterator[str]:
    workers = sum(1 for it in found.by_worker.values() if it.matched)
    if not _is_any(found):
        yield "None matches."
        return
    more = f"; the newest {SHOWN} are shown" if SHOWN <= shown < found.matched else ""
    matches = counted(found.matched, "connection matches", "connections match")
    yield f"{matches}, of {counted(workers, 'worker')}{more}"


def _unanswered(found: DisconnectResult) -> Iterator[str]:
    if found.unknown_workers:
        workers = counted(len(found.unknown_workers), "worker")
        yield f"{workers} did not answer, and may have more."


def _show(result: DisconnectResult, options: Mapping[str, Any], output: Output) -> None:
    if options.get("json"):
        output.lines([json_text(result.as_dict(), indent=2)])
        return
    records = list(result.by_worker.values())
    answer = Answer(
        body={},
        tables=table_of("workers", COLUMNS, records, lambda it: it.worker_id),
        footer=list(_outcome(result)),
    )
    output.lines(answer.lines(output.width()))


def _outcome(result: DisconnectResult) -> Iterator[str]:
    if not _is_any(result):
        yield "None matches."
        return
    ended = result.closed + result.gone
    yield f"{ended} of {counted(result.matched, 'connection')} ended"
    if result.unknown_workers:
        workers = counted(len(result.unknown_workers), "worker")
        yield f"! {workers} did not answer: its connections are not in these numbers."
    if not result.complete:
        yield (
            f"! Not complete. Command {result.command_id} may go on for a minute: "
            "'manage.py socket_status commands' shows how far it has come."
        )
