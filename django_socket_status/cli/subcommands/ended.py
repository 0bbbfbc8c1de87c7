"""Reads the lists of closed and of rejected connections, which are short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from django.utils import timezone

from django_socket_status.activity.as_json import as_json
from django_socket_status.cli.columns import Field, chosen, sort_key
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.notes import summary_notes, verify_covered
from django_socket_status.cli.subcommands.criteria import (
    criteria_of,
    wrong_values_are_usage_errors,
)
from django_socket_status.cli.subcommands.lists import list_footer, table_of
from django_socket_status.cli.subcommands.searched import is_searched, search_of
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.status.arguments import MAX_LIMIT
from django_socket_status.status.list_types import State
from django_socket_status.status.search import Search, iter_pages

__all__ = ["Columns", "read_ended"]

DAMAGED = "The list is not complete: an entry in the store is damaged."
SAMPLE = (
    "The list is a sample: more ended at once than it has room for. 'totals' and "
    "'history' count all."
)


class Columns(NamedTuple):
    """The columns of one list."""

    fields: Mapping[str, Field[Any]]
    default: Sequence[str]
    age: str
    """The name of the column whose smallest value is the newest."""


class _Found(NamedTuple):
    records: Sequence[Any]
    total: int
    is_sample: bool
    complete: bool


def read_ended(
    state: State, options: Mapping[str, Any], columns: Columns, **criteria: Any
) -> Answer:
    """Return ended connections, newest first or as ``--sort`` says.

    Args:
        state: ``"closed"`` or ``"rejected"``.
        options: The options of the command line.
        columns: The columns that can be shown.
        criteria: Filters that open connections do not have.

    Raises:
        StatusUnavailableError: they cannot be listed now, or the backend keeps none.
        UsageError: an option has an impossible value.
    """
    fields = chosen(options.get("columns"), columns.fields, columns.default)
    summary = SocketStatusService.get_socket_info_summary()
    verify_covered(summary)
    limit = None if options.get("all") else options["limit"]
    with wrong_values_are_usage_errors():
        if is_searched(options):
            found = _searched(search_of(state, options, **criteria), options, columns)
            found = found._replace(records=found.records[:limit])
        else:
            given = {"state": state, **criteria_of(options), **criteria}
            found = _found(given, options, columns, limit)
    shown = len(found.records)
    has_more = shown < found.total
    return Answer(
        body={
            "connections": as_json(found.records),
            "total": found.total,
            "limit": limit,
            "offset": 0,
            "is_sample": found.is_sample,
            "complete": found.complete,
            "next_offset": shown if has_more else None,
        },
        tables=[]
        if options.get("json")
        else table_of(state, fields, found.records, _key),
        notes=list(_notes(summary, found)),
        footer=list(list_footer(shown, found.total, is_all=not has_more)),
    )


def _key(record: Any) -> str:
    """Return a key that no other record has; rejected handshakes have no id."""
    try:
        return cast(str, record.connection_id)
    except AttributeError:
        return f"{record.worker_id} {record.rejected_at.isoformat()}"


def _found(
    given: Mapping[str, Any],
    options: Mapping[str, Any],
    columns: Columns,
    limit: int | None,
) -> _Found:
    service: Any = SocketStatusService
    name = options.get("sort")
    is_sorted = name is not None or options.get("reverse")
    if limit is not None and limit <= MAX_LIMIT and not is_sorted:
        page = service.get_connections(**given, limit=limit)
        return _Found(page.connections, page.total, page.is_sample, page.complete)
    page = service.get_connections(**given, limit=1)
    records = list(_all(given, complete=page.complete))
    if is_sorted:
        records = _sorted(records, options, columns)
    return _Found(records[:limit], len(records), page.is_sample, page.complete)


def _searched(wanted: Search, options: Mapping[str, Any], columns: Columns) -> _Found:
    """Return what a search finds, for filters that the Python API does not have."""
    pages = list(iter_pages(wanted))
    found = pages[0]
    records: Sequence[Any] = [it for page in pages for it in page.records]
    if options.get("sort") is not None or options.get("reverse"):
        records = _sorted(records, options, columns)
    return _Found(records, len(records), found.is_sample, found.complete)


def _sorted(
    records: Sequence[Any], options: Mapping[str, Any], columns: Columns
) -> list[Any]:
    key = sort_key(options.get("sort") or columns.age, columns.fields)
    return sorted(records, key=key, reverse=bool(options.get("reverse")))


def _all(given: Mapping[str, Any], *, complete: bool) -> Iterator[Any]:
    """Yield all records that match, in one reading, without damaged ones."""
    service: Any = SocketStatusService
    try:
        yield from service.iter_connections(**given)
    except StatusUnavailableError:
        # Damaged records raise this after the last readable one.
        if complete:
            raise


def _notes(summary: Any, found: _Found) -> Iterator[str]:
    if not found.complete:
        yield DAMAGED
    if found.is_sample:
        yield SAMPLE
    if not found.records:
        workers = len(SocketStatusService.get_workers())
        yield from summary_notes(summary, timezone.now(), reporting=workers)
