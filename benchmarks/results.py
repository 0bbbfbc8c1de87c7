"""What was measured, as rows of a table or of JSON."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Literal

__all__ = ["Goal", "Row", "as_json", "as_markdown", "as_table"]


@dataclasses.dataclass(frozen=True, slots=True)
class Goal:
    """The most that a value, or a ratio, may be."""

    limit: float
    of: Literal["ratio", "value"] = "ratio"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contestant in one benchmark."""

    benchmark: str
    setting: str
    contestant: str
    value: float
    unit: str
    ratio: float | None = None
    #: Quartiles of the ratio over the rounds.
    spread: tuple[float, float] | None = None
    #: What the ratio is one to.
    to: str = ""
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Return whether the goal was met; ``None`` if there is none."""
        if self.goal is None:
            return None
        measured = self.ratio if self.goal.of == "ratio" else self.value
        return measured is not None and measured <= self.goal.limit


HEADINGS = ("benchmark", "contestant", "value", "ratio", "quartiles", "goal", "")


def as_table(rows: Iterable[Row]) -> str:
    """Return rows as text, a blank line between settings."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    previous = None
    for row in rows:
        place = f"{row.benchmark}: {row.setting}"
        if place != previous:
            lines.append(("",) * len(HEADINGS))
        lines.append(_cells(row, "" if place == previous else place))
        previous = place
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _cells(row: Row, place: str) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} x {row.to}"
    spread = "" if row.spread is None else "{:.2f}-{:.2f}".format(*row.spread)
    goal = met = ""
    if row.goal is not None:
        goal = f"<= {row.goal.limit:g}"
        goal += f" x {row.to}" if row.goal.of == "ratio" else f" {row.unit}"
        met = "met" if row.met else "NOT MET"
    value = f"{row.value:,.{0 if abs(row.value) >= 100 else 2}f} {row.unit}"
    return (place, row.contestant, value, ratio, spread, goal, met)


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the ratios of rows, and whether goals were met, as a table for the docs.

    Absolute times are left out: they say more about the machine.
    """
    lines = ["| benchmark | contestant | measured | goal |", "|---|---|---|---|"]
    for row in rows:
        _, contestant, value, ratio, _, goal, met = _cells(row, "")
        timed = row.ratio is not None and (row.goal is None or row.goal.of == "ratio")
        measured = ratio if timed else value
        place = f"{row.benchmark}: {row.setting}"
        lines.append(f"| {place} | {contestant} | {measured} | {goal} {met} |")
    return "\n".join(lines)


def as_json(rows: Iterable[Row]) -> str:
    """Return rows, and what they were measured with, as JSON."""
    return json.dumps({"with": environment(), "rows": [_record(row) for row in rows]})


def _record(row: Row) -> dict[str, Any]:
    return {**dataclasses.asdict(row), "met": row.met}


def environment() -> dict[str, str]:
    """Return the versions that the numbers depend on."""
    packages: Sequence[str] = ("django", "channels", "asgiref", "redis")
    return {
        platform.python_implementation(): platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in packages},
    }
