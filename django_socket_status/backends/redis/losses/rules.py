"""Decides whether workers may be missing from the index of workers.

The index is a sorted set in Redis: each worker with the end of its lease, and when the
index was begun. The table of the package says when an answer may be incomplete.
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
    "judge",
    "judge_silence",
    "periods",
]

#: How long the index of workers outlives the last report of all of them.
INDEX_MS = 86_400_000

#: How long workers use one text of the report script: the number of the period is part
#: of it. A server never forgets a single script. So if it knows the text of a period, a
#: worker has reported in that period.
PERIOD_MS = 7 * INDEX_MS

#: How long the key ``until`` is kept, which says when a worker reported last. This is
#: longer than a period and a lease. So if the server knows the text of this period and
#: has no such key, the key was lost.
LAST_MS = 8 * INDEX_MS

#: ``INFO`` gives the uptime of a server in whole seconds.
ROUNDING_MS = 1000


class Verdict(enum.Enum):
    """Whether reports may be missing, or what is needed to decide."""

    COMPLETE = enum.auto()
    LOST = enum.auto()
    #: Lost, and this process is the first to find it: write it down for the others.
    NEWLY_LOST = enum.auto()
    #: Judge again with a :class:`Server`.
    ASK_SERVER = enum.auto()


class Server(NamedTuple):
    """What the server says about its last start."""

    #: Changes with each start; ``None`` if the server does not return it.
    run_id: str | None
    #: Milliseconds of the server's clock.
    started_at: float
    #: Whether it knows the report script of this prefix and period.
    knows_script: bool


class Memory(NamedTuple):
    """What a process remembers of its last reads.

    Its threads read at the same time. One counter numbers their questions and answers,
    so an answer was read after each question with a lower number.
    """

    #: When the index that was read last was begun; ``None`` if none was read.
    index_since: float | None = None
    index_read_at: float = 0.0
    #: The number of the answer that held it.
    index_turn: int = 0
    #: Whether the server was asked about its start. A failed read resets this, and so
    #: does a script that the server did not know: it may have been started since.
    has_asked_server: bool = False
    #: The start of the server that was judged last.
    run_id: str | None = None
    #: While there is no index: until when workers may be missing.
    missing_until: float | None = None
    #: While the index is older than the server: until when workers may be missing.
    restored_until: float | None = None
    #: Whether this process has found the loss of the index that is missing now. This
    #: counts if the server took no writes: one loss is found once.
    has_found_loss: bool = False
    #: Whether the last read failed: workers may have been unable to report, too.
    read_failed: bool = False
    #: After that: until when workers may be missing.
    silent_until: float = 0.0


def judge(
    memory: Memory,
    index: WorkerIndex,
    lease_ms: float,
    server: Server | None = None,
    turn: int = 0,
) -> tuple[Memory, Verdict]:
    """Return what to remember, and whether workers may be missing from the index.

    Args:
        memory: What this process remembers.
        index: What a script found.
        lease_ms: The length of a lease.
        server: What the server says, after :attr:`Verdict.ASK_SERVER` was returned.
        turn: The number of this answer: see :class:`Memory`.
    """
    if index.since is None:
        return _judge_missing(memory, index, lease_ms, server)
    if server is None and not memory.has_asked_server:
        return memory, Verdict.ASK_SERVER
    memory = _remember_server(memory, index, lease_ms, server)
    if _has_replaced(memory, index, index.since, lease_ms) or _is_within_lease(
        memory.restored_until, index.now, lease_ms
    ):
        # Not remembered: the next read has to find that it is not the one of before.
        return memory, Verdict.LOST
    memory = memory._replace(
        index_since=index.since,
        index_read_at=index.now,
        index_turn=turn,
        missing_until=None,
        has_found_loss=False,
    )
    return memory, Verdict.COMPLETE


def _has_replaced(
    memory: Memory, index: WorkerIndex, since: float, lease_ms: float
) -> bool:
    """Return whether the index took the place of a lost one, less than a lease ago."""
    # An index that expired was not lost: no worker had reported for a day.
    is_another = (
        memory.index_since not in {None, since}
        and since - memory.index_read_at < INDEX_MS
    )
    return (index.replaces or is_another) and 0 <= index.now - since < lease_ms


def _judge_missing(
    memory: Memory, index: WorkerIndex, lease_ms: float, server: Server | None
) -> tuple[Memory, Verdict]:
    """Judge that there is no index: either no worker lives, or it was lost."""
    now = index.now
    if _came_before_index(memory, index):
        return memory, Verdict.COMPLETE
    if index.last is not None and index.last.reported_at <= now:
        if now < index.last.lease_ends_at:
            return memory, Verdict.LOST
        memory = _without_workers(memory)._replace(has_found_loss=False)
        return memory, Verdict.COMPLETE
    if server is None:
        return memory, Verdict.ASK_SERVER
    memory = _remember_server(memory, index, lease_ms, server)
    if not memory.has_found_loss and (server.knows_script or _had_index(memory, now)):
        memory = memory._replace(missing_until=now + lease_ms, has_found_loss=True)
        return memory, Verdict.NEWLY_LOST
    if _is_within_lease(memory.missing_until, now, lease_ms):
        return memory, Verdict.LOST
    return _without_workers(memory), Verdict.COMPLETE


def _came_before_index(memory: Memory, index: WorkerIndex) -> bool:
    """Return whether this read found no index before another thread found the first.

    Both the numbers and the server's clock have to say so. The numbers alone cannot
    tell that the index was lost between the two reads, and a clock can be set back.
    """
    return (
        memory.index_since is not None
        and index.asked < memory.index_turn
        and index.now <= memory.index_read_at
    )


def _had_index(memory: Memory, now: float) -> bool:
    """Return whether this process saw an index that cannot have expired since.

    If the server was started since (``missing_until``), that is not asked: each process
    learns the start from the server, and none has to write the loss down.
    """
    return (
        memory.index_since is not None
        and now - memory.index_read_at < INDEX_MS
        and memory.missing_until is None
    )


def _without_workers(memory: Memory) -> Memory:
    """Return what to remember if no worker is left: the next index replaces none."""
    return memory._replace(index_since=None, missing_until=None)


def _remember_server(
    memory: Memory, index: WorkerIndex, lease_ms: float, server: Server | None
) -> Memory:
    """Return what to remember after the server has said when it was started.

    A worker that reported before the start reports again within a lease after it.
    """
    if server is None:
        return memory
    memory = memory._replace(has_asked_server=True)
    if server.run_id is None or server.run_id == memory.run_id:
        return memory
    until = server.started_at + lease_ms
    memory = memory._replace(run_id=server.run_id, has_found_loss=False)
    if index.since is None:
        return memory._replace(missing_until=until)
    is_older = index.since < server.started_at - ROUNDING_MS
    return memory._replace(restored_until=until if is_older else None)


def _is_within_lease(until: float | None, now: float, lease_ms: float) -> bool:
    """Return whether a time is in the next lease; a later one is of a wrong clock."""
    return until is not None and 0 < until - now <= lease_ms


def judge_silence(
    memory: Memory, index: WorkerIndex, lease_ms: float
) -> tuple[Memory, bool]:
    """Return what to remember, and whether workers that live may be counted as gone.

    A worker is late if its lease ended without a goodbye: it was killed, or it could
    not report. In the second case it reports again within a heartbeat.
    """
    read_failed = memory.read_failed
    memory = memory._replace(read_failed=False)
    if not index.late:
        return memory._replace(silent_until=0.0), False
    # One that reports again after all were silent: the others will, within a lease.
    if index.revived_at is not None and 0 <= index.now - index.revived_at < lease_ms:
        return memory, True
    if index.alive:
        return memory._replace(silent_until=0.0), False
    if read_failed:
        memory = memory._replace(silent_until=index.now + lease_ms)
    ended = index.now if index.ended is None else index.ended
    is_recent = index.now - ended < lease_ms
    return memory, is_recent or _is_within_lease(
        memory.silent_until, index.now, lease_ms
    )


def periods(now: float, lease_ms: float) -> set[int]:
    """Return the periods in which a worker that is alive now may have reported."""
    return {int(at // PERIOD_MS) for at in (now, now - lease_ms)}
