"""The Lua scripts that Redis runs, each as one atomic step.

They are in the folder ``lua``. :mod:`.keys` says what each key holds.

Time is the server's, ``TIME``, because a worker's clock may be wrong. Redis replicates
the effects of a script and not the script, so a script may write what depends on the
time (the default since Redis 5).
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple

__all__ = [
    "DROP_DAMAGED",
    "ENDED_STATE",
    "FOLD",
    "FORGET_FUTURE",
    "GIVE_COMMAND",
    "GOODBYE",
    "IS_ONLINE",
    "KEEP_ENDED",
    "LIVE_IDS",
    "LOST_REPORT",
    "NOTE_LOSS",
    "READ",
    "READ_COMMANDS",
    "READ_TOTALS",
    "REPLACE_ENDED",
    "REPORT_ENDPOINTS",
    "WRITE_BUCKETS",
    "ReportArguments",
    "report_script",
]


def _lua(name: str) -> str:
    """Return the text of a file in the folder ``lua``."""
    folder = resources.files(__package__) / "lua"
    return (folder / f"{name}.lua").read_text(encoding="utf-8")


_COMMON = _lua("common")

#: Returns every live report, and the number of users if it is quick to count.
READ = _COMMON + _lua("read")

#: Returns whether a user is on a live worker.
IS_ONLINE = _COMMON + _lua("is_online")

#: Forgets a worker, unless it has reported since.
GOODBYE = _COMMON + _lua("forget_worker") + _lua("goodbye")

#: Notes for other readers that the index of workers is missing: see :mod:`.losses`.
NOTE_LOSS = _COMMON + _lua("note_loss")

#: Forgets workers whose lease is from before the server's clock was set back.
FORGET_FUTURE = _COMMON + _lua("forget_future")

#: Keeps the endpoints of a worker, unless those of newer code are kept.
REPORT_ENDPOINTS = _COMMON + _lua("report_endpoints")

#: Returns the time, the ids of the live workers, and what the last sampler left.
READ_TOTALS = _COMMON + _lua("read_totals")

#: Replaces the base, and removes the counts that it includes.
FOLD = _COMMON + _lua("fold")

#: Removes the counters if they are damaged.
DROP_DAMAGED = _COMMON + _lua("drop_damaged")

#: Keeps ended connections that no report carries.
KEEP_ENDED = _COMMON + _lua("attempt") + _lua("ended") + _lua("keep_ended")

#: Replaces texts of ended connections.
REPLACE_ENDED = _COMMON + _lua("replace_ended")

#: Returns which texts of ended connections there are.
ENDED_STATE = _COMMON + _lua("ended_state")

#: Keeps buckets of the history.
WRITE_BUCKETS = _COMMON + _lua("attempt") + _lua("write_buckets")

#: Returns the time, and the ids of the live workers.
LIVE_IDS = _COMMON + _lua("live_ids")

#: Returns what a worker reported last, if its lease has ended.
LOST_REPORT = _COMMON + _lua("lost_report")

#: Keeps a command for workers.
GIVE_COMMAND = _COMMON + _lua("attempt") + _lua("give_command")

#: Returns all commands.
READ_COMMANDS = _COMMON + _lua("read_commands")

#: The functions of the activity are made only for a report that carries some.
_REPORT = "".join(
    map(
        _lua,
        (
            "common",
            "report",
            "attempt",
            "forget_worker",
            "totals",
            "ended",
            "activity",
        ),
    )
)


class ReportArguments(NamedTuple):
    """The arguments of the report script before its sections, in its order."""

    #: Milliseconds, or ``""`` for the server's time.
    now: int | str
    worker_id: str
    sequence: int
    #: 1 for a full report, else 0.
    full: int
    generation: str
    #: Milliseconds for which the worker counts after this report.
    lease: int
    #: Milliseconds that the keys of the worker are kept.
    keep: int
    #: Milliseconds that the index of workers is kept.
    index_keep: int
    #: Milliseconds after which a worker whose lease ended leaves the index.
    forget: int
    #: Packed: see :func:`.replies.pack_counts`.
    counts: bytes
    #: 1 if the worker had a bucket before this report, else 0.
    had_buckets: int
    #: 1 if a missing index of workers was lost, 0 if it may be the first one.
    replaces: int
    #: The time after which the report is too late; ``""`` if that is not known.
    latest: int | str
    #: Milliseconds that the note of the last report is kept.
    last_keep: int


@functools.lru_cache(maxsize=64)
def report_script(prefix: str, period: int) -> str:
    """Return the script that stores a report.

    Each prefix and each period has its own text. A server that knows the text has taken
    reports under this prefix in this period, even if its keys were flushed since: see
    :func:`.rules.periods`.
    """
    return f"-- {prefix!a} {period}\n{_REPORT}"
