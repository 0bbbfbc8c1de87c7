"""The live connections of a process: exact, from any thread, and nothing left over."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from django_socket_status.limits import MAX_TYPES
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.counts import CountKey, Counts
from django_socket_status.registry.lifecycle import (
    OPEN,
    LiveConnection,
    Overrides,
)
from django_socket_status.registry.registry import registry
from django_socket_status.tracking.connection import Connection
from tests.support.asgi_driver import Books, CallConsumer, Socket
from tests.support.registry import describe

pytestmark = pytest.mark.python


# Counted and coalesced.


def test_connections_are_counted_by_type(books):
    class ChatConsumer:
        pass

    sockets = [Socket().open(), Socket().open(), Socket(ChatConsumer).open()]
    assert books.counts == {"call": 2, "chat": 1}
    sockets.pop().close()
    assert books.counts == {"call": 2}
    for socket in sockets:
        socket.leave()
    assert books.counts == {}
    books.assert_nothing_is_left()


def test_connection_that_came_and_went_between_two_drains_is_in_the_totals_alone(
    monkeypatch,
):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    version = registry.version
    Socket().open().close()
    changes = registry.drain(describe)
    assert not changes
    assert changes.events == []
    assert not registry.is_dirty
    assert registry.version is version
    totals = registry.totals()
    assert totals.opened == {"call": 1}
    assert totals.closed == {"call": {"server_closed": 1}}


def test_numbers_are_never_used_again(books):
    seen = set()
    for _ in range(10):
        sockets = [Socket().open() for _ in range(5)]
        numbers = set(books.settle().open)
        assert len(numbers) == 5
        assert not numbers & seen
        seen |= numbers
        for socket in sockets:
            socket.close()
        assert books.counts == {}


def test_users_are_reported_at_their_first_opening_and_last_close(
    monkeypatch,
):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)

    def drain() -> tuple[list[str], list[str]]:
        changes = registry.drain(describe)
        return sorted(changes.users_joined), sorted(changes.users_left)

    one, two = Socket(user="1").open(), Socket(user="1").open()
    nobody = Socket().open()
    assert drain() == (["1"], [])
    assert registry.users == {"1": 2}
    assert registry.anonymous == 1
    one.close()
    assert drain() == ([], [])
    two.close()
    again = Socket(user="1").open()
    assert drain() == ([], []), "one left and came in the same moment"
    again.close()
    other = Socket(user="2").open()
    assert drain() == (["2"], ["1"])
    other.log_in("3")
    assert drain() == (["3"], ["2"])
    other.log_in("4").log_in("3")
    assert drain() == ([], [])
    other.log_in(None)
    nobody.log_in("3")
    assert drain() == ([], [])
    other.close()
    nobody.close()
    assert drain() == ([], ["3"])
    assert registry.users == {}
    assert registry.anonymous == 0


def test_types_above_the_cap_are_counted_as_other(books):
    sockets = []
    for number in range(MAX_TYPES + 50):
        socket = Socket()
        socket.connection.overrides = Overrides(type=f"type-{number}")
        sockets.append(socket.open())
        books.settle()
    assert len(books.counts) == MAX_TYPES + 1
    assert books.counts["other"] == 50
    assert sum(it.type == "other" for it in books.open.values()) == 50
    # A connection that was counted as another one leaves as it came.
    sockets[-1].close()
    assert books.counts["other"] == 49
    # Places that become free are given to those who come next.
    for socket in sockets[:2]:
        socket.close()
    assert len(books.counts) == MAX_TYPES - 1
    late = Socket()
    late.connection.overrides = Overrides(type="late")
    sockets.append(late.open())
    assert books.counts["late"] == 1
    for socket in sockets:
        socket.close()
    assert books.counts == {}
    assert {it.type for kind, it, *_ in books.told if kind == "closed"} >= {"other"}
    books.assert_nothing_is_left()


def test_record_keeps_the_user_under_whom_it_is_counted(monkeypatch):
    """Until it is counted again: the pieces of a full report must add up."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    socket = Socket(user="1").open()
    registry.drain(describe)
    socket.scope["user"] = "2"
    ((connections, users),) = registry.pieces(10)
    records, names = registry.still_counted(describe, connections, users)
    assert [record.user_id for record in records] == names == ["1"]


