"""Parses the replies of the scripts that read reports and the index of workers."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.backends.redis.codec import pack, unpack
from django_socket_status.backends.redis.user_shards import is_generation
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report
from django_socket_status.validation import (
    damaged,
    valid_count,
    valid_counts,
    valid_flag,
)

__all__ = [
    "FIRST",
    "Found",
    "LastReport",
    "Live",
    "WorkerCounts",
    "WorkerIndex",
    "pack_counts",
    "read_index",
    "read_live",
    "read_one",
]

#: Members of the index of workers that are no worker. The index was begun as the first
#: one, or again after one was lost; or workers report again after a silence.
FIRST, AGAIN, SILENT = b"first", b"again", b"silent"


#: When a worker reported last and when its lease ends, as ``at:until``.
_LAST = re.compile(rb"([0-9]{1,15}):([0-9]{1,15})")

#: A whole number, small enough to be exact in Lua and in JavaScript.
_NUMBER = re.compile(rb"[0-9]{1,15}")

#: No lease is longer: the range of ``LEASE_SECONDS``.
MAX_LEASE_MS = 86_400_000


class WorkerCounts(NamedTuple):
    """The counts of a worker. Redis holds the same bytes until one changes."""

    complete: bool
    anonymous: int
    #: Whether the worker keeps connections and users.
    detailed: bool
    by_type: Mapping[str, int]


class Live(NamedTuple):
    """The report of a worker whose lease is alive."""

    worker_id: str
    generation: str
    #: How many users the worker has; 0 if it keeps none.
    users: int
    #: Milliseconds of the server's clock.
    reported_at: int
    counts: WorkerCounts
    #: The counts as Redis holds them.
    packed: bytes


#: Makes a :class:`Live` at half the cost of calling the class.
_new_live = functools.partial(tuple.__new__, Live)


class LastReport(NamedTuple):
    """The last report of all workers, in milliseconds of the server's clock."""

    reported_at: int
    lease_ends_at: int


class WorkerIndex(NamedTuple):
    """What the index of workers says, at a moment of the server's clock."""

    #: Milliseconds of the server's clock, as all times here.
    now: int
    #: When the index was begun, ``None`` if there is none.
    since: float | None
    #: Whether it took the place of one that was lost.
    replaces: bool
    #: When a worker reported again after no worker did for a lease.
    revived_at: float | None
    #: How many workers' leases ended without a goodbye, and not long ago.
    late: int
    #: How many are alive.
    alive: int
    #: The number of the question, among the threads that share a reader.
    asked: int = 0
    #: When the last lease ended, where none is alive.
    ended: float | None = None
    #: Only without an index.
    last: LastReport | None = None


class Found(NamedTuple):
    """What one read of every live report found."""

    worker_index: WorkerIndex
    live: Sequence[Live]
    #: How many different users there are, -1 if it takes longer to count.
    unique_users: int
    #: In that case: the last number of users, and when a reader should count again.
    counted: tuple[int, int] | None
    #: Whether a report or a set of users was lost.
    lost: bool


def pack_counts(report: Report, *, detailed: bool) -> bytes:
    """Return the counts of a report, packed."""
    counts = dict(report.counts)
    return pack([report.complete, report.anonymous, detailed, counts])


def read_live(reply: Sequence[Any], last: Sequence[Live] = (), asked: int = 0) -> Found:
    """Return what the script ``READ`` found. O(workers).

    Args:
        reply: Its reply.
        last: The workers that were read before.
        asked: The number of the question.
    """
    state, ids, reports, users, counted, lost = reply
    live = tuple(_workers(ids, reports, {it.packed: it.counts for it in last}))
    return Found(
        worker_index=read_index(state, asked),
        live=live,
        unique_users=users,
        counted=_counted(counted),
        lost=bool(lost) or len(live) < len(ids),
    )


def read_index(state: Sequence[Any], asked: int = 0) -> WorkerIndex:
    """Return the state of the index of workers from the reply of a script."""
    now, begun, late, alive, ended, last = state
    times = {name: -float(at) for name, at in zip(begun[::2], begun[1::2], strict=True)}
    return WorkerIndex(
        now=now,
        since=times.get(AGAIN, times.get(FIRST)),
        replaces=AGAIN in times,
        revived_at=times.get(SILENT),
        late=late,
        alive=alive,
        asked=asked,
        ended=None if ended is None else float(ended),
        last=_last(last),
    )


def _last(written: bytes | None) -> LastReport | None:
    """Return when a worker reported last and when its lease ends, if that is known."""
    found = _LAST.fullmatch(written or b"")
    if found is None:
        return None
    at, until = map(int, found.groups())
    return LastReport(at, until) if at <= until <= at + MAX_LEASE_MS else None


def _counted(fields: Sequence[bytes | None] | None) -> tuple[int, int] | None:
    if not fields or len(fields) != 2:
        return None
    if not all(_NUMBER.fullmatch(field or b"") for field in fields):
        return None
    count, due = (int(field or 0) for field in fields)
    return count, due


def _workers(
    ids: Sequence[bytes],
    reports: Sequence[bytes | None],
    known: dict[bytes, WorkerCounts],
) -> Iterator[Live]:
    for worker_id, report in zip(ids, reports, strict=True):
        if report is None:
            continue
        try:
            yield _new_live((worker_id.decode(), *_read_report(report, known)))
        except (BackendError, ValueError):
            # A damaged report counts as lost until its worker reports again.
            continue


def read_one(worker_id: str, report: bytes) -> Live:
    """Return one worker from its report.

    Raises:
        BackendError: the report is damaged.
        ValueError: the worker has stopped, or the report is damaged in another way.
    """
    return Live(worker_id, *_read_report(report, {}))


def _read_report(report: bytes, known: dict[bytes, WorkerCounts]) -> tuple[Any, ...]:
    """Return the fields of a report after its sequence, which the scripts have checked.

    Raises:
        BackendError: the report is damaged.
        ValueError: the report is damaged in another way.
    """
    _, generation, users, at, packed = report.split(b":", 4)
    name = generation.decode("ascii")
    if not is_generation(name) or not _NUMBER.fullmatch(users):
        raise damaged("a report")
    if not _NUMBER.fullmatch(at):
        raise damaged("a report")
    counts = known.get(packed)
    if counts is None:
        counts = known[packed] = _read_counts(packed)
    return name, int(users), int(at), counts, packed


def _read_counts(packed: bytes) -> WorkerCounts:
    found = unpack(packed)
    if not isinstance(found, list) or len(found) != 4:
        raise damaged("the counts")
    complete, anonymous, detailed, by_type = found
    return WorkerCounts(
        valid_flag(complete),
        valid_count(anonymous),
        valid_flag(detailed),
        valid_counts(by_type),
    )
