"""What ``manage.py socket_status`` adds to an empty management command.

Each turn is a process: from its start to its end, with a status file of no worker.
"""

from __future__ import annotations

import functools
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter

from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.rounds import take_turns

__all__ = ["run"]

EMPTY, EMPTY_AGAIN = "empty command", "empty command again"

CONTESTANTS: Mapping[str, Sequence[str]] = {
    EMPTY: ["empty_command"],
    EMPTY_AGAIN: ["empty_command"],
    "socket_status": ["socket_status"],
    "socket_status list": ["socket_status", "list"],
    "socket_status check": ["socket_status", "check"],
}

#: The promise: 0.3 s.
GOAL = Goal(300, "value")


def run(options: Options) -> Iterator[Row]:
    """Compare the commands, from start to end."""
    measures = {
        name: functools.partial(_milliseconds, words)
        for name, words in CONTESTANTS.items()
    }
    samples = take_turns(measures, options.rounds)
    for name, values in samples.items():
        added = [
            value - bare for value, bare in zip(values, samples[EMPTY], strict=True)
        ]
        is_base = name == EMPTY
        yield Row(
            benchmark="command_line",
            setting="start to end" if is_base else "added to an empty command",
            contestant=name,
            value=statistics.median(values if is_base else added),
            unit="ms",
            goal=GOAL if name.startswith("socket_status") else None,
        )


def _milliseconds(words: Sequence[str]) -> float:
    began = perf_counter()
    subprocess.run(
        [sys.executable, "-m", "django", *words],
        env=os.environ,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return (perf_counter() - began) * 1000
