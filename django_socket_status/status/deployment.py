"""Reads what all workers reported, and adds what this process has not reported.

=====================================  =============================================
the backend                            the reading
=====================================  =============================================
is read, and this process has          the reports of all workers
reported its current state
is read, a report of this process is   the same, stale
still being written
is read but incomplete, or this        the reports of the others and the current
process cannot report                  state of this process, stale
cannot be used: a setting is wrong     the state of this process alone, coverage
                                       "process", if it ever had a socket
raises another error                   none: the error is raised
=====================================  =============================================
"""

from __future__ import annotations

import dataclasses
import time

from django.core.exceptions import ImproperlyConfigured

from django_socket_status.backends import get_backend
from django_socket_status.exceptions import BackendUnusableError
from django_socket_status.records import Snapshot
from django_socket_status.registry.registry import Registry
from django_socket_status.reporter.thread import Reporter
from django_socket_status.status.reading import Reading
from django_socket_status.validation import valid_snapshot

__all__ = ["UNUSABLE_ERRORS", "DeploymentSource"]

#: Errors after which a process answers for itself: a setting is wrong, and a later read
#: cannot succeed.
UNUSABLE_ERRORS = (BackendUnusableError, ImproperlyConfigured)


@dataclasses.dataclass(frozen=True, slots=True)
class DeploymentSource:
    """The reports of all workers, and the state of this process."""

    registry: Registry
    reporter: Reporter

    def read(self, read_at: float, flush_seconds: float) -> Reading:
        """Read the backend.

        Args:
            read_at: The instant, by the reader's clock.
            flush_seconds: How long to wait for a report of this process that is being
                written.

        Raises:
            Exception: whatever the backend raises.
        """
        try:
            backend = get_backend()
            is_reported = self.reporter.flush(flush_seconds)
            version = self.reporter.reported_version
            snapshot = valid_snapshot(backend.read())
        except UNUSABLE_ERRORS:
            if (own := self._read_own(read_at, flush_seconds)) is None:
                raise
            return own
        failure = self.reporter.failure
        own = None
        if isinstance(failure, UNUSABLE_ERRORS):
            own = self._read_own(read_at, flush_seconds)
        if own is not None:
            return own
        complete = snapshot.complete and all(it.complete for it in snapshot.workers)
        if failure is not None:
            version = self.registry.version
        if failure is not None or not complete:
            snapshot = self._with_own(snapshot, flush_seconds)
        whole = complete and is_reported and failure is None
        return Reading(
            snapshot=snapshot,
            coverage=backend.coverage,
            read_at=read_at,
            taken_at=time.time(),
            stale=not whole,
            whole=whole,
            version=version,
        )

    def _read_own(self, read_at: float, flush_seconds: float) -> Reading | None:
        """Return the state of this process alone, if it ever had a socket."""
        version = self.registry.version
        own = self.reporter.own_snapshot(flush_seconds)
        if own is None:
            return None
        return Reading(
            snapshot=own,
            coverage="process",
            read_at=read_at,
            taken_at=time.time(),
            whole=False,
            version=version,
        )

    def _with_own(self, snapshot: Snapshot, flush_seconds: float) -> Snapshot:
        """Return the reports of the others, with the state of this process."""
        own = self.reporter.own_snapshot(flush_seconds)
        if own is None:
            return snapshot
        own_ids = {status.worker.worker_id for status in own.workers}
        others = (it for it in snapshot.workers if it.worker.worker_id not in own_ids)
        users = snapshot.unique_users, own.unique_users
        return Snapshot(
            workers=(*others, *own.workers),
            unique_users=None if None in users else max(it or 0 for it in users),
        )
