"""How many users a type has, and its oldest connection, as far as that is cheap."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django_socket_status.backends.base import BaseBackend
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import ConnectionRecord, instant
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import SummaryRecord
from django_socket_status.status.reader import status_reader
from django_socket_status.validation import valid_seconds

__all__ = ["MOST", "Details", "read_details"]

#: The most open connections for which users are counted: no backend knows the users of
#: a type, so each update of the page reads every connection.
MOST = 500
#: The most types of which a backend is asked for the oldest connection.
TYPES = 20


class Details(NamedTuple):
    """What is known of the connections of one type."""

    users: int | None
    """``None`` if there are too many connections to count them."""
    oldest: datetime.datetime
    """When the oldest connection opened."""


def read_details(summary: SummaryRecord) -> Mapping[str, Details]:
    """Return the details of each type; empty if they are not known."""
    if not summary.total_sockets or summary.unique_users is None:
        return {}
    try:
        if summary.total_sockets > MOST:
            return _oldest(summary.sockets_by_type)
        page = SocketStatusService.get_connections(limit=MOST)
    except StatusUnavailableError:
        return {}
    is_whole = page.complete and page.total == len(page.connections)
    return _by_type(page.connections) if is_whole else {}


def _oldest(counts: Mapping[str, int]) -> dict[str, Details]:
    largest = sorted(counts, key=lambda it: (-counts[it], it))[:TYPES]

    def ask(backend: BaseBackend) -> dict[str, Details]:
        found = backend.oldest_by_type(largest)
        return {it: Details(None, instant(valid_seconds(found[it]))) for it in found}

    return status_reader.ask(ask, searches=True)


def _by_type(connections: Iterable[ConnectionRecord]) -> dict[str, Details]:
    users: dict[str, set[str]] = {}
    oldest: dict[str, datetime.datetime] = {}
    for it in connections:
        found = users.setdefault(it.type, set())
        if it.user_id is not None:
            found.add(it.user_id)
        oldest[it.type] = min(oldest.get(it.type, it.connected_at), it.connected_at)
    return {kind: Details(len(users[kind]), oldest[kind]) for kind in oldest}
