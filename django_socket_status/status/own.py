"""Reads the numbers of this process alone: no backend, no lock, no wait for a report.

A drain changes the counts and the totals in several steps. A reader takes its copy
between two drains: it reads the version of the registry before and after, and begins
again if a drain ran meanwhile.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping

from django_socket_status.activity.conditions import Condition
from django_socket_status.records import instant
from django_socket_status.registry.registry import Registry
from django_socket_status.reporter.thread import Reporter, reporter
from django_socket_status.status.totals import TotalsRecord, totals_record

__all__ = ["OwnNumbers", "aread_own", "own_numbers", "read_own"]

#: How often a reader tries, and how long it waits in between: 0.2 seconds in all.
ATTEMPTS, PAUSE_SECONDS = 100, 0.002


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OwnNumbers:
    """What this process has counted, as of its last drain."""

    counts: Mapping[str, int]
    """How many connections are open, by type."""
    anonymous: int
    """How many of them have no user."""
    totals: TotalsRecord
    """What happened since the process began, or was forked."""
    condition: Condition
    """How the process does, as of its last heartbeat."""


def read_own() -> OwnNumbers | None:
    """Return the numbers of this process; ``None`` if it counts all the time."""
    for _ in range(ATTEMPTS):
        found = own_numbers(reporter)
        if found is not None:
            return found
        time.sleep(PAUSE_SECONDS)
    return None


async def aread_own() -> OwnNumbers | None:
    """Return the numbers of this process, as :func:`read_own`, on an event loop."""
    for _ in range(ATTEMPTS):
        found = own_numbers(reporter)
        if found is not None:
            return found
        await asyncio.sleep(PAUSE_SECONDS)
    return None


def own_numbers(reporter: Reporter) -> OwnNumbers | None:
    """Return the numbers of a reporter's process; ``None`` if a drain ran meanwhile."""
    registry = reporter.registry
    version, counts = registry.version, registry.counts
    try:
        found = _copy(reporter, registry)
    except RuntimeError:
        # A dictionary changed during its iteration.
        return None
    if registry.is_draining or registry.version is not version:
        return None
    # Counting again makes another dictionary.
    return found if registry.counts is counts else None


def _copy(reporter: Reporter, registry: Registry) -> OwnNumbers:
    return OwnNumbers(
        counts=dict(registry.counts),
        anonymous=registry.anonymous,
        totals=totals_record(registry.totals(), instant(registry.tally.began_at)),
        condition=reporter.condition.condition(),
    )
