"""Finds the connections of this process that a command means."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from django_socket_status.control.selector import WorkerSelector
from django_socket_status.registry.counts import CountKey
from django_socket_status.registry.lifecycle import (
    OPEN,
    Describe,
    LiveConnection,
    user_of,
)
from django_socket_status.registry.registry import Registry

__all__ = ["in_pieces", "matching"]

T = TypeVar("T")

#: Connections between two looks at the clock.
GRAIN = 50
#: After so long, the host's event loop gets the interpreter.
PIECE_SECONDS = 0.0005
#: Not zero: see ``reporter/full_report.py``.
REST_SECONDS = 0.0002


def matching(
    registry: Registry,
    selector: WorkerSelector,
    was_open: Callable[[int, float], bool],
    describe: Describe,
) -> list[LiveConnection]:
    """Return the counted connections that a selector means.

    O(1) for a user with a few connections, otherwise O(connections).

    For the thread that holds the reporter's lock. Lets the host run between pieces.

    Args:
        registry: The connections.
        selector: Which ones are meant.
        was_open: Whether a connection with a number and an ``opened_at`` was open when
            the command was given.
        describe: Returns the record of a connection.
    """
    return [
        connection
        for connection, key in _candidates(registry, selector)
        if connection.state == OPEN
        and selector.may_mean(connection.number)
        and _may_match(selector, connection, key)
        and was_open(connection.number, connection.opened_at)
        and _matches(registry, selector, connection, describe)
    ]


def _candidates(
    registry: Registry, selector: WorkerSelector
) -> Iterable[tuple[LiveConnection, CountKey]]:
    user_id = selector.query.user_id
    found = None if user_id is None else registry.connections_of(user_id)
    if found is None:
        return in_pieces([*registry.intake.counted.items()])
    counted = registry.intake.counted
    return [(it, key) for it in found if (key := counted.get(it)) is not None]


def in_pieces(items: Iterable[T]) -> Iterator[T]:
    """Yield items, and let the host's event loop run between pieces of them."""
    left = iter(items)
    began = time.perf_counter()
    while some := tuple(itertools.islice(left, GRAIN)):
        yield from some
        if time.perf_counter() - began > PIECE_SECONDS:
            time.sleep(REST_SECONDS)
            began = time.perf_counter()


def _may_match(
    selector: WorkerSelector, connection: LiveConnection, key: CountKey
) -> bool:
    """Return false if what is counted says already that a connection does not match."""
    query = selector.query
    if query.type is not None and key.type != query.type:
        return False
    return (
        query.user_id is None
        or key.signed_in is not None
        or user_of(connection.counted_user) == query.user_id
    )


def _matches(
    registry: Registry,
    selector: WorkerSelector,
    connection: LiveConnection,
    describe: Describe,
) -> bool:
    query = selector.query
    if query.user_id is None and not query.labels:
        return True
    records, _ = registry.still_counted(describe, (connection,), ())
    return any(query.matches(record) for record in records)
