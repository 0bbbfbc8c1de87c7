"""What stands in the cells of a list: texts, instants and links, without markup."""

from __future__ import annotations

import dataclasses
import datetime
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from django_socket_status.admin.figures.words import cause_text, code_text, status_text
from django_socket_status.admin.filters import LABEL_PREFIX, Filter
from django_socket_status.admin.lists.columns import Column
from django_socket_status.admin.lists.people import Person, people_of
from django_socket_status.admin.page import Page
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.list_types import AnyConnection

__all__ = ["Cell", "Part", "Row", "rows_of"]


class Part(NamedTuple):
    """A text, perhaps with a link."""

    text: str
    url: str = ""
    title: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell: one of the three is set."""

    column: Column
    parts: Sequence[Part] = ()
    at: datetime.datetime | None = None
    seconds: float | None = None
    is_age: bool = False
    """Whether the instant is shown as an age."""


class Row(NamedTuple):
    """One connection."""

    connection_id: str
    """Empty for a rejected handshake."""
    url: str
    """The page of the connection; empty for a rejected handshake."""
    cells: Sequence[Cell]
    select_text: str
    """What a screen reader says of its checkbox."""
    details_text: str
    """What a screen reader says of the link to its page."""


def rows_of(
    page: Page,
    filter_: Filter,
    columns: Sequence[Column],
    records: Sequence[AnyConnection],
    workers: Mapping[str, WorkerRecord],
    cols: str | None = None,
) -> Sequence[Row]:
    """Return the rows of a list. Runs one query, for the names of the users.

    Args:
        page: The request.
        filter_: What is listed: links add to it.
        columns: The columns of the rows.
        records: The connections.
        workers: The workers that report, by their ids.
        cols: The parameter of the URL that keeps the columns.
    """
    people = people_of(page, (it.user_id for it in records))
    makes = _Cells(page, filter_, people, workers, cols)
    return [makes.row(columns, it) for it in records]


class _Cells:
    """Makes the cells of one page."""

    def __init__(
        self,
        page: Page,
        filter_: Filter,
        people: Mapping[str, Person],
        workers: Mapping[str, WorkerRecord],
        cols: str | None,
    ) -> None:
        self._page, self._filter, self._cols = page, filter_, cols
        self._people, self._workers = people, workers
        self._links: dict[tuple[str, str], str] = {}
        self._list = page.url(filter_.state)
        self._one = page.url("connection", "ID")
        self._select = _("Select connection %(id)s")
        self._details = _("Details of connection %(id)s")

    def row(self, columns: Sequence[Column], record: AnyConnection) -> Row:
        """Return the row of a connection."""
        connection_id = getattr(record, "connection_id", "")
        name = urllib.parse.quote(connection_id, safe="")
        url = self._one.replace("/ID/", f"/{name}/") if name else ""
        cells = [self.cell(column, record) for column in columns]
        of_one = {"id": connection_id}
        return Row(
            connection_id, url, cells, self._select % of_one, self._details % of_one
        )

    def cell(self, column: Column, record: Any) -> Cell:
        """Return one cell of a connection."""
        name = column.name
        if name.startswith(LABEL_PREFIX):
            label = name.removeprefix(LABEL_PREFIX)
            found = {it: value for it, value in record.labels.items() if it == label}
            return Cell(column=column, parts=self._labels(found, with_name=False))
        if name == "age":
            return Cell(column=column, at=record.connected_at, is_age=True)
        if name in ("connected_at", "closed_at", "rejected_at"):
            return Cell(column=column, at=getattr(record, name))
        if name == "duration_seconds":
            return Cell(column=column, seconds=record.duration_seconds)
        make = _PARTS.get(name)
        parts = make(self, record) if make else [Part(str(getattr(record, name)))]
        return Cell(column=column, parts=parts)

    def link(self, name: str, value: str) -> str:
        """Return the URL of this list with one more filter."""
        key = name, value
        if key not in self._links:
            query = self._filter.query(**{name: value}, cols=self._cols)
            self._links[key] = f"{self._list}?{query}"
        return self._links[key]

    def user(self, record: AnyConnection) -> Sequence[Part]:
        """Return the user: a link to the admin, or else to the user's connections."""
        user_id = record.user_id
        if user_id is None:
            return [Part(_("anonymous"))]
        person = self._people.get(user_id)
        only = self.link("user", f"pk:{user_id}")
        return [
            Part(person.name if person else user_id, (person and person.url) or only)
        ]

    def type(self, record: AnyConnection) -> Sequence[Part]:
        """Return the type, with a link to the filtered list."""
        return [Part(record.type, self.link("type", record.type))]

    def endpoint(self, record: AnyConnection) -> Sequence[Part]:
        """Return the endpoint, with a link to the filtered list."""
        endpoint = record.endpoint
        return [Part(endpoint, self.link("endpoint", endpoint))] if endpoint else []

    def labels(self, record: AnyConnection) -> Sequence[Part]:
        """Return the labels, each with a link to the filtered list."""
        return self._labels(record.labels, with_name=True)

    def _labels(self, labels: Mapping[str, str], *, with_name: bool) -> Sequence[Part]:
        return [
            Part(
                f"{name}={value}" if with_name else value,
                self.link(f"{LABEL_PREFIX}{name}", value) if value else "",
            )
            for name, value in labels.items()
        ]

    def worker(self, record: AnyConnection) -> Sequence[Part]:
        """Return the worker, with a link to the filtered list."""
        worker = self._workers.get(record.worker_id)
        text = f"{worker.host}:{worker.pid}" if worker else record.worker_id
        return [Part(text, self.link("worker", record.worker_id))]

    def host(self, record: AnyConnection) -> Sequence[Part]:
        """Return the host of a worker that still reports."""
        worker = self._workers.get(record.worker_id)
        return [Part(worker.host, self.link("host", worker.host))] if worker else []

    def release(self, record: AnyConnection) -> Sequence[Part]:
        """Return the release of the worker."""
        worker = self._workers.get(record.worker_id)
        known = worker.condition.release if worker and worker.condition else ""
        release = getattr(record, "release", known)
        return [Part(release, self.link("release", release))] if release else []

    def status(self, record: Any) -> Sequence[Part]:
        """Return how a handshake was rejected; a status links to the filtered list."""
        status = record.status
        url = self.link("code", status) if status.isdecimal() else ""
        return [Part(status if url else status_text(status), url)]

    def cause(self, record: Any) -> Sequence[Part]:
        """Return the cause, with a link to the filtered list."""
        return [Part(cause_text(record.cause), self.link("cause", record.cause))]

    def code(self, record: Any) -> Sequence[Part]:
        """Return the close code, with a link to the filtered list."""
        if record.close_code is None:
            return []
        code = str(record.close_code)
        return [Part(code, self.link("code", code), code_text(code))]


_PARTS: Mapping[str, Callable[[_Cells, Any], Sequence[Part]]] = {
    "user_id": _Cells.user,
    "type": _Cells.type,
    "endpoint": _Cells.endpoint,
    "labels": _Cells.labels,
    "worker_id": _Cells.worker,
    "host": _Cells.host,
    "release": _Cells.release,
    "status": _Cells.status,
    "cause": _Cells.cause,
    "close_code": _Cells.code,
}
