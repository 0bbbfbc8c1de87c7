"""What parts of the activity look like as JSON."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["ConditionBody", "HistogramBody"]


class HistogramBody(TypedDict):
    """How many values fell into each bucket, as JSON has it."""

    bounds_seconds: list[float]
    """The upper bound of each bucket but the last, inclusive."""
    buckets: list[int]
    """How many values are in each bucket; one more than there are bounds."""
    count: int
    """How many values there are."""
    sum_seconds: float
    """The sum of all values."""


class ConditionBody(TypedDict):
    """How one worker does, as of its last report. Seconds are rounded to 0.01."""

    release: str
    versions: dict[str, str]
    loop_lag_seconds: list[float]
    sync_thread_wait_seconds: float | None
    sync_thread_queue: int | None
    sync_thread_runs: str | None
    loop_runs: str | None
