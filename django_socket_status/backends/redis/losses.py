"""Decides whether workers may be missing from the index of workers.

:func:`judge` and :func:`is_silent` are pure. They take what this process remembers,
what Redis says, and the length of a lease. They compare times of the server's clock,
and not when this process began to read, since a management command may end within a
lease:

=====================================  =================================================
event                                  answers may be incomplete until
=====================================  =================================================
the index took the place of another    a lease after it was begun
the index is missing, and ``until``    the last lease that was reported ends; it may be
says when a worker reported last       over already, and then nothing is missing
the server was started                 a lease after that, if there is no index or it is
                                       older than the server
a flush: both keys are missing, and    a lease after the first reader saw it, which
the server knows the report script     writes ``until`` for all others
all leases ended without a goodbye     a lease after the last one ended
=====================================  =================================================
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from django_socket_status.backends.redis.replies import WorkerIndex

__all__ = [
    "INDEX_MS",
    "LAST_MS",
    "Memory",
    "Server",
    "Verdict",
    "is_silent",
    "judge",
    "periods",
]

#: How long the index of workers outlives the last report of all of them.
INDEX_MS = 86_400_000

#: How long the note of the last report is kept. This is longer than :data:`PERIOD_MS`
#: and a lease. So if the server knows a script of this period, a missing note was lost.
LAST_MS = 8 * INDEX_MS

#: How long workers use one text of the report script. A server never forgets a single
#: script, so knowing an older text says nothing about the last days.
PERIOD_MS = 7 * INDEX_MS

#: ``INFO`` gives the uptime of a server in whole seconds.
ROUNDING_MS = 1000


class Verdict(enum.Enum):
    """Whether reports may be missing, or what is needed to decide."""

    WHOLE = enum.auto()
    LOST = enum.auto()
    #: Judge again with a :class:`Server`.
    ASK = enum.auto()
    #: Reports were lost. Write that down for other processes.
    NOTE = enum.auto()


class Server(NamedTuple):
    """What the server says about its last start."""

    #: Changes with each start; ``None`` if the server does not return it.
    run_id: str | None
    #: Milliseconds of the server's clock.
    started_at: float
    #: Whether it has taken reports under this prefix in this period.
    is_known: bool


class Memory(NamedTuple):
    """What a process remembers of its last reads. All times are the server's."""

    #: When the index that was read last was begun, and when it was read.
    since: float | None = None
    seen_at: float = 0.0
    #: The number of the answer that held an index last.
    turn: int = 0
    #: Which run of the server was judged, and whether it is still that one.
    run_id: str | None = None
    is_asked: bool = False
    #: Until when reports may be missing, as far as only this process knows: while there
    #: is no index, and while the one that is there is older than the server.
    doubt_until: float | None = None
    older_until: float | None = None
    #: Whether this process has found a loss that it could not write down.
    is_noted: bool = False
    #: Whether the last read failed, and until when the workers may be unable to report.
    has_failed: bool = False
    silent_until: float = 0.0


def judge(
    memory: Memory,
    index: WorkerIndex,
    lease_ms: float,
    server: Server | None = None,
    turn: int = 0,
) -> tuple[Memory, Verdict]:
    """Return what to remember, and whether the index of workers was lost. Pure.

    Args:
        memory: What this process remembers.
        index: What a script found.
        lease_ms: The length of a lease.
        server: What the server says of itself, once :attr:`Verdict.ASK` was returned.
        turn: The number of this answer among the questions and answers of the reader.
    """
    if index.since is None:
        return _without_index(memory, index, lease_ms, server)
    if server is None and not memory.is_asked:
        return memory, Verdict.ASK
    memory = _meet(memory, index, lease_ms, server)
    since, now = index.since, index.now
    # An index that expired was not lost: no worker had reported for a day.
    is_another = memory.since not in {None, since} and since - memory.seen_at < INDEX_MS
    if (index.replaces or is_another) and 0 <= now - since < lease_ms:
        return memory, Verdict.LOST
    if _is_before(now, memory.older_until, lease_ms):
        return memory, Verdict.LOST
    memory = memory._replace(
        since=since, seen_at=now, turn=turn, doubt_until=None, is_noted=False
    )
    return memory, Verdict.WHOLE


def _without_index(
    memory: Memory, index: WorkerIndex, lease_ms: float, server: Server | None
) -> tuple[Memory, Verdict]:
    now = index.now
    if memory.since is not None and index.asked < memory.turn:
        # Another thread read an index after this read began.
        return memory, Verdict.WHOLE
    if index.last is not None and index.last[0] <= now:
        if now < index.last[1]:
            return memory, Verdict.LOST
        return _gone(memory._replace(is_noted=False)), Verdict.WHOLE
    if server is None:
        return memory, Verdict.ASK
    memory = _meet(memory, index, lease_ms, server)
    remembers = memory.since is not None and now - memory.seen_at < INDEX_MS
    if not memory.is_noted and (
        server.is_known or (remembers and memory.doubt_until is None)
    ):
        return memory._replace(doubt_until=now + lease_ms, is_noted=True), Verdict.NOTE
    if _is_before(now, memory.doubt_until, lease_ms):
        return memory, Verdict.LOST
    return _gone(memory), Verdict.WHOLE


def _gone(memory: Memory) -> Memory:
    """Return what to remember if no worker is left. The next index replaces none."""
    return memory._replace(since=None, doubt_until=None)


def _meet(
    memory: Memory, index: WorkerIndex, lease_ms: float, server: Server | None
) -> Memory:
    """Return what to remember after the server has said when it was started.

    Workers that reported to it before report again within a lease after the start.
    """
    if server is None:
        return memory
    memory = memory._replace(is_asked=True)
    if server.run_id is None or server.run_id == memory.run_id:
        return memory
    until = server.started_at + lease_ms
    memory = memory._replace(run_id=server.run_id, is_noted=False)
    if index.since is None:
        return memory._replace(doubt_until=until)
    is_older = index.since < server.started_at - ROUNDING_MS
    return memory._replace(older_until=until if is_older else None)


def _is_before(now: float, until: float | None, lease_ms: float) -> bool:
    """Return whether a time is within the next lease; later ones had a wrong clock."""
    return until is not None and 0 < until - now <= lease_ms


def is_silent(
    memory: Memory, index: WorkerIndex, lease_ms: float
) -> tuple[Memory, bool]:
    """Return what to remember, and whether live workers may not be in the index. Pure.

    A worker whose lease ended was killed, or it could not report. In the second case it
    reports again within a heartbeat.
    """
    failed = memory.has_failed
    if not index.late:
        return memory._replace(has_failed=False, silent_until=0.0), False
    if index.revived_at is not None and 0 <= index.now - index.revived_at < lease_ms:
        return memory._replace(has_failed=False), True
    if index.alive:
        return memory._replace(has_failed=False, silent_until=0.0), False
    if failed:
        # This process could not read. So workers may not have been able to report.
        memory = memory._replace(has_failed=False, silent_until=index.now + lease_ms)
    ended = index.now if index.ended is None else index.ended
    is_recent = index.now - ended < lease_ms
    return memory, is_recent or _is_before(index.now, memory.silent_until, lease_ms)


def periods(now: float, lease_ms: float) -> set[int]:
    """Return the periods in which a worker that is alive now may have reported."""
    return {int(at // PERIOD_MS) for at in (now, now - lease_ms)}
