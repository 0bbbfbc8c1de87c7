"""How many users a type has, and its oldest connection, as far as that is cheap."""

from __future__ import annotations

import datetime
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from django_socket_status.backends import get_backend
from django_socket_status.backends.base import USERS_LOOKED_AT, BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import ConnectionRecord, UserCount, instant
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import SummaryRecord
from django_socket_status.status.reader import status_reader
from django_socket_status.validation import valid_count, valid_seconds

__all__ = ["LOOKED_AT", "MOST", "Details", "read_details"]

#: Up to this number of open connections, the page reads all, with any backend.
MOST = 500
#: With more, a backend reads at most this number to count the users of each type.
LOOKED_AT = USERS_LOOKED_AT
#: The most types of which a backend is asked for the oldest connection, and for users.
TYPES, USER_TYPES = 20, 100
#: For how long the users that a backend counted serve all pages.
SECONDS = 10.0


class Details(NamedTuple):
    """What is known of the connections of one type."""

    users: int | None
    """``None`` if they are not known."""
    oldest: datetime.datetime | None
    """When the oldest connection opened; ``None`` if it is not known."""
    is_exact: bool = True
    """False if there may be more users."""


def read_details(summary: SummaryRecord) -> Mapping[str, Details]:
    """Return the details of each type; empty if they are not known."""
    if not summary.total_sockets or summary.unique_users is None:
        return {}
    try:
        if summary.total_sockets > MOST:
            return _of_backend(summary.sockets_by_type)
        page = SocketStatusService.get_connections(limit=MOST)
    except StatusUnavailableError:
        return {}
    is_whole = page.complete and page.total == len(page.connections)
    return _by_type(page.connections) if is_whole else {}


def _of_backend(counts: Mapping[str, int]) -> Mapping[str, Details]:
    largest = sorted(counts, key=lambda it: (-counts[it], it))
    oldest = _oldest(largest[:TYPES])
    users = users_by_type(largest[:USER_TYPES][::-1])
    return {
        kind: Details(
            # Users were counted some seconds earlier than connections.
            min(users[kind].number, counts[kind]) if kind in users else None,
            oldest.get(kind),
            is_exact=kind not in users or users[kind].is_exact,
        )
        for kind in counts
        if kind in oldest or kind in users
    }


def _oldest(types: Sequence[str]) -> dict[str, datetime.datetime]:
    def ask(backend: BaseBackend) -> dict[str, datetime.datetime]:
        found = backend.oldest_by_type(types)
        return {it: instant(valid_seconds(found[it])) for it in found}

    return status_reader.ask(ask, searches=True)


_Users = Mapping[str, UserCount]
#: The last counts, their backend, and their time. There is no lock, because a fork
#: could copy one that is held: two threads may both count, and one result stays.
_last: list[tuple[weakref.ref[BaseBackend], float, _Users]] = []


def users_by_type(
    types: Sequence[str], clock: Callable[[], float] = monotonic
) -> _Users:
    """Return how many users each type has, as of at most :data:`SECONDS` ago.

    Raises:
        StatusUnavailableError: they cannot be read now.
    """
    backend, now = get_backend(), clock()
    for of, counted_at, users in _last:
        if of() is backend and 0 <= now - counted_at < SECONDS:
            return users
    found = status_reader.ask(lambda it: it.users_by_type(types), searches=True)
    for it in found.values():
        valid_count(it.number)
    _last[:] = [(weakref.ref(backend), now, found)]
    return found


def _by_type(connections: Iterable[ConnectionRecord]) -> dict[str, Details]:
    users: dict[str, set[str]] = {}
    oldest: dict[str, datetime.datetime] = {}
    for it in connections:
        found = users.setdefault(it.type, set())
        if it.user_id is not None:
            found.add(it.user_id)
        oldest[it.type] = min(oldest.get(it.type, it.connected_at), it.connected_at)
    return {kind: Details(len(users[kind]), oldest[kind]) for kind in oldest}
