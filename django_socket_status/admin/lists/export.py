"""Exports a list as CSV or JSON, in pieces, while it is read.

A text that a spreadsheet would take for a formula begins with an apostrophe in CSV
(OWASP, "CSV Injection"): labels and close reasons come from clients.
"""

from __future__ import annotations

import abc
import csv
import io
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from django_socket_status.activity.as_json import as_json
from django_socket_status.cli.subcommands.lists import labels_text
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.status.list_types import AnyConnection, State
from django_socket_status.status.search import (
    Found,
    Search,
    aiter_pages,
    iter_pages,
)

__all__ = ["FORMATS", "MAX_ROWS", "Format", "astream", "safe_cell", "stream"]

MAX_ROWS = 100_000
#: The rows of one piece. Under ASGI, the event loop waits while a piece is made.
CHUNK = 200

#: Characters that begin a formula, or that a spreadsheet skips before one. The last
#: four are the full-width forms of East Asian keyboards.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")

FIELDS: dict[State, Sequence[str]] = {
    "open": (
        *("connection_id", "type", "endpoint", "user_id", "labels"),
        *("connected_at", "worker_id"),
    ),
    "closed": (
        *("connection_id", "type", "endpoint", "user_id", "labels", "connected_at"),
        *("closed_at", "duration_seconds", "cause", "close_code", "close_reason"),
        *("worker_id", "release"),
    ),
    "rejected": (
        *("type", "endpoint", "user_id", "labels", "rejected_at", "status"),
        *("worker_id", "release"),
    ),
}


class Format(abc.ABC):
    """Writes the text of one export."""

    content_type: str
    suffix: str

    def __init__(self, state: State) -> None:
        self.fields = FIELDS[state]

    @abc.abstractmethod
    def begin(self) -> str:
        """Return what stands before the first row."""

    @abc.abstractmethod
    def rows(self, records: Sequence[AnyConnection]) -> str:
        """Return some rows."""

    @abc.abstractmethod
    def end(self, problem: str | None) -> str:
        """Return what stands behind the last row.

        Args:
            problem: Why rows are missing.
        """


class CsvFormat(Format):
    """Comma-separated values for a spreadsheet: UTF-8 with a byte order mark."""

    content_type = "text/csv; charset=utf-8"
    suffix = "csv"

    def begin(self) -> str:
        """Return the names of the columns."""
        return "\ufeff" + _lines([self.fields])

    def rows(self, records: Sequence[AnyConnection]) -> str:
        """Return a line for each connection."""
        return _lines(
            [safe_cell(_plain(getattr(it, name))) for name in self.fields]
            for it in records
        )

    def end(self, problem: str | None) -> str:
        """Return a line that says what is missing, if anything is."""
        return "" if problem is None else _lines([[safe_cell(problem)]])


class JsonFormat(Format):
    """One JSON object, a line for each connection."""

    content_type = "application/json"
    suffix = "json"

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._before = "\n"

    def begin(self) -> str:
        """Return the beginning of the object."""
        return '{"connections": ['

    def rows(self, records: Sequence[AnyConnection]) -> str:
        """Return a line for each connection."""
        texts = []
        for record in records:
            fields = {name: getattr(record, name) for name in self.fields}
            texts += [self._before, json.dumps(as_json(fields))]
            self._before = ",\n"
        return "".join(texts)

    def end(self, problem: str | None) -> str:
        """Return the end of the object: whether it is complete, and why not."""
        rest = {"complete": problem is None, "problem": problem}
        return f"\n], {json.dumps(rest)[1:]}\n"


FORMATS: dict[str, type[Format]] = {"csv": CsvFormat, "json": JsonFormat}


def stream(wanted: Search, form: Format) -> Iterator[str]:
    """Yield the pieces of an export, the first one before anything is read."""
    export = _Export(form)
    yield form.begin()
    try:
        for found in iter_pages(wanted):
            yield from export.take(found)
            if export.is_full:
                break
    except StatusUnavailableError as error:
        export.problem = str(error)
    yield form.end(export.problem)


async def astream(wanted: Search, form: Format) -> AsyncIterator[str]:
    """Yield the pieces of an export on an event loop, as :func:`stream`."""
    export = _Export(form)
    yield form.begin()
    try:
        async for found in aiter_pages(wanted):
            for piece in export.take(found):
                yield piece
            if export.is_full:
                break
    except StatusUnavailableError as error:
        export.problem = str(error)
    yield form.end(export.problem)


class _Export:
    """How far an export has come."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._left = MAX_ROWS
        self.problem: str | None = None
        self.is_full = False

    def take(self, found: Found) -> Iterator[str]:
        """Yield the rows of a page, up to the limit."""
        records = found.records[: self._left]
        self._left -= len(records)
        if len(records) < len(found.records) or (not self._left and found.next_place):
            self.is_full = True
            self.problem = _("These are the first %(count)s connections only.") % {
                "count": MAX_ROWS
            }
        elif found.is_sample:
            self.problem = _("The list is a sample: it had no room for all.")
        elif not found.complete:
            self.problem = _("The list is not complete.")
        for first in range(0, len(records), CHUNK):
            yield self._form.rows(records[first : first + CHUNK])


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _plain(value: Any) -> str:
    """Return a value as text; labels in one line."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return labels_text(value)
    return str(as_json(value))


def _lines(rows: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
