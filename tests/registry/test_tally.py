"""Totals of what happened: they agree with what is open, and never fall."""

from __future__ import annotations

import pytest

from django_socket_status.activity.totals import MAX_CODES, MAX_KINDS, MAX_STATUSES
from django_socket_status.limits import MAX_TYPES
from django_socket_status.registry import draining
from django_socket_status.registry.ends import plain_end
from django_socket_status.registry.lifecycle import overrides_of
from django_socket_status.registry.registry import registry
from django_socket_status.registry.tally import Tally
from tests.support.asgi_driver import Socket
from tests.support.registry import describe

pytestmark = pytest.mark.python


@pytest.fixture(autouse=True)
def _on_no_thread(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)


def settle():
    registry.drain(describe)
    return registry.totals()


def test_opened_less_closed_is_what_is_open():
    sockets = [Socket().open() for _ in range(3)]
    assert settle().opened == {"call": 3}
    sockets.pop().close()
    Socket().open().leave()
    totals = settle()
    assert totals.opened == {"call": 4}
    assert totals.closed == {"call": {"server_closed": 1, "client_closed": 1}}
    assert totals.open() == registry.counts == {"call": 2}
    assert totals.codes == {"1000": 2}
    assert totals.durations.count == totals.durations_by_type["call"].count == 2
    assert totals.accepts.count == 4


def test_rejected_handshake_is_in_no_count_but_its_own():
    Socket().close()
    Socket().leave()
    Socket().fail_to_open()
    totals = settle()
    assert totals.rejected == {"call": {"403": 1, "gone": 1, "error": 1}}
    assert totals.opened == totals.closed == totals.codes == {}


def test_names_of_clients_are_bounded():
    tally = Tally()
    names = {tally.type_of(f"type-{number}") for number in range(100)}
    assert len(names) == MAX_KINDS + 1
    assert "other" in names
    assert tally.type_of("type-0") == "type-0"


def test_codes_and_statuses_are_bounded(monkeypatch):
    for number in range(50):
        socket = Socket().open()
        socket.connection._end("client", {"code": 4000 + number})
        Socket().connection._end("server", {"status": 400 + number})
    totals = settle()
    assert len(totals.codes) == MAX_CODES + 1
    assert totals.codes["other"] == 50 - MAX_CODES
    assert len(totals.rejected["call"]) == MAX_STATUSES + 1


def test_listed_connection_has_the_number_of_its_report_and_of_its_event():
    registry.intake.listened = True
    socket = Socket(user="1").open()
    (number,) = registry.drain(describe).opened
    socket.close()
    Socket(user="2").open().close()
    events = registry.drain(describe).events
    entries = registry.tally.entries.closed
    assert [it.connection.number for it in entries] == [number, number + 1]
    closed = [it.connection for it in events if it.kind == "closed"]
    assert closed == [it.connection for it in entries]


def test_nothing_is_listed_for_a_backend_that_keeps_no_list():
    registry.tally.lists_ends = False
    Socket().open().close()
    Socket().close()
    settle()
    entries = registry.tally.entries
    assert not (entries.closed or entries.rejected)


def test_interrupted_drain_counts_each_end_once(monkeypatch):
    """Whatever it was about to do."""
    names = [
        "_uncount_ends",
        "_gather_events",
        "_add_to_tally",
        "_note_closed",
        "_settle_ended",
        "_count",
    ]
    for ended, name in enumerate(names, 1):
        socket = Socket().open()
        settle()
        socket.close()
        Socket().open().close()
        original = getattr(draining.Drain, name)
        for is_late in (False, True):

            def interrupt(self, *given, is_late=is_late, original=original):
                if is_late:
                    original(self, *given)
                raise KeyboardInterrupt

            monkeypatch.setattr(draining.Drain, name, interrupt)
            Socket().open()
            registry.intake.ended.add(socket.connection)
            with pytest.raises(KeyboardInterrupt):
                registry.drain(describe)
            monkeypatch.setattr(draining.Drain, name, original)
        totals = settle()
        assert totals.closed == {"call": {"server_closed": 2 * ended}}, name
        assert totals.durations.count == 2 * ended
        assert totals.open() == registry.counts == {"call": 2 * ended}


def opened_as(kind: str) -> Socket:
    socket = Socket()
    overrides_of(socket.connection).type = kind
    return socket.open()


def test_connections_close_under_the_type_they_opened_as():
    """Also where counting again has given them another one."""
    filling = {kind: opened_as(kind) for kind in map(str, range(MAX_TYPES))}
    told_apart = [it for it in settle().opened if it != "other"]
    assert len(told_apart) == MAX_KINDS
    kind = told_apart[0]
    filling.pop(kind).close()
    settle()
    # The totals have no room for the first of them, the counts none for the second.
    new = [opened_as("new")]
    settle()
    new.append(opened_as(kind))
    before = settle().opened
    assert registry.counts["new"] == registry.counts["other"] == 1
    assert before[kind] == 1
    assert before["other"] == MAX_TYPES - MAX_KINDS + 2
    for socket in filling.values():
        socket.close()
    settle()
    registry.recount(describe)
    assert registry.counts == {"new": 1, kind: 1}
    for socket in new:
        socket.close()
    totals = settle()
    assert totals.open() == {}
    assert totals.opened == before


def test_user_is_uncounted_that_was_counted_last(monkeypatch):
    """Also if the connection is counted again while it closes."""
    socket = Socket(user="1").open()
    registry.drain(describe)
    again = []

    def end_meanwhile(connection, listened, is_listed):
        found = plain_end(connection, listened, is_listed)
        if not again:
            again.append(True)
            socket.connection.scope = {"user": "2"}
            registry.recount(describe)
        return found

    monkeypatch.setattr("django_socket_status.registry.intake.plain_end", end_meanwhile)
    socket.close()
    settle()
    assert again
    assert registry.users == registry.counts == {}
    assert registry.anonymous == 0
