"""What a drain found: the news for the next report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from django_socket_status.records import OpenedConnection
from django_socket_status.registry.lifecycle import Event, LiveConnection

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
    counted: Sequence[LiveConnection] = ()
    """Those that the drain has counted for the first time."""
    recounted: bool = False
    """Whether a count may have changed. Without details, nothing else says so."""

    def note_counted(self, fresh: Sequence[LiveConnection]) -> None:
        """Note connections that were counted for the first time, at least one."""
        self.counted, self.last_number = fresh, fresh[-1].number

    def __bool__(self) -> bool:
        return self.recounted
