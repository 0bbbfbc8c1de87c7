"""Writes down what came of a soak."""

from __future__ import annotations

import datetime
import platform
import shlex
from collections.abc import Iterator

import django
import uvicorn

from tests.soak.soak import LEASE_SECONDS, Plan, Result


def table(result: Result) -> str:
    """Return a table in Markdown, and before it what differs, if anything does."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in _rows(result))
    return f"{_differences(result)}\n| | |\n|---|---|\n{rows}"


def _rows(result: Result) -> Iterator[tuple[str, object]]:
    plan, settled = result.plan, sorted(result.settled)
    yield "date", f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}"
    yield "versions", ", ".join(filter(None, [*_versions(), result.version]))
    yield "backend, seed, workers", f"{plan.backend}, {plan.seed}, {plan.workers}"
    if plan.previous:
        yield "workers of the version before", plan.previous
    yield "workers that were killed or told to end", result.kills
    yield "seconds", f"{result.seconds:.0f}"
    yield "connects", f"{result.connects:,}"
    yield "disconnects", f"{result.disconnects:,}"
    for what, count in sorted(result.counts.items()):
        if what != "connect":
            yield f"- {what}", f"{count:,}"
    yield "faults", f"{result.faults.total():,}"
    for what, count in sorted(result.faults.items()):
        yield f"- {what}", count
    answers = (f"{count:,} {kind}" for kind, count in result.answers.most_common())
    yield "answers while it went wrong", ", ".join(answers)
    yield "quiet points", f"{len(settled):,}, compared {result.compared:,} times"
    if settled:
        late = sum(it > LEASE_SECONDS for it in settled)
        yield (
            f"right after, of a lease of {LEASE_SECONDS:g} s",
            f"median {settled[len(settled) // 2]:.2f} s, longest {settled[-1]:.2f} s, "
            f"{late} longer than a lease",
        )
    yield "right, then not, then right again", result.wobbles
    yield "totals", f"read {result.looks:,} times, began {result.epochs:,} times"
    yield "differences", len(result.differences)


def _versions() -> Iterator[str]:
    yield f"CPython {platform.python_version()}"
    yield f"Django {django.__version__}"
    yield f"uvicorn {uvicorn.__version__}"


def _differences(result: Result) -> str:
    if not result.differences:
        return ""
    found = "\n".join(f"  {it}" for it in result.differences)
    return (
        f"\nDIFFERENT, seed {result.plan.seed}, {result.round}\n{found}\n"
        f"Again: python -m tests.soak {_options(result.plan, result)}\n"
    )


def _options(plan: Plan, result: Result) -> str:
    number = result.round.number if result.round else 0
    only = f" --only {shlex.quote(plan.only)}" if plan.only else ""
    return (
        f"--backend {plan.backend} --seed {plan.seed} --workers {plan.workers} "
        f"--previous {plan.previous} "
        f"--first-round {number} --round-connections {plan.round_connections} "
        f"--round-faults {plan.round_faults} --patience {plan.patience:g}{only}"
    )
