"""``python -m tests.soak``: the answer against the clients' own truth, under faults."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

import django


def parsed() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    add = parser.add_argument
    add("--connections", type=int, default=100_000, help="connects, at the least")
    add("--seed", type=int, help="of everything that is left to chance")
    add("--backend", choices=["redis", "sqlite"], default="redis")
    add("--workers", type=int, default=4, help="uvicorn processes")
    add(
        "--previous",
        type=int,
        default=0,
        help="how many of them are of a version before",
    )
    add("--kills", type=int, default=0, help="workers that are killed, at the least")
    add("--first-round", type=int, default=0, help="where to begin, to replay a round")
    add("--round-connections", type=int, default=1000, help="connects in each round")
    add("--round-faults", type=int, default=4, help="faults in each round")
    add("--patience", type=float, default=3.0, help="seconds to become right, in all")
    add("--only", default="", help="a regular expression: the faults to choose from")
    return parser.parse_args()


def main() -> int:
    """Run a soak and print what came of it; return 1 if there was a difference."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.soak.settings"
    django.setup()
    from tests.soak.report import table
    from tests.soak.soak import Plan, Soak

    given = vars(parsed())
    # So that no process of the soak outlives it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if given["seed"] is None:
        given["seed"] = random.randrange(1_000_000)
    plan = Plan(**given)
    print(f"seed {plan.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        soak = Soak(plan, Path(directory), lambda line: print(line, flush=True))
        result = asyncio.run(soak.run())
    print(table(result))
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
