"""The typed records of the history."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from django_socket_status.activity.as_json import as_json

__all__ = [
    "SPANS",
    "History",
    "HistoryBucket",
    "HistoryEvent",
    "HistorySample",
    "Span",
]

#: How far back a history goes, in buckets of 1, 6, 24 or 168 minutes.
Span = Literal["1h", "6h", "1d", "7d"]
SPANS: tuple[Span, ...] = get_args(Span)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HistoryBucket:
    """What happened in one part of a span."""

    starts_at: datetime.datetime
    """When it begins: aware, UTC, by the backend's clock."""
    samples: int
    """How many samples have a value. 0 is a gap: then ``open_average`` is ``None``."""
    expected_samples: int
    """How many samples there should be by now. The others are missing or stale."""
    is_told_apart: bool = True
    """False if the type that was asked for was among ``other`` in this bucket; then its
    numbers are not known."""
    open_average: float | None = None
    """The average number of open connections."""
    open_peak: int | None = None
    """The largest number of open connections at one instant."""
    peak_at: datetime.datetime | None = None
    """When that was."""
    opened: int | None = None
    """Connections that opened; ``None`` in a gap. What happened in a gap is counted in
    the bucket after it."""
    closed: Mapping[str, int] | None = None
    """Connections that closed, by cause; ``None`` in a gap."""
    rejected: int | None = None
    """Handshakes that were rejected; ``None`` in a gap."""
    users_average: float | None = None
    """The average number of different users, of all types; ``None`` if not known."""
    workers: int | None = None
    """The largest number of processes that held sockets."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HistorySample:
    """One sample of the last hour, of all types."""

    at: datetime.datetime
    """When the ten seconds begin that it is of: aware, UTC."""
    open: int | None
    """Open connections; ``None`` if a report was missing."""
    users: int | None
    """Different users; ``None`` if not known."""
    workers: int
    """Processes that held sockets."""
    opened: int
    """Connections that opened since the sample before."""
    closed: Mapping[str, int]
    """Connections that closed since the sample before, by cause."""
    rejected: int
    """Handshakes that were rejected since the sample before."""
    seconds: int = 10
    """How long ago the sample before was: 10, and more after missing samples. Then what
    opened, closed or was rejected is that of all these seconds."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """Something that happened to the deployment."""

    at: datetime.datetime
    """When: aware, UTC."""
    kind: str
    """``release``: first seen; ``worker_lost``; ``outage`` of the backend;
    ``disconnected``: more than ten connections, by an operator."""
    facts: Mapping[str, Any]
    """``release``; ``worker`` and ``number``; ``seconds``; or ``number``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The buckets, samples and events of one span, oldest first."""

    span: Span
    """Which span this is."""
    type: str | None
    """The type that was asked for; ``None`` for all types together."""
    types: Sequence[str]
    """The types that at least one bucket distinguishes."""
    bucket_seconds: int
    """The length of a bucket."""
    buckets: Sequence[HistoryBucket]
    """Always 60; one without samples is a gap and not a zero."""
    samples: Sequence[HistorySample]
    """With the span ``"1h"`` and no type: the samples that exist; else none."""
    events: Sequence[HistoryEvent]
    """What happened in the span."""
    complete: bool
    """Whether all that is kept could be read, and no event was lost."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return as_json(self)  # type: ignore[no-any-return]
