"""The Python API: what is open right now, of which kind, and whose.

Every question has an asynchronous form with an ``a`` in front, for code that runs on an
event loop. Both may be used from any thread and any loop, wait a second at the most,
and raise :exc:`~django_socket_status.exceptions.StatusUnavailableError` when there is
no answer: never a zero instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from django.utils.functional import LazyObject

from django_socket_status.backends.base import BaseBackend
from django_socket_status.bounds import (
    MAX_LABELS,
    MAX_TYPE,
    bounded_labels,
    bounded_text,
)
from django_socket_status.endpoints import get_ws_endpoints, known_ws_endpoints
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.readings import Reading
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Summary,
    WorkerStatus,
    instant,
)
from django_socket_status.registry import registry
from django_socket_status.status import status_reader
from django_socket_status.users import user_id_of

__all__ = ["SocketStatusService"]

MAX_LIMIT = 1000
#: Far beyond any page that a person turns to, and what SQLite can count to.
MAX_OFFSET = 10**9


class SocketStatusService:
    """Answers questions about the open WebSockets of the whole deployment."""

    @staticmethod
    def get_socket_info_summary() -> Summary:
        """Return the summary: counts by type, endpoints, users, and what it covers.

        O(workers), whatever the number of connections. ``timestamp`` is the instant at
        which the counts were taken. ``stale`` is true when they may be behind: the
        backend could not be read just now, or a worker is still reporting.
        """
        # The first call may import the project's ASGI_APPLICATION, and take a while.
        ws_endpoints = get_ws_endpoints()
        return summarize(status_reader.read(), ws_endpoints)

    @staticmethod
    async def aget_socket_info_summary() -> Summary:
        """Return the summary, as :meth:`get_socket_info_summary`."""
        return summarize(*await aread_summary())

    @staticmethod
    def get_workers() -> Sequence[WorkerStatus]:
        """Return the workers whose reports make up the summary, oldest first.

        Processes that are missing here report elsewhere: with the ``sqlite`` backend,
        to another temporary directory. One that missed its report is still here, and
        :attr:`~django_socket_status.records.WorkerStatus.is_late`, until its lease is
        over.
        """
        return oldest_first(status_reader.read())

    @staticmethod
    async def aget_workers() -> Sequence[WorkerStatus]:
        """Return the workers, as :meth:`get_workers`."""
        return oldest_first(await status_reader.aread())

    @staticmethod
    def get_connections(
        *,
        type: str | None = None,
        user: object = None,
        labels: Mapping[str, object] | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> ConnectionPage:
        """Return one page of the open connections, newest first.

        Args:
            type: Only those of this type.
            user: Only those of this user, or of the user with this primary key.
            labels: Only those that have all these labels.
            limit: How many at the most, 1 to 1,000.
            offset: How many to pass over.

        Raises:
            ValueError: an argument would list something else than it seems to: a limit
                or offset out of range, an anonymous user, a label without a value.
            TypeError: ``user`` is neither a user nor a primary key.
        """
        return status_reader.ask(_connections(type, user, labels, limit, offset))

    @staticmethod
    async def aget_connections(
        *,
        type: str | None = None,
        user: object = None,
        labels: Mapping[str, object] | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> ConnectionPage:
        """Return one page of the open connections, as :meth:`get_connections`."""
        return await status_reader.aask(_connections(type, user, labels, limit, offset))

    @staticmethod
    def has_listeners(type: str | None = None) -> bool:
        """Return whether anybody has a connection, of a type if one is given.

        Answered from the summary that the process keeps for a moment: cheap enough to
        ask before every expensive broadcast.

        Raises:
            StatusUnavailableError: also when nobody is known to listen, but not all of
                the deployment could be read.
        """
        return _has_listeners(status_reader.read(), type)

    @staticmethod
    async def ahas_listeners(type: str | None = None) -> bool:
        """Return whether anybody has a connection, as :meth:`has_listeners`."""
        return _has_listeners(await status_reader.aread(), type)

    @staticmethod
    def is_online(user: object) -> bool:
        """Return whether a user, or the one with this primary key, has a connection.

        O(log users), and without a question to the backend for a user of this very
        process. False for an anonymous user.

        Raises:
            TypeError: ``user`` is neither a user nor a primary key.
            StatusUnavailableError: also when the user was not found, but what was lost
                is being reported again.
        """
        user_id = _user_id(user)
        if user_id is None or status_reader.holds_user(user_id):
            return user_id is not None
        return status_reader.ask(_is_online(user_id))

    @staticmethod
    async def ais_online(user: object) -> bool:
        """Return whether a user has a connection, as :meth:`is_online`."""
        user_id = _user_id(user)
        if user_id is None or status_reader.holds_user(user_id):
            return user_id is not None
        return await status_reader.aask(_is_online(user_id))

    @staticmethod
    def online_user_ids() -> Collection[str]:
        """Return the primary keys, as strings, of the users who have a connection.

        O(users). To know of one user, ask :meth:`is_online`.

        Raises:
            StatusUnavailableError: also while what was lost is being reported again.
        """
        return status_reader.ask(_online_user_ids)

    @staticmethod
    async def aonline_user_ids() -> Collection[str]:
        """Return the primary keys of users, as :meth:`online_user_ids`."""
        return await status_reader.aask(_online_user_ids)


async def aread_summary() -> tuple[Reading, Mapping[str, str]]:
    """Return what a summary is made of, both parts the same objects until they change.

    Leaves the event loop for the first look at the endpoints, since that may import the
    project's ``ASGI_APPLICATION``, and when the last reading is too old.
    """
    ws_endpoints = known_ws_endpoints()
    if ws_endpoints is None:
        found = await asyncio.to_thread(get_ws_endpoints)
        known = known_ws_endpoints()
        ws_endpoints = found if known is None else known
    return await status_reader.aread(), ws_endpoints


def summarize(reading: Reading, ws_endpoints: Mapping[str, str]) -> Summary:
    """Return the summary of a reading. O(workers and types)."""
    counts: dict[str, int] = {}
    anonymous = 0
    for status in reading.snapshot.workers:
        anonymous += status.anonymous
        for kind, count in status.counts.items():
            counts[kind] = counts.get(kind, 0) + count
    total = sum(counts.values())
    return {
        "active": total > 0,
        "total_sockets": total,
        "sockets_by_type": dict(sorted(counts.items())),
        "timestamp": instant(reading.taken_at).isoformat(timespec="microseconds"),
        "ws_endpoints": dict(ws_endpoints),
        "unique_users": reading.snapshot.unique_users,
        "anonymous_sockets": anonymous,
        "workers": len(reading.snapshot.workers),
        "coverage": reading.coverage,
        "stale": reading.stale,
    }


def oldest_first(reading: Reading) -> Sequence[WorkerStatus]:
    """Return the workers of a reading in the order in which they started."""
    return sorted(
        reading.snapshot.workers,
        key=lambda it: (it.worker.started_at, it.worker.worker_id),
    )


def _has_listeners(reading: Reading, kind: str | None) -> bool:
    if kind is not None:
        kind = bounded_text(kind, MAX_TYPE)
    for status in reading.snapshot.workers:
        if status.total_sockets if kind is None else status.counts.get(kind):
            return True
    if not reading.whole:
        raise StatusUnavailableError(
            "It is not known whether anybody listens: nobody in this process does, and "
            "the reports of the others could not all be read."
        )
    return False


def _connections(
    kind: str | None,
    user: object,
    labels: Mapping[str, object] | None,
    limit: int,
    offset: int,
) -> Callable[[BaseBackend], ConnectionPage]:
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit must be from 1 to {MAX_LIMIT}, not {limit}.")
    if not 0 <= offset <= MAX_OFFSET:
        raise ValueError(f"offset must be from 0 to {MAX_OFFSET}, not {offset}.")
    user_id = _user_id(user)
    if user is not None and user_id is None:
        raise ValueError("user must have a primary key: anonymous users have none.")
    query = ConnectionQuery(
        type=None if kind is None else bounded_text(kind, MAX_TYPE),
        user_id=user_id,
        labels=_wanted_labels(labels or {}),
        limit=limit,
        offset=offset,
    )

    def ask(backend: BaseBackend) -> ConnectionPage:
        page = backend.get_connections(query)
        # A list cannot say that it is incomplete.
        status_reader.verify_reported()
        return page

    return ask


def _wanted_labels(labels: Mapping[str, object]) -> dict[str, str]:
    """Return labels to look for, as they are kept."""
    if any(value is None for value in labels.values()):
        raise ValueError("A label to look for must have a value.")
    if len(labels) > MAX_LABELS:
        raise ValueError(f"A connection has at most {MAX_LABELS} labels.")
    return bounded_labels(labels)


def _is_online(user_id: str) -> Callable[[BaseBackend], bool]:
    def ask(backend: BaseBackend) -> bool:
        return user_id in registry.users or backend.is_online(user_id)

    return ask


def _online_user_ids(backend: BaseBackend) -> Collection[str]:
    return status_reader.own_users().union(backend.online_user_ids())


def _user_id(user: object) -> str | None:
    """Return the primary key of a user, as text; ``None`` for an anonymous one.

    A lazy user, such as ``request.user``, is looked up: that may take a query, and
    raises ``SynchronousOnlyOperation`` on an event loop.
    """
    if isinstance(user, LazyObject):
        # Any attribute makes it look.
        getattr(user, "pk", None)
    elif isinstance(user, type) or not (_is_key(user) or hasattr(user, "pk")):
        raise TypeError(f"a user or a primary key is needed, not a {_kind(user)}")
    return user_id_of(user)


def _is_key(user: object) -> bool:
    return user is None or user_id_of(user) is not None


def _kind(value: object) -> str:
    return "class" if isinstance(value, type) else type(value).__name__
