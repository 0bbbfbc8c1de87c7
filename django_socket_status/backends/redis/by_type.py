"""The oldest connection and the users of each type, as far as few buckets tell."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from django_socket_status.backends.base import USERS_LOOKED_AT
from django_socket_status.backends.redis.buckets import mask_of_query, read_user
from django_socket_status.backends.redis.replies import Live
from django_socket_status.backends.redis.search import (
    Candidate,
    Search,
    newest_first,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery, UserCount

__all__ = ["oldest", "users"]

#: Round trips to find the oldest connections. The first one takes one bucket of each
#: type, and each other one twice as many.
STEPS = 4


def oldest(
    search: Search, live: Sequence[Live], types: Collection[str]
) -> Mapping[str, float]:
    """Return when the oldest connection of each type opened.

    A type is left out if no few buckets say it: those of a worker of an older version
    have no age.

    Args:
        search: One without filters, which reads the ages.
        live: The workers.
        types: Which types.
    """
    held = sorted(search.candidates(live), key=lambda it: it.oldest_at)
    left = {kind: [it for it in held if _may_hold(it, kind)] for kind in types}
    found: dict[str, float] = {}
    for step in range(STEPS):
        search.fetch([it for its in left.values() for it in its[: 2**step]])
        for _, it in search.found:
            found[it.type] = min(found.get(it.type, it.opened_at), it.opened_at)
        for kind, its in left.items():
            oldest_at = found.get(kind, math.inf)
            left[kind] = [it for it in its[2**step :] if it.oldest_at < oldest_at]
        if not any(left.values()):
            break
    is_whole = search.complete
    return {it: found[it] for it in found if is_whole and not left.get(it, True)}


def users(
    search: Search, live: Sequence[Live], types: Collection[str]
) -> Mapping[str, UserCount]:
    """Return how many users each type has, the smallest types first.

    A type takes an equal share of the connections that may still be read; what a small
    one leaves is for those that follow. A bucket is read once, and counts for each of
    its types. Empty if something was missing or damaged.

    Args:
        search: One without filters.
        live: The workers.
        types: Which types.
    """
    held = sorted(search.candidates(live), key=newest_first)
    unread = set(range(len(held)))
    found: dict[str, set[str]] = {}
    exact: set[str] = set()
    left = USERS_LOOKED_AT
    for number, kind in enumerate(types):
        of_type = [it for it in sorted(unread) if _may_hold(held[it], kind)]
        share = left // (len(types) - number)
        some = _within(share, of_type, held)
        for candidate, records in search.records([held[it] for it in some]):
            _add_users(found, candidate, records, search)
        unread -= {*some}
        left -= sum(len(held[it].bucket) for it in some)
        if len(some) == len(of_type):
            exact.add(kind)
    wanted = [it for it in types if it in found and search.complete]
    return {it: UserCount(len(found[it]), is_exact=it in exact) for it in wanted}


def _add_users(
    found: dict[str, set[str]],
    candidate: Candidate,
    records: Sequence[tuple[int, bytes]],
    search: Search,
) -> None:
    table = candidate.typed_endpoints
    for _, record in records:
        try:
            kind, user_id = read_user(record, table)
        except (BackendError, IndexError, ValueError, TypeError):
            search.complete = False
            continue
        seen = found.setdefault(kind, set())
        if user_id is not None:
            seen.add(user_id)


def _within(
    most: int, numbers: Sequence[int], held: Sequence[Candidate]
) -> Sequence[int]:
    """Return the first buckets that hold at most so many connections."""
    for index, number in enumerate(numbers):
        most -= len(held[number].bucket)
        if most < 0:
            return numbers[:index]
    return numbers


def _may_hold(candidate: Candidate, kind: str) -> bool:
    mask = mask_of_query(ConnectionQuery(type=kind))
    return candidate.bucket.terms & mask == mask
