"""How evenly a drain closes the sockets of a worker under a real server.

The command that a hook runs is another process, as in a deployment. Each client notes
when the close frame reached it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.live_clients import Client, open_clients
from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.server import Server, served

__all__ = ["allow_files", "run"]

SITE = "benchmarks.live_site", "benchmarks.live_settings"
PATH = "/ws/counted/"

#: No second closes more than this many times the mean.
GOAL = Goal(1.5, "value")
#: The command waits so much longer at most, and a moment for its start.
END_GOAL = Goal(5.0, "value")
#: Files that a process opens beside its sockets.
OTHER_FILES = 200


def run(options: Options) -> Iterator[Row]:
    """Drain one worker, and look at the seconds of the window."""
    count = options.sockets or options.size(10_000, 60)
    seconds = options.seconds or options.size(60, 2)
    allow_files(count + OTHER_FILES)
    with served(*SITE) as server:
        clients, used, result = asyncio.run(_drained(server, count, seconds))
    closed = [it.closed_at for it in clients if it.closed_at is not None]
    first = min(closed)
    by_second = Counter(int(it - first) for it in closed)
    setting = f"{count:,} sockets over {seconds:g} s"
    mean = count / seconds
    yield _row(setting, "the busiest second", max(by_second.values()) / mean, GOAL)
    yield _row(setting, "stop without a drain", count / mean, None)
    yield Row(
        benchmark="drain",
        setting=setting,
        contestant="not closed",
        value=count - len(closed) + result["remaining"],
        unit="sockets",
        goal=Goal(0, "value"),
    )
    yield Row(
        benchmark="drain",
        setting=setting,
        contestant="command after the last close",
        value=result["ended_at"] - max(closed),
        unit="s",
        goal=END_GOAL,
    )
    yield Row(
        benchmark="drain",
        setting=setting,
        contestant="worker, the closes included",
        value=100 * used / seconds,
        unit="% of a core",
    )


def _row(setting: str, contestant: str, value: float, goal: Goal | None) -> Row:
    return Row(
        benchmark="drain",
        setting=setting,
        contestant=contestant,
        value=value,
        unit="x the mean",
        goal=goal,
    )


async def _drained(
    server: Server, count: int, seconds: float
) -> tuple[Sequence[Client], float, dict[str, Any]]:
    """Return the clients, the CPU seconds of the worker, and the result."""
    clients = await open_clients(server.port, PATH, count)
    before = server.cpu_seconds()
    result = await asyncio.to_thread(_hook, seconds)
    used = server.cpu_seconds() - before
    with contextlib.suppress(asyncio.TimeoutError):
        every = asyncio.gather(*(it.closed for it in clients))
        await asyncio.wait_for(every, 10.0)
    return clients, used, result


def _hook(seconds: float) -> dict[str, Any]:
    """Run the command, and return its result."""
    words = ["drain", "--all", "--grace", "0", "--over", str(seconds), "--wait"]
    done = subprocess.run(
        [sys.executable, "-m", "django", "socket_status", *words, "--json"],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": SITE[1],
            "TMPDIR": os.environ["BENCHMARKS_DIRECTORY"],
        },
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return {**json.loads(done.stdout), "ended_at": time.monotonic()}


def allow_files(number: int) -> None:
    """Let this process, and the server that it starts, open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))
