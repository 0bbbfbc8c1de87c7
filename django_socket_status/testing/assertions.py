"""What a test sees and asserts of the connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_socket_status.activity.entries import ClosedConnection
from django_socket_status.backends import get_backend
from django_socket_status.endings import Cause
from django_socket_status.records import ConnectionRecord
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.describe import describe
from django_socket_status.services import SocketStatusService
from django_socket_status.status.arguments import LabelValue, UserOrKey
from django_socket_status.testing import faults, messages
from django_socket_status.testing.backend import KitBackend

__all__ = ["Assertions"]


class Assertions:
    """Lists connections, and fails with a table of them."""

    def connections(
        self,
        *,
        type: str | None = None,
        user: UserOrKey | None = None,
        labels: Mapping[str, LabelValue] | None = None,
    ) -> list[ConnectionRecord]:
        """Return the open connections that match, newest first."""
        faults.report_now()
        found = SocketStatusService.iter_connections(
            type=type, user=user, labels=labels
        )
        return list(found)

    def closed_connections(
        self,
        *,
        type: str | None = None,
        user: UserOrKey | None = None,
        labels: Mapping[str, LabelValue] | None = None,
        cause: Cause | None = None,
        code: int | None = None,
    ) -> list[ClosedConnection]:
        """Return the closed connections that match, newest first."""
        faults.report_now()
        found = SocketStatusService.iter_connections(
            state="closed", type=type, user=user, labels=labels, cause=cause, code=code
        )
        return list(found)

    def assert_open(
        self,
        *,
        type: str | None = None,
        user: UserOrKey | None = None,
        labels: Mapping[str, LabelValue] | None = None,
        count: int | None = None,
    ) -> None:
        """Fail unless connections that match are open.

        Args:
            type: Their type.
            user: Their user, or the primary key.
            labels: Labels that they have.
            count: How many there have to be; by default at least one.
        """
        criteria: dict[str, Any] = {"type": type, "user": user, "labels": labels}
        found = len(self.connections(**criteria))
        if not _is_expected(found, count):
            wanted = {**criteria, "count": count}
            raise AssertionError(
                messages.open_message(wanted, found, self.connections())
            )

    def assert_closed(
        self,
        *,
        type: str | None = None,
        user: UserOrKey | None = None,
        labels: Mapping[str, LabelValue] | None = None,
        cause: Cause | None = None,
        code: int | None = None,
        count: int | None = None,
    ) -> None:
        """Fail unless connections that match have closed.

        Args:
            type: Their type.
            user: Their user, or the primary key.
            labels: Labels that they had.
            cause: Why they closed, such as ``"client_closed"``.
            code: The close code.
            count: How many there have to be; by default at least one.
        """
        criteria: dict[str, Any] = {
            "type": type,
            "user": user,
            "labels": labels,
            "cause": cause,
            "code": code,
        }
        found = len(self.closed_connections(**criteria))
        if not _is_expected(found, count):
            wanted = {**criteria, "count": count}
            raise AssertionError(
                messages.closed_message(wanted, found, self.closed_connections())
            )

    def verify_closed(self) -> None:
        """Fail if a counted connection of this process was left open.

        An event loop that ends cancels the applications of such connections, so this
        also fails if one was cancelled.

        Raises:
            AssertionError: one was left open; the message has a table of them.
        """
        faults.report_now()
        still_open = [describe(it) for it in tuple(registry.intake.counted)]
        cancelled = self._cancelled()
        if not still_open and not cancelled:
            return
        rows = [(it.type, it.endpoint or "-", it.user_id or "-") for it in still_open]
        rows += [(it.type, it.endpoint or "-", it.user_id or "-") for it in cancelled]
        number = f"{len(rows)} WebSocket{'s' if len(rows) > 1 else ''}"
        table = messages.table_text(("type", "endpoint", "user"), rows)
        raise AssertionError(
            f"{number} left open at the end of the test. Open a WebSocket with "
            f"`async with`, or disconnect its communicator:\n{table}"
        )

    def _cancelled(self) -> list[ClosedConnection]:
        # Another backend may keep no list, or be one that the test has stopped.
        if not isinstance(get_backend(), KitBackend):
            return []
        return self.closed_connections(cause="cancelled")


def _is_expected(found: int, count: int | None) -> bool:
    return found > 0 if count is None else found == count
