"""Builds the questions of the Python API to a backend.

A question is a function that takes the backend. It raises if the answer would hide a
connection that is not reported yet.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from django_socket_status.backends.base import BaseBackend
from django_socket_status.endpoints.served import ServedEndpoints
from django_socket_status.exceptions import BackendError, StatusUnavailableError
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    ConnectionRecord,
)
from django_socket_status.registry.registry import registry
from django_socket_status.status.answers import UserIds
from django_socket_status.status.paging import Walk
from django_socket_status.status.reader import status_reader
from django_socket_status.status.reading import Reading
from django_socket_status.validation import valid_flag, valid_page, valid_user_ids

__all__ = [
    "aiterate",
    "all_user_ids",
    "answered",
    "any_counted",
    "any_of",
    "connections_of",
    "iterate",
    "presence_of",
    "verify_absent",
]

logger = logging.getLogger("django_socket_status")

T = TypeVar("T")


def connections_of(
    query: ConnectionQuery,
) -> Callable[[BaseBackend], ConnectionPage | None]:
    """Return the question for a page of connections; see :func:`answered`."""

    def ask(backend: BaseBackend) -> ConnectionPage | None:
        if query.after is not None and not backend.pages_after:
            return None
        return _page(backend, query)

    return ask


def answered(page: T | None) -> T:
    """Return the answer to :func:`connections_of`.

    Raises:
        ValueError: the query has a cursor, and the backend takes none.
    """
    if page is None:
        raise ValueError(
            "after cannot be used with this backend, whose pages_after is False. Use "
            "offset."
        )
    return page


def _page(backend: BaseBackend, query: ConnectionQuery) -> ConnectionPage:
    page = valid_page(backend.get_connections(query), query)
    # ``page.complete`` covers the reports of others only.
    status_reader.verify_reported()
    if page.next_cursor is not None and not backend.pages_after:
        return dataclasses.replace(page, next_cursor=None)
    return page


def any_of(query: ConnectionQuery) -> Callable[[BaseBackend], bool]:
    """Return the question whether any connection matches."""

    def ask(backend: BaseBackend) -> bool:
        page = valid_page(backend.get_connections(query), query)
        if page.total:
            return True
        status_reader.verify_reported()
        if not page.complete:
            raise BackendError("connections are still being reported")
        return False

    return ask


def iterate(query: ConnectionQuery) -> Iterator[ConnectionRecord]:
    """Iterate over all connections that match, page by page."""
    walk = Walk(query)
    while not walk.is_done:
        yield from walk.take(status_reader.ask(_next_page(walk), searches=True))


async def aiterate(query: ConnectionQuery) -> AsyncIterator[ConnectionRecord]:
    """Iterate over all connections that match, on an event loop."""
    walk = Walk(query)
    while not walk.is_done:
        page = await status_reader.aask(_next_page(walk), searches=True)
        for record in walk.take(page):
            yield record


def _next_page(walk: Walk) -> Callable[[BaseBackend], ConnectionPage]:
    def ask(backend: BaseBackend) -> ConnectionPage:
        return _page(backend, walk.query(pages_after=backend.pages_after))

    return ask


def presence_of(user_id: str) -> Callable[[BaseBackend], bool]:
    """Return the question whether a user has a connection."""

    def ask(backend: BaseBackend) -> bool:
        return user_id in registry.users or valid_flag(backend.is_online(user_id))

    return ask


def all_user_ids(backend: BaseBackend) -> UserIds:
    """Return all users with a connection, also unreported ones of this process."""
    found = valid_user_ids(backend.online_user_ids())
    return UserIds(status_reader.own_users().union(found))


def any_counted(reading: Reading, kind: str | None) -> bool:
    """Return whether a reading counts any connection, of a type if given.

    Raises:
        StatusUnavailableError: no worker that was read has one, but not all were read.
    """
    for status in reading.snapshot.workers:
        if status.total_sockets if kind is None else status.counts.get(kind):
            return True
    if not reading.whole:
        raise StatusUnavailableError(
            "It is not known whether anybody listens: no connection of this process "
            "does, and not all reports of other processes could be read."
        )
    return False


def verify_absent(reading: Reading, kind: str | None) -> None:
    """Verify that a count of zero means that no connection of a type is open.

    Logs a type that no endpoint has.

    Raises:
        StatusUnavailableError: connections of the type are not counted on every route.
    """
    served = reading.served
    if served is None:
        return
    served.verify_counted(kind)
    if kind is not None and not served.may_occur(kind):
        _log_unknown(served, kind)


def _log_unknown(served: ServedEndpoints, kind: str) -> None:
    if status_reader.remember_unknown_type(kind):
        near = served.closest_type(kind)
        logger.warning(
            "No endpoint has the type %r%s.",
            kind,
            "" if near is None else f"; the closest one is {near!r}",
        )
