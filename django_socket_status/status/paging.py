"""Iterates over all connections page by page while connections open and close."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.pages import START
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    ConnectionRecord,
)

__all__ = ["Walk"]

#: How many connections of a page the next page repeats. As many may close between the
#: two pages before the walk has to step back.
OVERLAP = 50


class Walk:
    """The position of an iteration over a list of connections.

    With a backend that has ``pages_after``, each page begins where the last one ended.

    With another one, pages are found by their offset. The list begins with the newest
    connection. When a connection closes, all older ones move forward, and some may move
    past the beginning of the next page. So each page repeats the end of the last one.
    If the first connection of a page was not seen before, connections may have been
    skipped, and the walk steps back a page.

    Args:
        query: Which connections, and how many on a page.
    """

    def __init__(self, query: ConnectionQuery) -> None:
        self._query = query
        #: The place before the first page: backends need not count what follows it.
        self._after = START
        self._offset = 0
        self._seen: set[str] = set()
        self.is_done = False

    def query(self, *, pages_after: bool) -> ConnectionQuery:
        """Return the query for the next page.

        Args:
            pages_after: Whether the backend takes a cursor.
        """
        if pages_after:
            return dataclasses.replace(self._query, after=self._after)
        return dataclasses.replace(self._query, offset=self._offset)

    def take(self, page: ConnectionPage) -> Sequence[ConnectionRecord]:
        """Return the new connections of the page that was asked for, and move on.

        Raises:
            StatusUnavailableError: connections may be missing on the page.
        """
        if not page.complete:
            raise StatusUnavailableError(
                "Not all connections can be listed now: some are still being reported."
            )
        if page.after is None:
            return self._take_by_offset(page)
        self.is_done = page.next_cursor is None
        self._after = page.next_cursor or self._after
        return page.connections

    def _take_by_offset(self, page: ConnectionPage) -> Sequence[ConnectionRecord]:
        if self._offset and not (page and page[0].connection_id in self._seen):
            self._offset = max(0, self._offset - page.limit)
            return ()
        new = [it for it in page if it.connection_id not in self._seen]
        self._seen.update(it.connection_id for it in new)
        end = page.offset + len(page)
        self.is_done = end >= (page.total or 0)
        self._offset = max(0, end - OVERLAP)
        return new
