"""What was read of the deployment, and what is known of it since the last reset."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import Future
from typing import Any

from django_socket_status.records import Coverage, Snapshot

__all__ = ["Known", "Reading", "with_own"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What was read, when, and how far it goes."""

    snapshot: Snapshot
    coverage: Coverage
    read_at: float
    """By the reader's clock."""
    taken_at: float
    """Seconds since the epoch."""
    stale: bool = False
    """Whether the counts may be behind."""
    whole: bool = True
    """Whether a zero is certain: false when others may hold what was not read."""
    version: object = None
    """What this process held: :attr:`~.registry.Registry.version`."""
    memo: dict[str, Any] = dataclasses.field(init=False, default_factory=dict)
    """What was made of it, for whoever is given the same reading."""


class Known:
    """What is known since the last reset.

    A read that hangs, and comes back after a reset, changes nothing that counts.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.last: Reading | None = None
        self.queued: Future[Reading] | None = None
        self.failing = False
        #: When the last read failed, and why; ``None`` when it did not.
        self.failed: tuple[float, Exception] | None = None


def with_own(snapshot: Snapshot, own: Snapshot) -> Snapshot:
    """Return what others reported, with what this process knows of itself."""
    mine = {status.worker.worker_id for status in own.workers}
    others = (it for it in snapshot.workers if it.worker.worker_id not in mine)
    users = snapshot.unique_users, own.unique_users
    return Snapshot(
        workers=(*others, *own.workers),
        unique_users=None if None in users else max(it or 0 for it in users),
    )
