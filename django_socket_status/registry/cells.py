"""Cells: where a connection waits that no drain has counted.

A cell is a list of one element, and is queued once. The socket replaces the connection
in its cell by what stays of it when it ends; a drain empties the cell. Each is one step
that CPython completes before another thread or a signal handler runs, and an emptied
cell takes nothing more (``IndexError``). So each end is counted once, also if an
exception makes the socket do its step again.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import operator
from collections.abc import Container, Iterable
from typing import Any

from django_socket_status.registry.lifecycle import OPEN, Cell, LiveConnection

__all__ = ["drop_void", "replace", "sort_out", "take"]

_content = operator.itemgetter(0)
_popleft = collections.deque.popleft


def replace(connection: LiveConnection, content: Any) -> bool:
    """Replace what is in the cell of a connection.

    Returns:
        False if a drain has emptied the cell, or counted the connection.
    """
    try:
        connection.waiting[0] = content  # type: ignore[index]
    except (IndexError, TypeError):
        return False
    return True


def take(cells: collections.deque[Cell], into: list[Any]) -> None:
    """Empty the cells that are queued now into a list. O(n).

    For one thread at a time; sockets go on adding cells. An exception in between loses
    nothing.
    """
    waiting_now = itertools.repeat(cells, len(cells))
    taken = map(list.pop, map(_popleft, waiting_now))
    is_over = False
    while not is_over:
        # A cell that was queued twice is empty the second time.
        with contextlib.suppress(IndexError):
            into.extend(taken)
            is_over = True


def drop_void(cells: collections.deque[Cell]) -> None:
    """Drop the cells that have ``None`` in them. From any thread. O(n)."""
    waiting_now = itertools.repeat(cells, len(cells))
    with contextlib.suppress(IndexError):
        cells.extend(filter(_content, map(_popleft, waiting_now)))


def sort_out(
    taken: Iterable[Any], counted: Container[LiveConnection]
) -> tuple[list[LiveConnection], list[LiveConnection]]:
    """Return which connections of a drain are open, and which ended meanwhile.

    Args:
        taken: What was in the cells: ends, connections, and ``None``.
        counted: Connections that were counted. One of them is returned only if it has
            ended: it was opened again after an exception.
    """
    found = dict.fromkeys(it for it in taken if type(it) is not tuple)
    found.pop(None, None)
    for connection in found:
        connection.waiting = None
    # Read each state once, and after that: see :mod:`.draining`.
    fresh, late = [], []
    for connection in found:
        state = connection.state
        if state == OPEN and connection not in counted:
            fresh.append(connection)
        elif state > OPEN:
            late.append(connection)
    return fresh, late
