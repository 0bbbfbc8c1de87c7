"""What a drain found: the news for the next report."""

from __future__ import annotations

import dataclasses

from django_socket_status.records import OpenedConnection
from django_socket_status.registry.lifecycle import Event

__all__ = ["Changes"]


@dataclasses.dataclass(slots=True)
class Changes:
    """What happened since the last drain, coalesced."""

    opened: dict[int, OpenedConnection] = dataclasses.field(default_factory=dict)
    closed: list[int] = dataclasses.field(default_factory=list)
    users_joined: list[str] = dataclasses.field(default_factory=list)
    users_left: list[str] = dataclasses.field(default_factory=list)
    events: list[Event] = dataclasses.field(default_factory=list)
    """What each socket did, in order, and why it ended; empty unless events were
    wanted while it happened."""
    last_number: int = 0
    """The last number that the drain gave to an open connection; 0 for none."""
    recounted: bool = False
    """Whether a count may have changed. Without details, nothing else says so."""

    def __bool__(self) -> bool:
        return self.recounted
