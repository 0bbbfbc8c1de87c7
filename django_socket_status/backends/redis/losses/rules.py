"""Decides whether workers may be missing from the index of workers; see the package."""

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
    """What a process remembers of its last reads."""

    #: When the index that was read last was begun; ``None`` if none was read.
    index_since: float | None = None
    index_read_at: float = 0.0
    #: The number of the answer that held it.
    index_turn: int = 0
    #: Whether the server has been asked about its start since the last doubt about it.
    knows_server: bool = False
    #: The start of the server that was judged last.
    run_id: str | None = None
    #: While there is no index: until when workers may have to report again.
    missing_until: float | None = None
    #: While the index is older than the server: until when it may lack workers.
    restored_until: float | None = None
    #: Whether this process has found a loss that it could not write down.
    has_noted: bool = False
    #: Whether the last read failed, and so workers may be unable to report, too.
    read_failed: bool = False
    #: Until when they may have to report again after that.
    silent_until: float = 0.0


def judge(
    memory: Memory,
    index: WorkerIndex,
    lease_ms: float,
    server: Server | None = None,
    turn: int = 0,
) -> tuple[Memory, Verdict]:
    """Return what to remember, and whether the index of workers was lost.

    Args:
        memory: What this process remembers.
        index: What a script found.
        lease_ms: The length of a lease.
        server: What the server says of itself, once :attr:`Verdict.ASK` was returned.
        turn: The number of this answer among the questions and answers of the reader.
    """
    if index.since is None:
        return _judge_missing(memory, index, lease_ms, server)
    if server is None and not memory.knows_server:
        return memory, Verdict.ASK
    memory = _remember_server(memory, index, lease_ms, server)
    if _has_replaced(memory, index, index.since, lease_ms) or _is_before(
        index.now, memory.restored_until, lease_ms
    ):
        return memory, Verdict.LOST
    memory = memory._replace(
        index_since=index.since,
        index_read_at=index.now,
        index_turn=turn,
        missing_until=None,
        has_noted=False,
    )
    return memory, Verdict.WHOLE


def _has_replaced(
    memory: Memory, index: WorkerIndex, since: float, lease_ms: float
) -> bool:
    """Return whether an index took the place of another, less than a lease ago."""
    # An index that expired was not lost: no worker had reported for a day.
    is_another = (
        memory.index_since not in {None, since}
        and since - memory.index_read_at < INDEX_MS
    )
    return (index.replaces or is_another) and 0 <= index.now - since < lease_ms


def _judge_missing(
    memory: Memory, index: WorkerIndex, lease_ms: float, server: Server | None
) -> tuple[Memory, Verdict]:
    """Judge that there is no index."""
    now = index.now
    if memory.index_since is not None and index.asked < memory.index_turn:
        # Another thread read an index after this read began.
        return memory, Verdict.WHOLE
    if index.last is not None and index.last[0] <= now:
        if now < index.last[1]:
            return memory, Verdict.LOST
        return _without_workers(memory)._replace(has_noted=False), Verdict.WHOLE
    if server is None:
        return memory, Verdict.ASK
    memory = _remember_server(memory, index, lease_ms, server)
    if not memory.has_noted and (server.is_known or _had_index(memory, now)):
        memory = memory._replace(missing_until=now + lease_ms, has_noted=True)
        return memory, Verdict.NOTE
    if _is_before(now, memory.missing_until, lease_ms):
        return memory, Verdict.LOST
    return _without_workers(memory), Verdict.WHOLE


def _had_index(memory: Memory, now: float) -> bool:
    """Return whether this process saw an index that cannot have expired since."""
    return (
        memory.index_since is not None
        and now - memory.index_read_at < INDEX_MS
        and memory.missing_until is None
    )


def _without_workers(memory: Memory) -> Memory:
    """Return what to remember if no worker is left. The next index replaces none."""
    return memory._replace(index_since=None, missing_until=None)


def _remember_server(
    memory: Memory, index: WorkerIndex, lease_ms: float, server: Server | None
) -> Memory:
    """Return what to remember after the server has said when it was started.

    Workers that reported to it before report again within a lease after the start.
    """
    if server is None:
        return memory
    memory = memory._replace(knows_server=True)
    if server.run_id is None or server.run_id == memory.run_id:
        return memory
    until = server.started_at + lease_ms
    memory = memory._replace(run_id=server.run_id, has_noted=False)
    if index.since is None:
        return memory._replace(missing_until=until)
    is_older = index.since < server.started_at - ROUNDING_MS
    return memory._replace(restored_until=until if is_older else None)


def _is_before(now: float, until: float | None, lease_ms: float) -> bool:
    """Return whether a time is within the next lease; later ones had a wrong clock."""
    return until is not None and 0 < until - now <= lease_ms


def is_silent(
    memory: Memory, index: WorkerIndex, lease_ms: float
) -> tuple[Memory, bool]:
    """Return what to remember, and whether live workers may not be in the index.

    A worker whose lease ended was killed, or it could not report. In the second case it
    reports again within a heartbeat.
    """
    read_failed = memory.read_failed
    memory = memory._replace(read_failed=False)
    if not index.late:
        return memory._replace(silent_until=0.0), False
    if index.revived_at is not None and 0 <= index.now - index.revived_at < lease_ms:
        return memory, True
    if index.alive:
        return memory._replace(silent_until=0.0), False
    if read_failed:
        memory = memory._replace(silent_until=index.now + lease_ms)
    ended = index.now if index.ended is None else index.ended
    is_recent = index.now - ended < lease_ms
    return memory, is_recent or _is_before(index.now, memory.silent_until, lease_ms)


def periods(now: float, lease_ms: float) -> set[int]:
    """Return the periods in which a worker that is alive now may have reported."""
    return {int(at // PERIOD_MS) for at in (now, now - lease_ms)}
