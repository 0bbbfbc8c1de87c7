"""The table of what follows from what: no server, no clock, no thread."""

from __future__ import annotations

import math

import pytest

from django_socket_status.backends.redis.losses.rules import (
    INDEX_MS,
    LAST_MS,
    PERIOD_MS,
    Memory,
    Server,
    Verdict,
    judge,
    judge_silence,
    periods,
)
from django_socket_status.backends.redis.replies import (
    MAX_LEASE_MS,
    LastReport,
    WorkerIndex,
)

LEASE = 5_000
NOW = 100 * INDEX_MS

OLD = Server("run", NOW - INDEX_MS, knows_script=False)
KNOWN = OLD._replace(knows_script=True)
YOUNG = Server("run", NOW - 1_000, knows_script=False)
SECRETIVE = Server(None, -math.inf, knows_script=False)

ASKED = Memory(has_asked_server=True)
WRITTEN_NOWHERE = Memory(
    has_asked_server=True, run_id="run", has_found_loss=True, missing_until=NOW + 1
)
SAW_ONE = Memory(
    index_since=NOW - 60_000, index_read_at=NOW - 500, has_asked_server=True
)


def index(since=None, **given):
    values = {
        "now": NOW,
        "since": since,
        "replaces": False,
        "revived_at": None,
        "late": 0,
        "alive": 0,
        **given,
    }
    return WorkerIndex(**values)


TABLE = {
    "a first look at an index asks about the server": (
        *(Memory(), index(NOW - 9_000), None),
        Verdict.ASK_SERVER,
    ),
    "an index of this run of the server": (
        *(Memory(), index(NOW - 9_000), OLD),
        Verdict.COMPLETE,
    ),
    "an index from before the server was started": (
        *(Memory(), index(NOW - 9_000), YOUNG),
        Verdict.LOST,
    ),
    "an index from before a start that is over": (
        *(Memory(), index(NOW - 9_000), YOUNG._replace(started_at=NOW - 5_000)),
        Verdict.COMPLETE,
    ),
    "an index of a server that does not tell": (
        *(Memory(), index(NOW - 9_000), SECRETIVE),
        Verdict.COMPLETE,
    ),
    "the index that was seen": (
        *(SAW_ONE, index(NOW - 60_000), None),
        Verdict.COMPLETE,
    ),
    "another index than was seen": (*(SAW_ONE, index(NOW - 100), None), Verdict.LOST),
    "another index a lease ago": (
        *(SAW_ONE, index(NOW - LEASE), None),
        Verdict.COMPLETE,
    ),
    "another index after one that ended by itself": (
        *(SAW_ONE._replace(index_read_at=NOW - 2 * INDEX_MS), index(NOW - 100), None),
        Verdict.COMPLETE,
    ),
    "an index that replaces another": (
        *(ASKED, index(NOW - 100, replaces=True), None),
        Verdict.LOST,
    ),
    "an index that replaced another a lease ago": (
        *(ASKED, index(NOW - LEASE, replaces=True), None),
        Verdict.COMPLETE,
    ),
    "an index from the future, as the clock went back": (
        *(ASKED, index(NOW + INDEX_MS, replaces=True), None),
        Verdict.COMPLETE,
    ),
    "no index, and a lease that is not over": (
        *(ASKED, index(last=LastReport(NOW - 1_000, NOW + 4_000)), None),
        Verdict.LOST,
    ),
    "no index, and no lease since": (
        *(ASKED, index(last=LastReport(NOW - INDEX_MS, NOW - INDEX_MS + LEASE)), None),
        Verdict.COMPLETE,
    ),
    "no index that was seen, and no lease since": (
        *(SAW_ONE, index(last=LastReport(NOW - 5_000, NOW)), None),
        Verdict.COMPLETE,
    ),
    "no index, and a last report from the future": (
        *(ASKED, index(last=LastReport(NOW + INDEX_MS, NOW + INDEX_MS + LEASE)), None),
        Verdict.ASK_SERVER,
    ),
    "no index, no last report": (*(ASKED, index(), None), Verdict.ASK_SERVER),
    "no worker ever reported": (*(ASKED, index(), OLD), Verdict.COMPLETE),
    "no worker reported since a start": (
        *(ASKED, index(), YOUNG),
        Verdict.LOST,
    ),
    "flushed": (*(ASKED, index(), KNOWN), Verdict.NEWLY_LOST),
    "flushed, and it could not be written down": (
        *(
            ASKED._replace(run_id="run", has_found_loss=True, missing_until=NOW + 1),
            index(),
            KNOWN,
        ),
        Verdict.LOST,
    ),
    "flushed a lease ago, and it could not be written down": (
        *(WRITTEN_NOWHERE._replace(missing_until=NOW), index(), KNOWN),
        Verdict.COMPLETE,
    ),
    "flushed, with scripts": (*(SAW_ONE, index(), SECRETIVE), Verdict.NEWLY_LOST),
    "flushed, with scripts, and seen days ago": (
        *(SAW_ONE._replace(index_read_at=NOW - LAST_MS), index(), SECRETIVE),
        Verdict.COMPLETE,
    ),
    "no index for a thread that asked before another read one": (
        *(SAW_ONE._replace(index_turn=7), index(now=NOW - 500, asked=6), None),
        Verdict.COMPLETE,
    ),
    "flushed after another thread read what this one had asked for": (
        *(SAW_ONE._replace(index_turn=7), index(asked=6), SECRETIVE),
        Verdict.NEWLY_LOST,
    ),
    "a doubt that a wrong clock left behind": (
        *(ASKED._replace(run_id="run", missing_until=NOW + INDEX_MS), index(), OLD),
        Verdict.COMPLETE,
    ),
}


