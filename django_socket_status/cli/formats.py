"""Numbers as people read them; programs get them from the JSON."""

from __future__ import annotations

import datetime
import re

__all__ = [
    "age_in_seconds",
    "counted",
    "duration_text",
    "instant_text",
    "natural_key",
    "plain_number",
]

#: The units of long durations, each with the next smaller one.
UNITS = (("d", 86_400, "h", 3600), ("h", 3600, "min", 60))


def duration_text(seconds: float) -> str:
    """Return a duration in one or two units: ``0.4 s``, ``3 min``, ``5 h 12 min``.

    A negative one, as after a clock was set back, is zero.
    """
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    for unit, size, smaller, smaller_size in UNITS:
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    raise AssertionError("an hour is at least an hour")


def age_in_seconds(at: datetime.datetime, now: datetime.datetime) -> float:
    """Return the seconds from one instant to another, at least zero."""
    return max(0.0, (now - at).total_seconds())


def instant_text(at: datetime.datetime) -> str:
    """Return an instant to the second, in UTC: ``2026-11-22 10:30:45Z``."""
    return at.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 worker``, ``2 workers``."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def plain_number(value: float) -> str:
    """Return a number with all its digits: ``1234567``, ``0.5``."""
    if float(value).is_integer():
        return str(int(value))
    return f"{value:.3f}".rstrip("0").rstrip(".")


def natural_key(text: str | None) -> tuple[object, ...]:
    """Return what to sort texts by, so that ``9`` comes before ``10``, ``None`` last.

    Every second part is a number, so that two keys can always be compared.
    """
    if text is None:
        return (1,)
    parts = re.split(r"([0-9]+)", text)
    return (0, *(int(it) if index % 2 else it for index, it in enumerate(parts)))
