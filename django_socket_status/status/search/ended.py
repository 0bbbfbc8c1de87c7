"""Pages of ended connections, each after a place that others do not move.

A place is the instant of the last connection of a page, and how many of that instant
were shown: ``1790000000000000.2``. A connection that ends meanwhile is newer.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

from django_socket_status.activity.ended_rows import EndedRow
from django_socket_status.status.ended import EndedList
from django_socket_status.status.search.wanted import (
    EPOCH,
    MICROSECOND,
    Found,
    Search,
    happened_at,
)

__all__ = ["page_of", "parsed"]


def page_of(
    kept: EndedList[Any], wanted: Search, limit: int, place: str | None
) -> Found:
    """Return ended connections: all that are kept were read, so the total is exact."""
    matching = [it for it in kept.rows if wanted.matches(it)]
    first = 0 if place is None else _index_of(place, matching)
    end = min(first + limit, len(matching))
    return Found(
        records=[it.record() for it in matching[first:end]],
        total=len(matching),
        next_place=_place_at(end, matching) if end < len(matching) else None,
        complete=kept.complete,
        is_sample=kept.is_sample,
    )


def _microseconds(row: EndedRow[Any]) -> int:
    return (happened_at(row) - EPOCH) // MICROSECOND


def _place_at(end: int, rows: Sequence[EndedRow[Any]]) -> str:
    """Return the place behind a row: its instant, and how many are as old."""
    at = _microseconds(rows[end - 1])
    return f"{at}.{end - _newer_than(at, rows)}"


def _index_of(place: str, rows: Sequence[EndedRow[Any]]) -> int:
    """Return the index of the first row behind a place."""
    at, same = parsed(place)
    newer = _newer_than(at, rows)
    return min(newer + same, _newer_than(at - 1, rows))


def _newer_than(at: int, rows: Sequence[EndedRow[Any]]) -> int:
    """Return how many rows, which are newest first, are newer than an instant."""
    return bisect.bisect_left(rows, -at, key=lambda it: -_microseconds(it))


def parsed(place: str) -> tuple[int, int]:
    """Return the instant of a place, and how many are as old.

    Raises:
        ValueError: it is no place.
    """
    at, dot, same = place.partition(".")
    texts = (at, same)
    if not (dot and len(place) < 40 and all(it.isdecimal() for it in texts)):
        raise ValueError("The text is no place of a list.")
    return int(at), int(same)
