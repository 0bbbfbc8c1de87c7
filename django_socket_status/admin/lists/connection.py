"""The page of one connection: its facts, its worker, and the user's other ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from django.http import Http404
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from django_socket_status.admin.filters import Filter
from django_socket_status.admin.lists import links
from django_socket_status.admin.lists.cells import rows_of
from django_socket_status.admin.lists.columns import COLUMNS, Column
from django_socket_status.admin.page import Page
from django_socket_status.control.selector import connection_numbers
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import ConnectionQuery
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.list_types import AnyConnection, State
from django_socket_status.status.search import Search, search

__all__ = ["connection"]

#: The most other connections of the user, open ones and closed ones.
OTHERS, CLOSES = 50, 20

FACTS: dict[State, Sequence[str]] = {
    "open": (
        *("type", "endpoint", "user_id", "labels"),
        *("connected_at", "age", "worker_id"),
    ),
    "closed": (
        *("type", "endpoint", "user_id", "labels", "connected_at", "closed_at"),
        *("duration_seconds", "cause", "close_code", "close_reason"),
        *("worker_id", "release"),
    ),
}
OTHER: dict[State, Sequence[str]] = {
    "open": ("age", "type", "endpoint", "labels", "worker_id"),
    "closed": (
        *("closed_at", "type", "labels", "cause", "close_code"),
        *("close_reason", "duration_seconds"),
    ),
}


def connection(page: Page, connection_id: str) -> HttpResponseBase:
    """Answer with the page of a connection, open or recently closed."""
    query = _query_of(connection_id)
    state, record = _find(query)
    workers = {it.worker_id: it for it in SocketStatusService.get_workers()}
    title = _("Connection %(id)s") % {"id": connection_id}
    if record is None:
        context = {"connection_id": connection_id, "is_found": False}
        return page.render("connection.html", title, status=404, **context)
    (row,) = rows_of(
        page, Filter(state=state), _columns(FACTS[state]), [record], workers
    )
    return page.render(
        "connection.html",
        title,
        connection_id=connection_id,
        is_found=True,
        is_open=state == "open",
        facts=row.cells,
        user_id=record.user_id,
        worker=workers.get(record.worker_id),
        others=_others(page, record, workers),
        disconnect_url=state == "open"
        and links.disconnect_url(page, connection_id=connection_id),
    )


def _query_of(connection_id: str) -> ConnectionQuery:
    try:
        ((worker_id, numbers),) = connection_numbers("id", [connection_id]).items()
    except ValueError as error:
        raise Http404("There is no connection with this id.") from error
    return ConnectionQuery(worker_ids=frozenset({worker_id}), number=numbers[0])


def _find(query: ConnectionQuery) -> tuple[State, AnyConnection | None]:
    """Return a connection and its list, ``None`` if it is in none.

    Raises:
        StatusUnavailableError: it is not open, and closed ones cannot be read.
    """
    found = search(Search(query=query), 1).records
    if found:
        return "open", found[0]
    closed = search(Search(state="closed", query=query), 1).records
    return "closed", closed[0] if closed else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Others:
    """Other connections of the same user."""

    state: State
    columns: Sequence[Column]
    rows: Sequence[Any]
    url: str
    has_more: bool
    problem: str


def _others(
    page: Page, record: AnyConnection, workers: dict[str, WorkerRecord]
) -> Sequence[_Others]:
    if record.user_id is None:
        return ()
    query = ConnectionQuery(user_id=record.user_id)
    this = getattr(record, "connection_id", None)
    states: tuple[tuple[State, int], ...] = (("open", OTHERS), ("closed", CLOSES))
    return [_of_state(page, it, query, most, this, workers) for it, most in states]


def _of_state(
    page: Page,
    state: State,
    query: ConnectionQuery,
    most: int,
    this: str | None,
    workers: dict[str, WorkerRecord],
) -> _Others:
    columns, filter_ = _columns(OTHER[state]), Filter(state=state)
    records: Sequence[AnyConnection] = ()
    problem = ""
    try:
        found = search(Search(state=state, query=query), most + 1)
        records = [it for it in found.records if _id_of(it) != this]
    except StatusUnavailableError as error:
        problem = str(error)
    return _Others(
        state=state,
        columns=columns,
        rows=rows_of(page, filter_, columns, records[:most], workers),
        url=f"{page.url(state)}?{filter_.query(user=f'pk:{query.user_id}')}",
        has_more=len(records) > most,
        problem=problem,
    )


def _id_of(record: AnyConnection) -> str | None:
    return getattr(record, "connection_id", None)


def _columns(names: Sequence[str]) -> Sequence[Column]:
    return [COLUMNS[name] for name in names]
