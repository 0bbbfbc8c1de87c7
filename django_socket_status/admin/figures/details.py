"""How many users a type has, and its oldest connection: for few connections only."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import ConnectionRecord
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import SummaryRecord

__all__ = ["MOST", "Details", "read_details"]

#: The most open connections for which they are read. No backend has these numbers, so
#: each update of the page reads every connection.
MOST = 500


class Details(NamedTuple):
    """What is known of the connections of one type."""

    users: int
    oldest: datetime.datetime
    """When the oldest connection opened."""


def read_details(summary: SummaryRecord) -> Mapping[str, Details]:
    """Return the details of each type; empty if they are not known."""
    if not 0 < summary.total_sockets <= MOST or summary.unique_users is None:
        return {}
    try:
        page = SocketStatusService.get_connections(limit=MOST)
    except StatusUnavailableError:
        return {}
    is_whole = page.complete and page.total == len(page.connections)
    return _by_type(page.connections) if is_whole else {}


def _by_type(connections: Iterable[ConnectionRecord]) -> dict[str, Details]:
    users: dict[str, set[str]] = {}
    oldest: dict[str, datetime.datetime] = {}
    for it in connections:
        found = users.setdefault(it.type, set())
        if it.user_id is not None:
            found.add(it.user_id)
        oldest[it.type] = min(oldest.get(it.type, it.connected_at), it.connected_at)
    return {kind: Details(len(users[kind]), oldest[kind]) for kind in oldest}
