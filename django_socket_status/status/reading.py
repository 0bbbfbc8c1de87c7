"""One reading: what the workers reported, and how far it can be trusted."""

from __future__ import annotations

import dataclasses
from typing import Any

from django_socket_status.endpoints.served import ServedEndpoints
from django_socket_status.records import Coverage, Snapshot

__all__ = ["Reading"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What the workers reported, read at one instant."""

    snapshot: Snapshot
    coverage: Coverage
    read_at: float
    """When the read began, by the reader's clock."""
    taken_at: float
    """When the read ended, in seconds since the epoch."""
    stale: bool = False
    """Whether the counts may be behind."""
    whole: bool = True
    """Whether a zero is certain: false if a report may be missing."""
    version: object = None
    """The state of this process that it includes: ``Registry.version``."""
    served: ServedEndpoints | None = None
    """The endpoints; ``None`` while they are not known."""
    memo: dict[str, Any] = dataclasses.field(init=False, default_factory=dict)
    """What callers derived from this reading, for the next caller of the same one."""
