"""What a backend keeps beside the open connections: texts that it does not interpret.

A worker's :class:`Activity` is part of a report; the :class:`ReportAnswer` brings back
what the store has for the worker. Every text is ASCII and JSON, so that a backend needs
to know neither its fields nor its version. Who writes and reads a text is named with
it below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

__all__ = [
    "Activity",
    "Bucket",
    "Command",
    "CommandState",
    "CountTotals",
    "Entries",
    "Kept",
    "ReportAnswer",
    "Rewritten",
    "StoredCount",
    "StoredTotals",
]

#: What a backend may keep: counters; closed and rejected connections, and changes of
#: them; buckets of the history; conditions of workers; commands to workers.
Kept = Literal["totals", "endings", "rewrites", "history", "conditions", "commands"]

#: Which list of ended connections: those that were open, and rejected handshakes.
Ended = Literal["closed", "rejected"]


class CountTotals(NamedTuple):
    """The counters of one worker since the beginning of one of its *counts*.

    A worker begins a new count when the store has folded its last one into the base,
    or has lost it.
    """

    count_number: int
    """The number of the count in its worker: 1, 2, and so on."""
    is_new: bool
    """Whether no report of this count was acknowledged yet."""
    text: str
    """The totals: see ``django_socket_status.activity.totals``."""


class Entries(NamedTuple):
    """Some ended connections of one report, oldest first."""

    text: str
    """See ``django_socket_status.activity.entries``."""
    number: int
    """How many there are; more than the setting allows are not kept."""
    left_out: int = 0
    """How many ended besides, and are not listed: then the list is a sample."""


class Rewritten(NamedTuple):
    """What takes the place of the text of some :class:`Entries`."""

    text: str
    """The text; it holds as many entries as the one before it."""
    changed: int
    """How many of them are not as they were."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a report carries beside the open connections."""

    totals: CountTotals | None = None
    """The counters; ``None`` if they are as in the last acknowledged report. A full
    report always has them, since the store may have folded or lost them."""
    closed: Entries | None = None
    """Connections that closed since the last acknowledged report."""
    rejected: Entries | None = None
    """Handshakes that were rejected since the last acknowledged report."""
    condition: str | None = None
    """How the worker does; ``None`` if that is as in its last report, or in a full
    report if the worker does not say."""
    results: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What became of commands, by their id; repeated until acknowledged."""
    commands_after: int = 0
    """The number of the last command that the worker has received."""
    can_sample: bool = False
    """Whether the worker may be asked to take the next sample of the history."""
    stops: bool = False
    """Whether the process ends: the backend takes the activity, and forgets the worker
    in the same step, as :meth:`goodbye` does."""


class Command(NamedTuple):
    """A short order to workers."""

    command_id: str
    """Unique; chosen by who gives it."""
    text: str
    """At most 4 KiB."""
    expires_seconds: float
    """For how long workers receive it."""
    number: int = 0
    """Its place in the order of all commands; the backend sets it."""
    age_seconds: float = 0.0
    """How long ago it was given, by the backend's clock, when the backend answered the
    report; the backend sets it. A worker learns from it which of its connections were
    open by then."""


class CommandState(NamedTuple):
    """A command, and what workers have answered."""

    command: Command
    """The command, with its number."""
    given_at: float
    """Seconds since the epoch, by the backend's clock."""
    results: Mapping[str, str]
    """The last answer of each worker, by worker id."""


class ReportAnswer(NamedTuple):
    """What a backend answers to a report."""

    is_taken: bool
    """Whether the connections of the report were taken: as the result of ``report``."""
    folded: int | None = None
    """The sequence number of the last report whose counters were folded into the base.
    The counters of this report were not taken: the worker begins a new count, from what
    it had sent with that report."""
    is_forgotten: bool = False
    """Whether the store knows nothing of a count that it had acknowledged. The counters
    of this report were not taken: the worker begins a new count at zero."""
    commands: Sequence[Command] = ()
    """The commands after ``commands_after`` that have not expired, oldest first."""
    samples: bool = False
    """Whether this worker has to take a sample of the history now."""


class StoredCount(NamedTuple):
    """The counters of one worker as the store has them."""

    worker_id: str
    """Whose counters they are."""
    count_number: int
    """The number of the count in its worker."""
    sequence: int
    """That of the report that carried the counters."""
    text: str
    """The counters, as :attr:`CountTotals.text`."""
    is_live: bool
    """Whether the worker's lease, and what a store adds for late reports, has not
    ended."""


class StoredTotals(NamedTuple):
    """All counters of a store. The totals are the base and all counts together."""

    epoch: float
    """Since when they count: seconds since the epoch, by the backend's clock. The store
    sets it with the first counters that it takes. It is lost only together with the
    base, the counts and the marks of folded counts."""
    base: str
    """The sum of all folded counts; empty before the first one."""
    counts: Sequence[StoredCount]
    """The counters of each worker that are not in the base."""
    now: float
    """The time of the backend's clock, in seconds since the epoch."""
    carry: str = ""
    """What the last sampler left for the next one; empty before the first one."""


class Bucket(NamedTuple):
    """One bucket of a ring of the history."""

    ring: str
    """The name of the ring."""
    number: int
    """The number of the bucket: its time divided by the seconds of a bucket."""
    text: str
    """See ``django_socket_status.activity.history``."""
    keep: int = 0
    """How many buckets, the newest ones, the ring keeps."""
