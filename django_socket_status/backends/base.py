"""The contract between a backend and the rest of this package.

A backend is a plain synchronous class. The reporter's thread and the threads of readers
call it, several at a time. It is never called on an event loop or on asgiref's
thread-sensitive thread. It may block within its own timeouts, and it may raise
:exc:`~django_socket_status.exceptions.BackendError`. Neither affects a socket.

Subclass :class:`BaseBackend`, and run
:class:`django_socket_status.testing.BackendContract` against it.
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

from django.core.checks import CheckMessage

from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.backends.optional import OptionalMethods
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Coverage,
    Report,
    Snapshot,
    UserCount,
)

__all__ = ["ENDPOINTS_SECONDS", "USERS_LOOKED_AT", "BaseBackend"]

#: How long endpoints are kept after they were reported last: 30 days.
ENDPOINTS_SECONDS = 30 * 86_400
#: How many connections are looked at to count the users of each type.
USERS_LOOKED_AT = 10_000


class BaseBackend(OptionalMethods, abc.ABC):
    """Keep the reports of workers under their leases.

    ``OPTIONS`` are the keyword arguments of the constructor. The constructor must not
    do I/O, since system checks and every reader of settings call it.
    """

    #: Which processes an answer of this backend covers.
    coverage: ClassVar[Coverage]

    #: Whether reports carry connections and users; counts alone cost nothing per
    #: connection. An instance may decide: it is read before each full report.
    wants_details: bool = True

    #: Whether :meth:`get_connections` takes ``query.after`` and sets ``next_cursor``.
    #: If false, readers ask for pages by their offset alone, and tell callers who pass
    #: a cursor.
    pages_after: ClassVar[bool] = False

    #: Whether :meth:`get_connections` heeds ``query.worker_ids`` and ``query.number``.
    #: If false, readers search the pages for them.
    pages_of_workers: ClassVar[bool] = False

    @abc.abstractmethod
    def report(self, report: Report) -> bool:
        """Take a report and renew the worker's lease from now.

        The cost depends on the changes in the report, and not on how many connections
        are open.

        A full report is always taken. A backend may remember a worker whose lease
        ended, but readers do not see the worker until it reports again.

        Returns:
            False if the worker is not known, or earlier reports are missing. Then
            nothing was taken, and the worker sends a full report.

        Raises:
            BackendError: the report may or may not have been taken; the worker sends
                a full report next.
        """

    def exchange(self, report: Report) -> ReportAnswer:
        """Take a report with its activity, and return what is there for the worker.

        The reporter calls this, and not :meth:`report`. Override it if the backend
        ``keeps`` anything; then :meth:`report` returns ``exchange(report).is_taken``.

        A report whose connections are not taken leaves no activity either. Counters may
        be refused while the connections are taken: see
        :class:`~django_socket_status.activity.stored.ReportAnswer`. The same activity
        may arrive again with a later report.

        Raises:
            BackendError: as :meth:`report`.
        """
        return ReportAnswer(self.report(report))

    @abc.abstractmethod
    def goodbye(self, worker_id: str) -> None:
        """Forget a worker and all it reported. An unknown worker is no error.

        Its counters stay among those of :meth:`read_totals` until :meth:`fold`.
        """

    @abc.abstractmethod
    def read(self) -> Snapshot:
        """Return what every worker with a live lease reported last.

        One round trip, O(workers): it does not depend on the number of connections.
        """

    @abc.abstractmethod
    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        """Return one page of the connections of live workers, newest first.

        Connections that opened at the same instant always have the same order. So pages
        neither overlap nor leave gaps while nothing changes. The page is not complete
        while workers may still have to report connections again.

        With :attr:`pages_after`: the order is that of
        :attr:`~django_socket_status.records.Cursor.rank`, and the page holds the first
        connections after ``query.after``, whether the connection of that cursor is
        still open or not. So a connection that is open during a whole walk is on
        exactly one page, whatever opens, closes or changes its labels meanwhile. The
        page returns ``query.after`` as ``after``, and in ``next_cursor`` the place of
        its last connection if others follow. Its cost does not depend on how many
        connections come before it, except with filters other than by type.
        """

    def oldest_by_type(self, types: Collection[str]) -> Mapping[str, float]:
        """Return when the oldest open connection of each type opened.

        In seconds since the epoch. Optional: leave out a type without connections, and
        one of which it is not known without reading many, or while workers may still
        have to report connections again.

        Args:
            types: At most 20.
        """
        return {}

    def users_by_type(self, types: Sequence[str]) -> Mapping[str, UserCount]:
        """Return how many users the open connections of each type have.

        Optional: look at :data:`USERS_LOOKED_AT` connections at most, and leave out a
        type of which nothing is known, as :meth:`oldest_by_type`.

        Args:
            types: At most 100, the one with the fewest connections first.
        """
        return {}

    @abc.abstractmethod
    def is_online(self, user_id: str) -> bool:
        """Return whether a user has a connection on a live worker. O(log users).

        Raises:
            BackendError: none was found, but lost reports have not all been repeated.
        """

    @abc.abstractmethod
    def online_user_ids(self) -> Collection[str]:
        """Return the users with a connection on a live worker, each once. O(users).

        Raises:
            BackendError: lost reports have not all been repeated.
        """

    def report_endpoints(self, text: str, age_seconds: float) -> None:
        """Keep which endpoints a worker serves; they are not part of its lease.

        Optional: with a backend that does not keep them, a process that has not loaded
        ``ASGI_APPLICATION`` does not know them.

        There is one text for the deployment. It is kept for :data:`ENDPOINTS_SECONDS`
        after the last report of it, also when no worker is left. The text of a worker
        that loaded its code later stays, so that after a release the new code decides.

        Args:
            text: At most 1.5 MiB of ASCII; nothing that a backend needs to understand.
            age_seconds: How long ago the worker loaded its code.

        Raises:
            BackendError: the text may or may not be kept. The worker reports it again.
        """

    def read_endpoints(self) -> str | None:
        """Return the text that is kept, ``None`` if there is none.

        Raises:
            BackendError: it cannot be read now.
        """
        return None

    def check(self) -> Iterable[CheckMessage]:
        """Return what is wrong with the options or the place, for ``manage.py check``.

        May do I/O within the backend's own timeouts. Must not raise.
        """
        return ()

    def close(self) -> None:
        """Give back connections and files. The next call opens them again."""

    def forget_after_fork(self) -> None:
        """Drop, in a forked child, the connections of the parent; close nothing."""
