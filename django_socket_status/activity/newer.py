"""Counters that a newer version stores, and this one does not know.

A worker of this version may add up what lost workers of the next release counted. So
that their counters are not lost, they stay in the stored text, and are added: a counter
is a number, or a list or an object of counters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["added", "unknown"]

#: How deep counters are nested at most; by type and cause is 2.
DEPTH = 4


def unknown(body: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return the counters of a stored body that have other names than the known."""
    return {
        name: value
        for name, value in body.items()
        if name not in known and _is_counter(value, DEPTH)
    }


def added(mine: Any, its: Any, sign: int) -> Any:
    """Return the sum of two counters, or their difference; ``None`` is zero.

    What cannot be added to the first one, since it has another shape, is left out.
    """
    if isinstance(its, dict) and isinstance(mine, dict | None):
        mine = mine or {}
        sums = {name: added(mine.get(name), it, sign) for name, it in its.items()}
        return {**mine, **sums}
    if isinstance(its, list) and isinstance(mine, list | None):
        mine = [None] * len(its) if mine is None else mine
        if len(mine) != len(its):
            return mine
        return [added(*both, sign) for both in zip(mine, its, strict=True)]
    if isinstance(its, int | float) and isinstance(mine, int | float | None):
        return (mine or 0) + sign * its
    return mine


def _is_counter(value: Any, depth: int) -> bool:
    if type(value) in (int, float):
        return 0 <= value < float("inf")  # type: ignore[no-any-return]
    if not depth or not isinstance(value, dict | list):
        return False
    values = value.values() if isinstance(value, dict) else value
    return all(_is_counter(it, depth - 1) for it in values)
