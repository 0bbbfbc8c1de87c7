"""The typed records of the Python API, with the names of the JSON."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from django.utils.functional import LazyObject

from django_socket_status.activity.conditions import Condition
from django_socket_status.records import (
    Coverage,
    Summary,
    Worker,
    WorkerStatus,
    instant,
)
from django_socket_status.users import primary_key, user_id_of

__all__ = ["SummaryRecord", "UserIds", "WorkerRecord"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRecord:
    """The summary as a typed record: its fields are the keys of the JSON."""

    active: bool
    """Whether at least one WebSocket is open."""
    total_sockets: int
    """How many are open."""
    sockets_by_type: Mapping[str, int]
    """How many of each type; types without any are left out."""
    timestamp: datetime.datetime
    """When the counts were taken: aware, UTC."""
    ws_endpoints: Mapping[str, str]
    """The URL of each type; empty while they are not known."""
    unique_users: int | None
    """The number of different users; ``None`` if users are not reported."""
    anonymous_sockets: int
    """How many sockets have no user."""
    workers: int
    """The number of processes that hold sockets: 0 on an idle site."""
    coverage: Coverage
    """What the answer covers."""
    stale: bool
    """Whether the counts may be old."""
    endpoints_known: bool
    """False while ``ws_endpoints`` is empty because no process has reported them."""
    uncounted_endpoints: Mapping[str, str]
    """The entries of ``ws_endpoints`` whose connections are not counted."""

    @classmethod
    def of(cls, summary: Summary) -> SummaryRecord:
        """Return the record of a summary in its JSON form."""
        timestamp = datetime.datetime.fromisoformat(summary["timestamp"])
        return cls(**cast(dict[str, Any], {**summary, "timestamp": timestamp}))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A process that serves WebSockets: its fields are the keys of the JSON.

    ``worker``, ``counts``, ``anonymous`` and ``age_seconds`` are older names for the
    same values.
    """

    worker_id: str
    """16 hexadecimal digits that no other process has."""
    host: str
    """The name of its host; in a container usually the container's id."""
    pid: int
    """Its process id, as the process itself sees it."""
    server: str
    """Its ASGI server; empty if not known."""
    started_at: datetime.datetime
    """When the process became a worker: aware, UTC."""
    reported_at: datetime.datetime
    """When it last reported, by the clock of this process."""
    is_late: bool
    """Whether it missed a report: its lease is about to end."""
    total_sockets: int
    """How many sockets it holds."""
    sockets_by_type: Mapping[str, int]
    """How many of each type."""
    anonymous_sockets: int
    """How many of them have no user."""
    age_seconds: float
    """Seconds since its last report, by the clock of the backend."""
    complete: bool
    """False while it is still reporting its connections."""
    condition: Condition | None = None
    """How it does; ``None`` if that is not known, or the backend does not keep it."""
    is_draining: bool = False
    """Whether it was asked to drain: it closes its connections, and is to get no new
    ones. False also if the backend does not keep conditions."""

    @classmethod
    def of(
        cls,
        status: WorkerStatus,
        *,
        taken_at: float,
        condition: Condition | None = None,
    ) -> WorkerRecord:
        """Return the record of a worker.

        Args:
            status: The worker's status in the backend.
            taken_at: When the backend was read, in seconds since the epoch.
            condition: How the worker does.
        """
        worker = status.worker
        return cls(
            worker_id=worker.worker_id,
            host=worker.host,
            pid=worker.pid,
            server=worker.server,
            started_at=worker.started_at,
            reported_at=instant(taken_at - status.age_seconds),
            is_late=status.is_late,
            total_sockets=status.total_sockets,
            sockets_by_type=dict(status.counts),
            anonymous_sockets=status.anonymous,
            age_seconds=status.age_seconds,
            complete=status.complete,
            condition=condition,
            is_draining=condition is not None and condition.is_draining,
        )

    @property
    def worker(self) -> Worker:
        """Return the identity of the process."""
        return Worker(
            worker_id=self.worker_id,
            host=self.host,
            pid=self.pid,
            server=self.server,
            started_at=self.started_at,
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """Return ``sockets_by_type``."""
        return self.sockets_by_type

    @property
    def anonymous(self) -> int:
        """Return ``anonymous_sockets``."""
        return self.anonymous_sockets


# Not ``frozenset[str]``: mypy would report ``user.pk in ids`` as an error.
class UserIds(frozenset[Any]):
    """The primary keys of users, as strings.

    ``user.pk in ids`` and ``user in ids`` work for int, UUID and string keys.
    Iteration and set operations use strings; :attr:`pks` has the keys in the type of
    ``AUTH_USER_MODEL``.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, user: object) -> bool:
        if isinstance(user, LazyObject):
            # Reading an attribute evaluates the lazy object.
            getattr(user, "pk", None)
        return super().__contains__(user_id_of(user))

    @property
    def pks(self) -> frozenset[Any]:
        """Return the primary keys in the type of ``AUTH_USER_MODEL``. O(users)."""
        return frozenset(primary_key(user_id) for user_id in self)
