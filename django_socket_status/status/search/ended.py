"""Pages of ended connections, each after a place that others do not move.

A place is the instant of the last connection of a page, and how many of that instant
were shown: ``1790000000000000.2``. A connection that ends meanwhile is newer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django_socket_status.status.ended import EndedList
from django_socket_status.status.list_types import AnyConnection
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
    matching = [it for it in kept.records if wanted.matches(it)]
    first = 0 if place is None else _index_of(place, matching)
    end = min(first + limit, len(matching))
    return Found(
        records=matching[first:end],
        total=len(matching),
        next_place=_place_at(end, matching) if end < len(matching) else None,
        complete=kept.complete,
        is_sample=kept.is_sample,
    )


def _microseconds(record: AnyConnection) -> int:
    return (happened_at(record) - EPOCH) // MICROSECOND


def _place_at(end: int, records: Sequence[AnyConnection]) -> str:
    """Return the place behind a record: its instant, and how many are as old."""
    at = _microseconds(records[end - 1])
    same = 1
    while same < end and _microseconds(records[end - 1 - same]) == at:
        same += 1
    return f"{at}.{same}"


def _index_of(place: str, records: Sequence[AnyConnection]) -> int:
    """Return the index of the first record behind a place."""
    at, same = parsed(place)
    instants = [_microseconds(it) for it in records]
    newer = sum(it > at for it in instants)
    return newer + min(instants.count(at), same)


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
