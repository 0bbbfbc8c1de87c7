"""A clock that a test moves, and a worker that only makes reports."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping

from django_socket_status.activity.stored import Activity
from django_socket_status.records import OpenedConnection, Report, Worker

__all__ = ["Clock", "FakeWorker"]

STARTED_AT = datetime.datetime(2026, 11, 22, 10, 30, tzinfo=datetime.timezone.utc)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class FakeWorker:
    """Makes the reports of one worker about connections that a test makes up.

    Give a backend the reports in the order in which the methods returned them.

    Args:
        worker_id: Its id.
        lease_seconds: How long a reader believes each report.
    """

    def __init__(self, worker_id: str = "a", *, lease_seconds: float = 5.0) -> None:
        self.worker = Worker(
            worker_id=worker_id,
            host="host.example",
            pid=4711,
            server="uvicorn",
            started_at=STARTED_AT,
        )
        self.lease_seconds = lease_seconds
        self.connections: dict[int, OpenedConnection] = {}
        self.sequence = 0
        self._number = 0

    def open(
        self,
        type: str = "call",
        *,
        user: str | None = None,
        labels: Mapping[str, str] | None = None,
        at: float = 1_700_000_000.0,
        endpoint: str = "/ws/call/<room>/",
    ) -> OpenedConnection:
        """Return a new connection, for one of the next reports."""
        self._number += 1
        return OpenedConnection(self._number, type, endpoint, user, labels or {}, at)

    def full(
        self,
        connections: Iterable[OpenedConnection] | None = None,
        *,
        complete: bool = True,
        activity: Activity | None = None,
    ) -> Report:
        """Return a full report of the given connections, or of those it holds."""
        if connections is not None:
            self.connections = {it.number: it for it in connections}
        return self._report(
            full=True,
            complete=complete,
            opened=tuple(self.connections.values()),
            users_joined=sorted(self.users),
            activity=activity,
        )

    def change(
        self,
        *opened: OpenedConnection,
        closed: Iterable[OpenedConnection] = (),
        complete: bool = True,
        activity: Activity | None = None,
    ) -> Report:
        """Return a report of what changed; with nothing given, a heartbeat."""
        before = self.users
        gone = [connection.number for connection in closed]
        for number in gone:
            self.connections.pop(number, None)
        for connection in opened:
            self.connections[connection.number] = connection
        return self._report(
            complete=complete,
            opened=opened,
            closed=gone,
            users_joined=sorted(self.users - before),
            users_left=sorted(before - self.users),
            activity=activity,
        )

    @property
    def users(self) -> frozenset[str]:
        """Return the users of its connections."""
        held = self.connections.values()
        return frozenset(it.user_id for it in held if it.user_id is not None)

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many connections it holds of each type."""
        return dict(Counter(it.type for it in self.connections.values()))

    @property
    def anonymous(self) -> int:
        """Return how many of its connections have no user."""
        return sum(it.user_id is None for it in self.connections.values())

    def _report(self, **content: object) -> Report:
        self.sequence += 1
        return Report(
            worker=self.worker,
            sequence=self.sequence,
            lease_seconds=self.lease_seconds,
            counts=self.counts,
            anonymous=self.anonymous,
            **content,  # type: ignore[arg-type]
        )
