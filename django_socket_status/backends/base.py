"""The contract between a backend and the rest.

A backend is a plain synchronous class. It is called from the reporter's thread and from
the threads of readers, several at a time; never on an event loop and never on
asgiref's thread-sensitive thread. It may take its time, within its own timeouts, and it
may raise :exc:`~django_socket_status.exceptions.BackendError`; nothing that it does
reaches a socket.

Subclass :class:`BaseBackend`, and run
:class:`django_socket_status.testing.BackendContract` against it.
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable
from typing import ClassVar

from django.core.checks import CheckMessage

from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Coverage,
    Report,
    Snapshot,
)

__all__ = ["BaseBackend"]


class BaseBackend(abc.ABC):
    """Keep the reports of workers under their leases.

    ``OPTIONS`` are the keyword arguments of the constructor. A constructor does no I/O:
    it runs wherever settings are read, also in a system check.
    """

    #: What an answer of this backend covers.
    coverage: ClassVar[Coverage]

    #: Whether reports carry connections and users; counts alone cost nothing per
    #: connection. An instance may decide: it is read before each full report.
    wants_details: bool = True

    @abc.abstractmethod
    def report(self, report: Report) -> bool:
        """Take a report and renew the worker's lease from now.

        Costs no more than the changes that the report carries, however many
        connections there are.

        A full report is always taken. A worker whose lease ended may be known still,
        though nobody is told of it until it reports again.

        Returns:
            False when the report cannot be built upon, because the worker is not
            known or reports are missing before it: nothing was taken, and the worker
            sends everything again as a full report.

        Raises:
            BackendError: the report may or may not have been taken; the worker sends
                a full report next.
        """

    @abc.abstractmethod
    def goodbye(self, worker_id: str) -> None:
        """Forget a worker and all it reported. An unknown worker is no error."""

    @abc.abstractmethod
    def read(self) -> Snapshot:
        """Return what every worker with a live lease reported last.

        One round trip, O(workers): it does not depend on the number of connections.
        """

    @abc.abstractmethod
    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        """Return one page of the connections of live workers, newest first.

        Connections that opened at the same instant keep one order, so that pages
        neither overlap nor leave gaps while nothing changes. The page is not complete
        while connections may be missing that are about to be reported.
        """

    @abc.abstractmethod
    def is_online(self, user_id: str) -> bool:
        """Return whether a user has a connection on a live worker. O(log users).

        Raises:
            BackendError: none was found, and what was lost is still being reported.
        """

    @abc.abstractmethod
    def online_user_ids(self) -> Collection[str]:
        """Return the users with a connection on a live worker, each once. O(users).

        Raises:
            BackendError: what was lost is still being reported.
        """

    def check(self) -> Iterable[CheckMessage]:
        """Return what is wrong with the options or the place, for ``manage.py check``.

        May do I/O within the backend's own timeouts. Must not raise.
        """
        return ()

    def close(self) -> None:  # noqa: B027 - there may be nothing to give back
        """Give back connections and files. The next call opens them again."""

    def forget_after_fork(self) -> None:  # noqa: B027 - nor to let go of
        """Let go, in a forked child, of what belongs to the parent; close nothing."""
