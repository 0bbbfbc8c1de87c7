"""Instructions that tracking adds to the life of one connection, and to one message.

Counted by callgrind, so that they repeat on a busy machine, too: by hand to a few in a
thousand, over Channels to a few in a hundred.
A process for each contestant and for each of two numbers of connections, or messages:
what they differ by is what these cost, without the start of Python and Django. See
:mod:`benchmarks.counted` for what such a process does.
"""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.rounds import Comparison

__all__ = ["run"]

TRACKING_GOAL = Goal(1.5)
REPORTING_GOAL = Goal(4.0)
#: Instructions that tracking may add to one message, by its way: what it added when the
#: goal was set, and 2 % more.
MESSAGE_GOALS = {"out": Goal(960, of="value"), "in": Goal(1_480, of="value")}

COLLECTED = re.compile(r"Collected : (\d+)")

ENTRY_POINTS = ("middleware", "mixin")


def run(options: Options) -> Iterator[Row]:
    """Compare on both bases, in churn and 1,000 held; and messages by hand."""
    if shutil.which("valgrind") is None:
        print("instructions: valgrind is not installed", file=sys.stderr)
        return
    few, more = options.size(500, 5), options.size(3_000, 10)
    memory = [f"{entry_point}, memory" for entry_point in ENTRY_POINTS]
    sqlite = [f"{entry_point}, sqlite" for entry_point in ENTRY_POINTS]
    if options.quick:
        yield from _compare("raw", "churn", memory[:1], (few, more), None)
        return
    yield from _compare("raw", "churn", memory, (few, more), TRACKING_GOAL)
    yield from _compare("channels", "churn", memory, (few, more), TRACKING_GOAL)
    # The difference of the two is 1,000, reported at once.
    held = 1_000, 2_000
    yield from _compare("raw", "hold", sqlite, held, REPORTING_GOAL)
    yield from _compare("channels", "hold", sqlite, held, REPORTING_GOAL)
    for way, goal in MESSAGE_GOALS.items():
        yield from _compare("raw", way, memory, (10_000, 200_000), goal)


def _compare(
    base: str, way: str, ours: list[str], counts: tuple[int, int], goal: Goal | None
) -> Iterator[Row]:
    names = ["bare", "pass-through", "floor", *ours]
    few, more = counts
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            name: [pool.submit(_count, base, way, name, count) for count in counts]
            for name in names
        }
    totals = {name: [job.result() for job in pair] for name, pair in jobs.items()}
    samples = {name: [(b - a) / (more - few)] for name, (a, b) in totals.items()}
    comparison = Comparison(samples, "bare", "floor")
    for name in names:
        yield Row(
            benchmark="instructions",
            setting=f"{base}, {way}",
            contestant=name,
            value=comparison.added(name),
            unit="added",
            ratio=comparison.ratio(name),
            to="floor",
            goal=goal if name in ours else None,
        )


def _count(base: str, way: str, name: str, count: int) -> int:
    """Return the instructions of a process that drives so many connections."""
    command = [
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={os.devnull}",
        *(sys.executable, "-m", "benchmarks.counted", base, way, name, str(count)),
    ]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"{name} failed under valgrind:\n{done.stderr[-2000:]}")
    return int(found[1])
