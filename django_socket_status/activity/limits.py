"""For how long, and how much, a backend keeps of what workers did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django_socket_status.activity.stored import Ended
from django_socket_status.conf import get_settings

__all__ = [
    "CLOSED_BYTES",
    "COMMAND_SECONDS",
    "IDLE_SECONDS",
    "LOST_CONNECTIONS",
    "MARK_SECONDS",
    "MAX_COMMANDS",
    "SAMPLE_SECONDS",
    "EndedLimit",
    "count_kept",
    "ended_limit",
    "is_sample_due",
]

#: For how long a store remembers that it folded a count: 24 hours.
MARK_SECONDS = 86_400.0
#: For how long a command and its results are kept: 24 hours.
COMMAND_SECONDS = 86_400.0
MAX_COMMANDS = 100
#: The time between two samples of the history.
SAMPLE_SECONDS = 10.0
#: How many connections of a lost worker are kept for the list of closed ones.
LOST_CONNECTIONS = 1_000
#: The most that closed connections, and rejected handshakes, may take.
CLOSED_BYTES, REJECTED_BYTES = 8 * 2**20, 2**20
#: After this long without a write, a store has nothing left: 8 days.
IDLE_SECONDS = 8 * 86_400.0


def is_sample_due(sampled_at: float | None, now: float, wall_now: float) -> bool:
    """Return whether a bucket of ten seconds of the history has no sample yet.

    The buckets are those of wall time, so that each has one sample, if workers report
    often enough. When the last sample was is measured by a monotonic clock.

    Args:
        sampled_at: When a worker was last asked to sample; ``None`` if none was.
        now: By the same clock. One that went back makes a sample due.
        wall_now: Seconds since the epoch.
    """
    if sampled_at is None or now < sampled_at:
        return True
    # The clocks are not read at the same time, and their seconds differ a little.
    return now - sampled_at > wall_now % SAMPLE_SECONDS + 0.001


class EndedLimit(NamedTuple):
    """How much of a list of ended connections is kept."""

    number: int
    seconds: float
    size: int
    """In bytes."""


def ended_limit(ended: Ended) -> EndedLimit:
    """Return the limit of a list, as the settings have it now."""
    settings = get_settings()
    if ended == "closed":
        return EndedLimit(settings.closed_limit, settings.closed_seconds, CLOSED_BYTES)
    return EndedLimit(settings.rejected_limit, settings.closed_seconds, REJECTED_BYTES)


def count_kept(
    reports: Iterable[tuple[float, int, int]], limit: EndedLimit, now: float
) -> int:
    """Return how many reports of ended connections fit into a limit.

    Args:
        reports: When each was kept, its number of entries and its bytes; newest first.
        limit: The limit.
        now: By the clock that the times are of. After it was set back, a time in the
            future counts as now.
    """
    kept = number = size = 0
    for at, entries, length in reports:
        # A report without entries takes the space of one.
        number += max(1, entries)
        size += length
        if number > limit.number or size > limit.size or now - at >= limit.seconds:
            break
        kept += 1
    return kept