@pytest.mark.parametrize(
    ("memory", "found", "server", "verdict"), TABLE.values(), ids=TABLE
)
def test_verdict(memory, found, server, verdict):
    assert judge(memory, found, LEASE, server)[1] is verdict


@pytest.mark.parametrize(
    ("memory", "found", "server", "verdict"), TABLE.values(), ids=TABLE
)
def test_nothing_is_doubted_a_lease_later(memory, found, server, verdict):
    """Whatever it was, unless something happens again."""
    memory, _ = judge(memory, found, LEASE, server)
    later = found._replace(now=NOW + LEASE)
    if server is not None:
        server = server._replace(
            knows_script=server.knows_script and memory.has_found_loss
        )
    _, verdict = judge(memory, later, LEASE, server or OLD)
    assert verdict is Verdict.COMPLETE


SILENCES = {
    "no worker is late": (Memory(), index(NOW), False),
    "a worker is late, and others are alive": (
        *(Memory(), index(NOW, late=1, alive=1, ended=None)),
        False,
    ),
    "the last lease has just ended": (
        *(Memory(), index(NOW, late=1, ended=NOW - 1.0)),
        True,
    ),
    "the last lease ended a lease ago": (
        *(Memory(), index(NOW, late=1, ended=NOW - LEASE)),
        False,
    ),
    "the last lease ended long ago, and reading failed since": (
        *(Memory(read_failed=True), index(NOW, late=1, ended=NOW - INDEX_MS)),
        True,
    ),
    "a worker reports again": (
        *(Memory(), index(NOW, late=1, alive=1, revived_at=NOW - 1)),
        True,
    ),
    "a worker reports again since a lease": (
        *(Memory(), index(NOW, late=1, alive=1, revived_at=NOW - LEASE)),
        False,
    ),
    "a worker reports again in the future, as the clock went back": (
        *(Memory(), index(NOW, late=1, alive=1, revived_at=NOW + INDEX_MS)),
        False,
    ),
}


@pytest.mark.parametrize(("memory", "found", "silent"), SILENCES.values(), ids=SILENCES)
def test_silence(memory, found, silent):
    memory, answer = judge_silence(memory, found, LEASE)
    assert answer is silent
    later = found._replace(now=NOW + LEASE)
    assert not judge_silence(memory, later, LEASE)[1]


def test_last_report_is_kept_longer_than_a_period():
    assert LAST_MS >= PERIOD_MS + MAX_LEASE_MS
    assert periods(PERIOD_MS, LEASE) == {0, 1}
    assert periods(PERIOD_MS + LEASE, LEASE) == {1}