def test_pieces_leave_out_who_left_meanwhile(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    sockets = [Socket(user=str(number)).open() for number in range(10)]
    registry.drain(describe)
    pieces = registry.pieces(4)
    first = next(pieces)
    for socket in sockets:
        socket.close()
    registry.drain(describe)
    told = [first, *pieces]
    assert [len(connections) for connections, _ in told] == [4, 4, 2]
    for connections, users in told:
        assert registry.still_counted(describe, connections, users) == ([], [])


def test_piece_leaves_out_who_closes_as_it_is_described(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    socket, other = Socket().open(), Socket(user="1").open()
    registry.drain(describe)
    ((connections, users),) = registry.pieces(10)

    def describe_slowly(connection: LiveConnection) -> OpenedConnection:
        socket.close()
        return describe(connection)

    records, _ = registry.still_counted(describe_slowly, connections, users)
    assert [record.user_id for record in records] == ["1"]
    other.close()


def test_connections_from_before_a_reset_are_not_counted(monkeypatch):
    """In the child of a fork, the sockets of its parent end as well, at its exit."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    counted, altered, fresh = Socket().open(), Socket().open(), Socket(user="1").open()
    registry.drain(describe)
    fresh.log_in("2")
    new, begun = Socket().open(), Socket()
    registry.reset()
    mine = Socket(user="1").open()
    registry.drain(describe)
    for socket in (counted, fresh, new, begun):
        socket.end()
    altered.label(room=1).close()
    registry.drain(describe)
    assert registry.counts == {"call": 1}
    assert registry.users == {"1": 1}
    mine.close()
    registry.drain(describe)
    assert registry.counts == {}


@pytest.mark.parametrize("listened", [True, False])
def test_connection_that_closes_during_a_recount_is_uncounted(listened, monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    sockets = [Socket(user=str(number)).open() for number in range(3)]
    registry.drain(describe)
    registry.intake.quiet, registry.intake.listened = False, listened
    sockets.pop().close()

    def slowly(connections: Sequence[LiveConnection], counts: Counts) -> list[CountKey]:
        sockets.pop().close()
        return [counts.keys_of("anew").signed_in for _ in connections]

    registry.recount(describe, slowly)
    assert registry.counts == {"anew": 2}
    events = registry.drain(describe, slowly if not sockets else None).events
    assert registry.counts == {"anew": 1}
    assert [it.kind for it in events] == ["closed", "closed"] * listened
    sockets.pop().close()
    registry.drain(describe)
    assert registry.counts == registry.users == {}
    assert not registry.is_dirty


# Any value of a client's.


def test_any_number_of_distinct_values_is_bounded_and_given_back(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    count = 20_000
    others = [Socket(user="42").open() for _ in range(3)]
    registry.drain(describe)
    connections = []
    for number in range(count):
        scope = {"user": f"user-{number}", "path": f"/ws/{number}/"}
        connection = Connection()
        connection.begin(CallConsumer, scope, None, None, None)
        labels = {f"label-{number}": str(number)}
        connection.overrides = Overrides(type=f"type-{number}", added=labels)
        connection.opened_at, connection.state = 1.0, OPEN
        registry.intake.opened(connection)
        connections.append(connection)
    assert len(registry.drain(describe).opened) == count
    assert registry.counts["call"] == 3
    assert sum(registry.counts.values()) == count + 3
    assert len(registry.counts) <= MAX_TYPES + 1
    assert len(registry.users) == count + 1
    for connection in connections:
        connection._end("client")
    registry.drain(describe)
    assert registry.counts == {"call": 3}
    assert registry.users == {"42": 3}
    for socket in others:
        socket.close()
    books = Books().settle()
    books.assert_nothing_is_left()
    assert sys.getsizeof(registry.users) < 1000
    # Come and gone before anybody looked.
    for number in range(count // 10):
        Socket(user=f"user-{number}").open().close()
    books.assert_nothing_is_left()
