"""The admin page: its overview, its updates, its lists, and ten pages that stay open.

Each page is asked for with Django's client, with sessions, permissions and all
middleware, as is the empty view of the same admin site. The client, the views and
SQLite share one process.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.options import Options
from benchmarks.redis_server import started
from benchmarks.results import Goal, Row
from benchmarks.settings import DIRECTORY

__all__ = ["run"]

#: Milliseconds of a page, and bytes of an update.
PAGE_GOAL = Goal(300.0, of="value")
#: Milliseconds of a search for one connection.
EXACT_GOAL = Goal(20.0, of="value")
UPDATE_GOAL = Goal(30 * 1024.0, of="value")
#: Percent of a core that ten open pages cost, with 1,000 open connections.
CORE_GOAL = Goal(2.0, of="value")


def run(options: Options) -> Iterator[Row]:
    """Measure the page with SQLite and with Redis."""
    measure = functools.partial(_measure, options=options)
    yield from measure("sqlite", {"max_bytes": 2**30})
    with started("admin") as server:
        if server is not None:
            yield from measure("redis", {"url": server.url, "timeout_seconds": 60.0})


def _measure(name: str, given: dict[str, Any], options: Options) -> Iterator[Row]:
    sizes = (200,) if options.quick else (1_000, 100_000)
    for size in sizes:
        # A place for each size.
        place = {"path": str(DIRECTORY / f"admin-{size}")}
        if name == "redis":
            place = {"prefix": f"admin-{size}"}
        asked = {**given, **place, "size": size, "buckets": options.size(120, 6)}
        found = _asked(name, asked, options.size(20, 1))
        for contestant, value, unit in _rows(found):
            goal = {"ms": PAGE_GOAL, "B": UPDATE_GOAL, "% of a core": CORE_GOAL}[unit]
            if contestant.startswith("exact"):
                goal = EXACT_GOAL
            has_goal = unit != "% of a core" or size == sizes[0]
            yield Row(
                benchmark="admin_page",
                setting=f"{name}, {size:,} connections",
                contestant=contestant,
                value=value,
                unit=unit,
                goal=goal if has_goal else None,
            )


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, float, str]]:
    for part in ("overview", "now", "plots"):
        yield part, found[part]["wall_ms"], "ms"
    for part in found:
        if part.startswith(("open", "closed", "exact")):
            yield part, found[part]["wall_ms"], "ms"
    for part in ("now", "plots"):
        yield f"{part}, size", found[part]["bytes"], "B"
    yield "ten open pages", _share_of_a_core(found), "% of a core"


def _share_of_a_core(found: dict[str, Any]) -> float:
    """Return what ten pages cost, above empty views, in percent.

    In a second, one of them asks for "now", and every third second one for "plots". The
    history is read every five seconds, and its plots are rendered for each.
    """
    cpu = {name: times.get("cpu_ms", 0.0) for name, times in found.items()}
    now = 0.8 * cpu["another now"] + 0.2 * cpu["now"] - cpu["empty"]
    plots = cpu["plots"] - cpu["empty"]
    return float(now + plots / 3) / 10


def _asked(name: str, given: dict[str, Any], repeat: int) -> dict[str, Any]:
    """Ask in a separate process, which has the admin."""
    command = [sys.executable, "-m", "benchmarks.admin_site", name, str(repeat)]
    done = subprocess.run(
        command,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.admin_settings"},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
