"""Searches the lists of connections by what no backend has an index for.

The filters of :class:`~django_socket_status.records.ConnectionQuery` are the backend's.
The others (endpoint, age, and the workers if the backend does not know them) are tried
on each connection that the backend returns. A search looks at a limited number of open
connections, and then says where it stopped.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import AsyncIterator, Callable, Iterator

from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.exceptions import BackendError
from django_socket_status.pages import START, Cursor
from django_socket_status.records import (
    ConnectionPage,
    ConnectionRecord,
)
from django_socket_status.status.arguments import MAX_LIMIT
from django_socket_status.status.kept import no_details
from django_socket_status.status.list_types import AnyConnection
from django_socket_status.status.lists import ended_of
from django_socket_status.status.queries import answered, connections_of
from django_socket_status.status.reader import status_reader
from django_socket_status.status.search.ended import page_of, parsed
from django_socket_status.status.search.wanted import (
    EPOCH,
    MICROSECOND,
    Found,
    Search,
    happened_at,
)

__all__ = [
    "Found",
    "Search",
    "aiter_pages",
    "happened_at",
    "iter_matching",
    "iter_pages",
    "search",
]

#: How many pages of ``MAX_LIMIT`` open connections one search reads at most, and after
#: how many seconds it begins no other one. A reader waits less than a second.
READS, SECONDS = 5, 0.2

#: A place in a list: a cursor, or how many connections come before it.
Place = Cursor | int


def search(wanted: Search, limit: int, place: str | None = None) -> Found:
    """Return connections that match, newest first.

    Args:
        wanted: Which connections.
        limit: The most connections to return, up to 1,000.
        place: The ``next_place`` of another answer.

    Raises:
        ValueError: the place is none of this list.
        StatusUnavailableError: the list cannot be read now, or is not kept.
    """
    return status_reader.ask(_question(wanted, limit, place), searches=True)


def iter_matching(wanted: Search) -> Iterator[AnyConnection]:
    """Iterate over all connections that match, newest first.

    Raises:
        StatusUnavailableError: during the iteration: the list cannot be read.
    """
    for found in iter_pages(wanted):
        yield from found.records


def iter_pages(wanted: Search) -> Iterator[Found]:
    """Iterate over all connections that match, newest first, in pages.

    Raises:
        StatusUnavailableError: during the iteration: the list cannot be read.
    """
    place: str | None = None
    while True:
        question = _question(wanted, _size(wanted), place)
        found = status_reader.ask(question, searches=True)
        yield found
        if (place := found.next_place) is None:
            return


async def aiter_pages(wanted: Search) -> AsyncIterator[Found]:
    """Iterate over all connections that match, as :func:`iter_pages`."""
    place: str | None = None
    while True:
        question = _question(wanted, _size(wanted), place)
        found = await status_reader.aask(question, searches=True)
        yield found
        if (place := found.next_place) is None:
            return


def _size(wanted: Search) -> int:
    """Return the size of a page: ended connections are all read at once."""
    return MAX_LIMIT if wanted.state == "open" else 10 * MAX_LIMIT


def _question(
    wanted: Search, limit: int, place: str | None
) -> Callable[[BaseBackend], Found]:
    if wanted.state == "open":
        return _Walk(wanted, limit, place).run
    read = ended_of(wanted.state, wanted.query, wanted.cause, wanted.code)
    if place is not None:
        parsed(place)
    return lambda backend: page_of(read(backend), wanted, limit, place)


def _place_of(wanted: Search, text: str | None) -> Place | None:
    """Return the place of a text; without one, the place of ``until_at``.

    Raises:
        ValueError: there is no such place.
    """
    if text is None:
        until_at = wanted.until_at
        return None if until_at is None else Cursor(_seconds(until_at), "", -1)
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    return Cursor.read(text)


def _seconds(at: datetime.datetime) -> float:
    """Return an instant in seconds, with the microsecond that it begins."""
    return (at + MICROSECOND - EPOCH).total_seconds()


class _Walk:
    """One search for open connections, within one question to the backend."""

    def __init__(self, wanted: Search, limit: int, place: str | None) -> None:
        self._wanted, self._limit = wanted, limit
        self._place = _place_of(wanted, place)
        self._begins = place is None
        self._records: list[ConnectionRecord] = []
        self._looked_at = 0
        self._complete = True
        self._is_end = False

    def run(self, backend: BaseBackend) -> Found:
        """Return what was found."""
        wanted = self._wanted
        if not backend.pages_after and isinstance(self._place, Cursor):
            self._place = None
        elif backend.pages_after and self._place is None:
            # Without a place, a backend counts all that match, one by one if need be.
            self._place = START
        tried = wanted.is_tried_on_each(backend)
        size, reads = (MAX_LIMIT, READS) if tried else (self._limit, 1)
        page, began = None, monotonic()
        for _ in range(reads):
            page = self._take(backend, size)
            if self._is_end or len(self._records) >= self._limit:
                break
            if monotonic() - began >= SECONDS:
                break
        is_full = len(self._records) >= self._limit
        return Found(
            records=self._records,
            total=self._total(page, tried=tried),
            next_place=None if self._is_end else _text(self._place),
            complete=self._complete,
            looked_at=None if self._is_end or is_full else self._looked_at,
        )

    def _total(self, page: ConnectionPage | None, *, tried: bool) -> int | None:
        wanted = self._wanted
        if self._begins and self._is_end:
            return len(self._records)
        is_cut = tried or wanted.from_at is not None or wanted.until_at is not None
        return None if is_cut or page is None else page.total

    def _take(self, backend: BaseBackend, size: int) -> ConnectionPage:
        """Read a page, keep what matches, and move on behind it."""
        page = self._read(backend, size)
        kept = [n for n, it in enumerate(page) if self._wanted.matches(it)]
        room = self._limit - len(self._records)
        if len(kept) > room:
            # Only a page that ends there has the exact place of its last connection.
            page = self._read(backend, kept[room - 1] + 1)
        self._records += [it for it in page if self._wanted.matches(it)]
        self._looked_at += len(page)
        self._complete = self._complete and page.complete
        self._move_behind(backend, page)
        return page

    def _read(self, backend: BaseBackend, size: int) -> ConnectionPage:
        place, query = self._place, self._wanted.query
        if not backend.pages_of_workers:
            query = dataclasses.replace(query, worker_ids=None, number=None)
        query = dataclasses.replace(
            query,
            limit=size,
            offset=place if isinstance(place, int) else 0,
            after=place if isinstance(place, Cursor) else None,
        )
        try:
            return answered(connections_of(query)(backend))
        except BackendError as error:
            if backend.wants_details:
                raise
            raise no_details(backend, "open") from error

    def _move_behind(self, backend: BaseBackend, page: ConnectionPage) -> None:
        from_at = self._wanted.from_at
        if backend.pages_after and not isinstance(self._place, int):
            self._place, self._is_end = page.next_cursor, page.next_cursor is None
        else:
            self._place, self._is_end = page.next_offset, page.next_offset is None
        if from_at is not None and page and page[-1].connected_at < from_at:
            self._is_end = True


def _text(place: Place | None) -> str | None:
    if isinstance(place, Cursor):
        return place.text
    return None if place is None else str(place)
