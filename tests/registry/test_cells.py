"""Each connection leaves its cell once, whatever interrupts the socket or the drain."""

from __future__ import annotations

import collections

import pytest

from django_socket_status.registry.cells import drop_void, replace, sort_out, take
from django_socket_status.registry.lifecycle import (
    CLOSED,
    OPEN,
    Cell,
    LiveConnection,
)

pytestmark = pytest.mark.python


def waiting(state: int = OPEN) -> LiveConnection:
    connection = LiveConnection()
    connection.state, connection.waiting = state, [connection]
    return connection


def cells_of(*connections: LiveConnection) -> collections.deque[Cell]:
    return collections.deque(it.waiting for it in connections if it.waiting is not None)


def test_cell_that_was_queued_twice_is_emptied_once():
    first, second, third = waiting(), waiting(), waiting()
    cells = cells_of(first, second, first, third, first)
    taken: list[object] = []
    take(cells, taken)
    assert taken == [first, second, third]
    assert not cells


def test_emptied_cell_takes_nothing_more():
    connection = waiting()
    assert replace(connection, ("an end",))
    taken: list[object] = []
    take(cells_of(connection), taken)
    assert taken == [("an end",)]
    assert not replace(connection, ("the same end",))
    assert connection.waiting == []
    connection.waiting = None
    assert not replace(connection, None)


def test_void_cells_are_dropped_in_order():
    connections = [waiting() for _ in range(5)]
    cells = cells_of(*connections)
    replace(connections[1], None)
    replace(connections[4], None)
    drop_void(cells)
    assert [*cells] == [[connections[0]], [connections[2]], [connections[3]]]
    drop_void(cells_of())


def test_connections_of_a_drain_are_open_or_ended_meanwhile():
    opened, ended, counted, left = (
        waiting(),
        waiting(CLOSED),
        waiting(),
        waiting(CLOSED),
    )
    taken = [("an end",), opened, None, ended, counted, left, opened]
    assert sort_out(taken, {counted, left}) == ([opened], [ended, left])
    assert {it.waiting for it in (opened, ended, counted, left)} == {None}
