"""``list``: the open connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.utils import timezone

from django_socket_status.cli.columns import Field, UsageError, chosen, sort_key
from django_socket_status.cli.formats import (
    age_in_seconds,
    duration_text,
    instant_text,
)
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.notes import (
    INCOMPLETE,
    summary_notes,
    verify_covered,
)
from django_socket_status.cli.subcommands.criteria import (
    criteria_of,
    wrong_values_are_usage_errors,
)
from django_socket_status.cli.subcommands.lists import (
    ANONYMOUS,
    FieldsWithLabels,
    labels_text,
    list_footer,
    table_of,
)
from django_socket_status.cli.subcommands.pages import (
    Listed,
    Show,
    collect_open,
    collect_searched,
)
from django_socket_status.cli.subcommands.searched import is_searched, search_of
from django_socket_status.pages import ConnectionRecord
from django_socket_status.services import SocketStatusService
from django_socket_status.status.bodies import connection_body

__all__ = ["FIELDS", "read"]

#: The most connections that ``--sort`` reads.
MAX_SORTED = 100_000


def _age(record: ConnectionRecord) -> float:
    return age_in_seconds(record.connected_at, timezone.now())


_Field = Field[ConnectionRecord]

#: The columns by name: what ``--columns`` and ``--sort`` take.
FIELDS: FieldsWithLabels[ConnectionRecord] = FieldsWithLabels(
    (it.name, it)
    for it in (
        _Field("type", "TYPE", lambda it: it.type),
        _Field("user_id", "USER", lambda it: it.user_id or ANONYMOUS),
        _Field(
            "age",
            "OPEN FOR",
            lambda it: duration_text(_age(it)),
            is_number=True,
            is_volatile=True,
            sort_by=lambda it: -it.connected_at.timestamp(),
        ),
        _Field("labels", "LABELS", lambda it: labels_text(it.labels)),
        _Field("endpoint", "ENDPOINT", lambda it: it.endpoint),
        _Field(
            "connected_at", "CONNECTED AT", lambda it: instant_text(it.connected_at)
        ),
        _Field("worker_id", "WORKER", lambda it: it.worker_id),
        _Field("connection_id", "ID", lambda it: it.connection_id),
    )
)

DEFAULT = ("type", "user_id", "age", "labels", "endpoint", "connection_id")


def read(options: Mapping[str, Any], show: Show) -> Answer:
    """Return open connections, newest first or as ``--sort`` says.

    Raises:
        StatusUnavailableError: they cannot be listed now.
        UsageError: an option has an impossible value.
    """
    fields = chosen(options.get("columns"), FIELDS, DEFAULT)
    summary = SocketStatusService.get_socket_info_summary()
    verify_covered(summary)
    with wrong_values_are_usage_errors():
        listed = _listed(options, show)
    limit = None if options.get("all") else options["limit"]
    after = options.get("after")
    return Answer(
        body={
            "connections": [connection_body(it) for it in listed.records],
            "total": listed.total,
            "limit": limit,
            "offset": 0 if after is None else None,
            "next_offset": listed.next_offset,
            "next_after": listed.next_after,
            "complete": listed.complete,
        },
        tables=[]
        if options.get("json")
        else table_of(
            "connections", fields, listed.records, lambda it: it.connection_id
        ),
        notes=list(_notes(summary, listed)),
        footer=list(_footer(listed, after)),
    )


def _listed(options: Mapping[str, Any], show: Show) -> Listed:
    collect = _collector(options, show)
    limit = None if options.get("all") else options["limit"]
    after, name = options.get("after"), options.get("sort")
    if name is None and not options.get("reverse"):
        return collect(limit, after)
    if after is not None:
        raise UsageError("--after continues the list newest first: leave out --sort.")
    key = sort_key(name or "age", FIELDS)
    found = collect(MAX_SORTED, None)
    if not found.is_all:
        raise UsageError(
            f"--sort reads all connections, {MAX_SORTED} at most, and more match. Use "
            "filters, or the order without --sort."
        )
    records = sorted(found.records, key=key, reverse=bool(options.get("reverse")))
    return found._replace(records=records[:limit], total=len(records))


def _collector(
    options: Mapping[str, Any], show: Show
) -> Callable[[int | None, str | None], Listed]:
    """Return a function that collects so many connections, after a cursor."""
    if is_searched(options):
        wanted = search_of("open", options)
        return lambda limit, after: collect_searched(wanted, limit, show, after=after)
    criteria = criteria_of(options)
    return lambda limit, after: collect_open(criteria, limit, show, after=after)


def _notes(summary: Any, listed: Listed) -> Iterator[str]:
    if not listed.complete:
        yield INCOMPLETE
    if not listed.records:
        workers = len(SocketStatusService.get_workers())
        yield from summary_notes(summary, timezone.now(), reporting=workers)


def _footer(listed: Listed, after: str | None) -> Iterator[str]:
    shown = len(listed.records)
    if after is None or not shown:
        yield from list_footer(shown, listed.total, listed.is_all)
    elif listed.is_all:
        yield f"{shown} more, up to the end"
    else:
        yield f"{shown} more; go on with --after {listed.next_after}"
