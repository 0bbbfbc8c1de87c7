"""Collects a list over as many pages as it takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django_socket_status.records import ConnectionRecord
from django_socket_status.services import SocketStatusService
from django_socket_status.status.arguments import MAX_LIMIT
from django_socket_status.status.search import Search, search

__all__ = ["Listed", "Show", "collect_open", "collect_searched"]

#: Shows how many were collected, and of how many if that is known.
Show = Callable[[int, "int | None"], None]


class Listed(NamedTuple):
    """What was collected of a list of open connections."""

    records: list[ConnectionRecord]
    """The connections, newest first."""
    total: int | None
    """How many match; ``None`` if that is not known."""
    complete: bool
    """False while connections may be missing."""
    next_offset: int | None
    """The offset of what follows; ``None`` at the end, or after a cursor."""
    next_after: str | None
    """The cursor of what follows; ``None`` at the end."""

    @property
    def is_all(self) -> bool:
        """Return whether nothing follows."""
        return self.next_offset is None and self.next_after is None


def collect_open(
    criteria: Mapping[str, Any],
    limit: int | None,
    show: Show,
    *,
    after: str | None = None,
) -> Listed:
    """Return open connections, newest first.

    Args:
        criteria: The filters of ``SocketStatusService.get_connections``.
        limit: The most connections to return; ``None`` for all.
        show: Called after each page but the last one.
        after: The cursor to begin at.

    Raises:
        StatusUnavailableError: a page cannot be read.
    """
    get = SocketStatusService.get_connections
    page = get(**criteria, limit=_size(limit), after=after)
    records, total, complete = [*page], page.total, page.complete
    cursor, offset = page.next_after, page.next_offset
    while cursor is not None and not _has(records, limit):
        show(len(records), total)
        left = None if limit is None else limit - len(records)
        page = get(**criteria, limit=_size(left), after=cursor)
        records += page
        complete = complete and page.complete
        cursor, offset = page.next_after, None
    if cursor is None and offset is not None and not _has(records, limit):
        # The backend takes no cursor: the service walks its pages without gaps.
        found = SocketStatusService.iter_connections(**criteria)
        records = []
        for record in itertools.islice(found, limit):
            records.append(record)
            if len(records) % MAX_LIMIT == 0:
                show(len(records), total)
        has_more = _has(records, limit) and len(records) < (total or 0)
        offset = len(records) if has_more else None
    return Listed(records, total, complete, offset, cursor)


def collect_searched(
    wanted: Search, limit: int | None, show: Show, *, after: str | None = None
) -> Listed:
    """Return the open connections that a search finds, as :func:`collect_open`.

    Raises:
        StatusUnavailableError: a page cannot be read.
    """
    records: list[ConnectionRecord] = []
    complete, place = True, after
    while True:
        left = None if limit is None else limit - len(records)
        found = search(wanted, _size(left), place)
        records += (it for it in found.records if isinstance(it, ConnectionRecord))
        complete, place = complete and found.complete, found.next_place
        if place is None or _has(records, limit):
            break
        show(len(records), None)
    total = len(records) if place is None and after is None else None
    return Listed(records, total, complete, None, place)


def _size(left: int | None) -> int:
    return MAX_LIMIT if left is None else min(left, MAX_LIMIT)


def _has(records: list[ConnectionRecord], limit: int | None) -> bool:
    return limit is not None and len(records) >= limit
