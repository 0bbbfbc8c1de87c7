"""The Python API: the open connections, their types and users, and what happened.

Each method has an asynchronous form with the prefix ``a``, for code on an event loop;
the other form blocks its thread. Both work from any thread and any loop, wait at most a
second, and raise :exc:`~django_socket_status.exceptions.StatusUnavailableError` if the
status cannot be determined: they never return a zero instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from django_socket_status.operations import commands
from django_socket_status.operations import disconnect as disconnecting
from django_socket_status.operations import drain as draining
from django_socket_status.operations.keeping import keep_session
from django_socket_status.records import Summary
from django_socket_status.status import forgetting, history, lists, totals
from django_socket_status.status.answers import SummaryRecord, UserIds, WorkerRecord
from django_socket_status.status.arguments import (
    LabelValue,
    UserOrKey,
    query_of,
    user_id_in,
)
from django_socket_status.status.conditions import (
    aread_workers,
    read_workers,
)
from django_socket_status.status.list_types import (
    AsyncGetConnections,
    AsyncIterConnections,
    GetConnections,
    IterConnections,
)
from django_socket_status.status.queries import (
    all_user_ids,
    any_counted,
    any_of,
    presence_of,
    verify_absent,
)
from django_socket_status.status.reader import status_reader
from django_socket_status.status.summary import (
    script_root,
    summarize,
)

__all__ = ["SocketStatusService", "keep_session"]


class SocketStatusService:
    """Answers questions about the WebSockets of the whole deployment."""

    @staticmethod
    def get_socket_info_summary() -> Summary:
        """Return the summary: counts by type, endpoints, users, and what it covers.

        O(workers), for any number of connections. ``timestamp`` is the instant of the
        counts. ``stale`` is true if they may be out of date: the backend cannot be read
        now, or a worker is still reporting. The project's code is not imported:
        ``ws_endpoints`` is empty and ``endpoints_known`` false until a worker has
        reported its endpoints, or this process has loaded ``ASGI_APPLICATION``.
        """
        return summarize(status_reader.read(), script_root())

    @staticmethod
    async def aget_socket_info_summary() -> Summary:
        """Return the summary, as :meth:`get_socket_info_summary`."""
        return summarize(await status_reader.aread(), script_root())

    @staticmethod
    def get_summary() -> SummaryRecord:
        """Return the summary as a typed record, with a ``datetime`` as timestamp."""
        return SummaryRecord.of(SocketStatusService.get_socket_info_summary())

    @staticmethod
    async def aget_summary() -> SummaryRecord:
        """Return the summary as a typed record, as :meth:`get_summary`."""
        return SummaryRecord.of(await SocketStatusService.aget_socket_info_summary())

    @staticmethod
    def get_workers() -> Sequence[WorkerRecord]:
        """Return the processes that serve WebSockets, oldest first.

        A process is listed from its first socket until it ends, also while it holds
        none. One that is missing has not served a socket, or reports elsewhere, for
        example to another temporary directory with the ``sqlite`` backend. A process
        that missed a report is listed, with ``is_late``, until its lease ends.
        """
        return read_workers().records

    @staticmethod
    async def aget_workers() -> Sequence[WorkerRecord]:
        """Return the processes that serve WebSockets, as :meth:`get_workers`."""
        return (await aread_workers()).records

    get_connections: ClassVar[GetConnections] = cast(
        Any, staticmethod(lists.get_connections)
    )
    aget_connections: ClassVar[AsyncGetConnections] = cast(
        Any, staticmethod(lists.aget_connections)
    )
    iter_connections: ClassVar[IterConnections] = cast(
        Any, staticmethod(lists.iter_connections)
    )
    aiter_connections: ClassVar[AsyncIterConnections] = cast(
        Any, staticmethod(lists.aiter_connections)
    )

    get_totals = staticmethod(totals.get_totals)
    aget_totals = staticmethod(totals.aget_totals)
    get_history = staticmethod(history.get_history)
    aget_history = staticmethod(history.aget_history)

    disconnect = staticmethod(disconnecting.disconnect)
    adisconnect = staticmethod(disconnecting.adisconnect)
    drain = staticmethod(draining.drain)
    adrain = staticmethod(draining.adrain)
    stop_drain = staticmethod(draining.stop_drain)
    astop_drain = staticmethod(draining.astop_drain)
    get_command = staticmethod(commands.get_command)
    aget_command = staticmethod(commands.aget_command)
    get_drain = staticmethod(commands.get_drain)
    aget_drain = staticmethod(commands.aget_drain)
    stop_command = staticmethod(commands.stop_command)
    astop_command = staticmethod(commands.astop_command)

    forget_user = staticmethod(forgetting.forget_user)
    aforget_user = staticmethod(forgetting.aforget_user)

    @staticmethod
    def has_listeners(
        type: str | None = None, labels: Mapping[str, LabelValue] | None = None
    ) -> bool:
        """Return whether any connection is open, of a type and with labels if given.

        Without labels, the answer comes from the summary that this process caches:
        cheap enough to call before each expensive broadcast. With labels, if the type
        has a connection, the backend searches as in :meth:`get_connections`: up to
        O(connections) for each call. A type that no route has is logged once, with the
        most similar one.

        Raises:
            TypeError: ``type`` is not a string, ``labels`` is not a mapping, or a label
                has a value of the wrong type.
            StatusUnavailableError: also if no connection was found, but not all reports
                could be read, or connections of the type are not counted on every
                route. Without a type: if no route is counted at all.
        """
        query = query_of(type=type, labels=labels)
        reading = status_reader.read()
        found = any_counted(reading, query.type)
        if found and query.labels:
            found = status_reader.ask(any_of(query), searches=True)
        if not found:
            verify_absent(reading, query.type)
        return found

    @staticmethod
    async def ahas_listeners(
        type: str | None = None, labels: Mapping[str, LabelValue] | None = None
    ) -> bool:
        """Return whether any connection is open, as :meth:`has_listeners`."""
        query = query_of(type=type, labels=labels)
        reading = await status_reader.aread()
        found = any_counted(reading, query.type)
        if found and query.labels:
            found = await status_reader.aask(any_of(query), searches=True)
        if not found:
            verify_absent(reading, query.type)
        return found

    @staticmethod
    def is_online(user: UserOrKey) -> bool:
        """Return whether a user, or the user with this primary key, has a connection.

        O(log users). For a user of this process, the backend is not read. False for an
        anonymous user, whose ``pk`` is ``None``.

        Raises:
            TypeError: ``user`` is neither a user nor a primary key, such as ``None`` or
                a username.
            StatusUnavailableError: also if the user was not found while the workers
                report again what the backend lost.
        """
        user_id = user_id_in(user)
        if user_id is None or status_reader.holds_user(user_id):
            return user_id is not None
        return status_reader.ask(presence_of(user_id))

    @staticmethod
    async def ais_online(user: UserOrKey) -> bool:
        """Return whether a user has a connection, as :meth:`is_online`."""
        user_id = user_id_in(user)
        if user_id is None or status_reader.holds_user(user_id):
            return user_id is not None
        return await status_reader.aask(presence_of(user_id))

    @staticmethod
    def online_user_ids() -> UserIds:
        """Return the primary keys of the users with a connection. O(users).

        The keys are strings; ``ids.pks`` has them in the type of ``AUTH_USER_MODEL``.
        ``user.pk in ids`` and ``user in ids`` work. For a single user, call
        :meth:`is_online`.

        Raises:
            StatusUnavailableError: also while the workers report again what the backend
                lost.
        """
        return status_reader.ask(all_user_ids, searches=True)

    @staticmethod
    async def aonline_user_ids() -> UserIds:
        """Return the primary keys of users, as :meth:`online_user_ids`."""
        return await status_reader.aask(all_user_ids, searches=True)
