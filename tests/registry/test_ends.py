"""What is kept of an end, and how ends are counted that find no room."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest import approx

from django_socket_status.registry import ends, intake
from django_socket_status.registry.ends import (
    End,
    Overflow,
    described_by,
    plain_end,
    plain_ends,
)
from django_socket_status.registry.lifecycle import LiveConnection
from django_socket_status.registry.registry import registry
from tests.support.asgi_driver import Socket
from tests.support.registry import describe

pytestmark = pytest.mark.python


class Broken(dict[str, object]):
    def __getitem__(self, key):
        raise RuntimeError("no")


class Secretive(dict[str, object]):
    def get(self, *given):
        raise RuntimeError("no")


def ended_with(scope: object, source: object = None) -> LiveConnection:
    socket = Socket().open()
    connection = socket.connection
    connection.scope, connection.ending = scope, ("client", 2.0, None)
    connection.source = source or connection.source
    return connection


def test_facts_are_what_describes_a_connection_and_nothing_private():
    scope = {"path": "/ws/", "headers": [(b"cookie", b"secret")], "user": "ada"}
    connection = ended_with(scope)
    end = End(*plain_end(connection, listened=False, is_listed=True))
    assert end.connection is None
    live = end.as_live()
    assert live.scope is not None
    assert {key: it for key, it in live.scope.items() if it is not None} == {
        "path": "/ws/",
        "user": "ada",
    }
    assert live.opened_at == end.opened_at == connection.opened_at
    assert live.number == 0


def test_end_that_is_not_listed_has_what_gives_its_type():
    scope = {"path": "/ws/", "user": "ada"}
    by_class = plain_end(ended_with(scope), listened=False, is_listed=False)
    assert End(*by_class).facts is None
    by_path = plain_end(ended_with(scope, object()), listened=False, is_listed=False)
    end = End(*by_path)
    assert end.facts == ("/ws/",)
    mounted = {**scope, "root_path": "/app"}
    by_path = plain_end(ended_with(mounted, object()), listened=False, is_listed=False)
    assert End(*by_path).facts == ("/ws/", "/app", None, None)


@pytest.mark.parametrize("scope", [None, Secretive(path="/")])
@pytest.mark.parametrize("is_listed", [False, True])
def test_scope_that_cannot_be_read_has_no_facts(scope, is_listed):
    end = End(*plain_end(ended_with(scope, object()), False, is_listed))
    assert not end.facts
    assert end.as_live().scope == {}


def test_scope_that_is_let_go_of_keeps_what_describes_it():
    found = described_by({"path": "/ws/", "headers": [(b"cookie", b"secret")]})
    assert found["path"] == "/ws/"
    assert "headers" not in found
    assert described_by(Secretive(path="/")) == {}
    assert described_by(None) is None


def test_message_of_another_class_is_read_once():
    message = Broken(code=1000)
    connection = ended_with({})
    connection.ending = ("client", 2.0, message)
    (plain,) = plain_ends([plain_end(connection, listened=False, is_listed=True)])
    assert End(*plain).ending == ("client", 2.0, {})


@pytest.fixture
def full(monkeypatch):
    """Let ends find no room."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    monkeypatch.setattr(intake, "END_LIMIT", 0)


@pytest.mark.usefixtures("full")
def test_ends_without_room_lose_their_type_alone():
    Socket().open().close()
    Socket().open().leave()
    Socket().close()
    Socket().end(ValueError())
    assert not any(cell[0] for cell in registry.intake.fresh)
    for _ in range(2):
        registry.drain(describe)
        totals = registry.totals()
        assert totals.opened == {"other": 2}
        assert totals.closed == {"other": {"server_closed": 1, "client_closed": 1}}
        assert totals.rejected == {"other": {"403": 1, "error": 1}}
        assert totals.codes == {"1000": 2}
        assert totals.durations.count == totals.accepts.count == 2
        assert totals.open() == {}
    assert registry.tally.entries.closed_left_out == 2
    assert registry.tally.entries.rejected_left_out == 2


@pytest.mark.usefixtures("full")
def test_counted_connection_that_finds_no_room_keeps_its_type():
    socket = Socket().open()
    registry.drain(describe)
    socket.close()
    registry.drain(describe)
    assert registry.counts == {}
    assert registry.totals().closed == {"call": {"server_closed": 1}}


def test_overflow_counts_from_any_thread_while_it_is_asked():
    overflow = Overflow()
    done = threading.Event()
    found = []

    def count(by):
        for _ in range(500):
            next(overflow.counter((by, 0.0, {"code": 1000}), is_rejected=False))
            overflow.add_times(1.0, 1.5, 3.0)

    def ask():
        while not done.is_set():
            found.append(overflow.take(5.0))

    with ThreadPoolExecutor(5) as pool:
        asking = pool.submit(ask)
        for future in [pool.submit(count, by) for by in ("client", "server") * 2]:
            future.result()
        done.set()
        asking.result()
    found.append(overflow.take(5.0))
    numbers = {"client": 0, "server": 0}
    for taken in found:
        for is_rejected, (by, at, message), number in taken.ends:
            assert (is_rejected, at, message) == (False, 5.0, {"code": 1000})
            numbers[by] += number
    assert numbers == {"client": 1000, "server": 1000}
    assert sum(it.durations.count for it in found) == 2000
    assert sum(it.durations.sum_seconds for it in found) == approx(3000)
    assert sum(it.accepts.sum_seconds for it in found) == approx(1000)


def test_overflow_is_bounded_whatever_clients_send(monkeypatch):
    monkeypatch.setattr(ends, "_MAX_COUNTERS", 10)
    overflow = Overflow()
    for code in range(100):
        next(overflow.counter(("client", 0.0, {"code": code}), is_rejected=False))
    taken = overflow.take(1.0).ends
    assert len(taken) <= 11
    assert sum(number for *_, number in taken) == 100


@pytest.mark.parametrize("message", [None, Broken(code=1), {"code": "x"}, {"code": []}])
def test_overflow_takes_any_message(message):
    overflow = Overflow()
    next(overflow.counter(("client", 0.0, message), is_rejected=True))
    ((is_rejected, ending, number),) = overflow.take(1.0).ends
    assert (is_rejected, ending[0], number) == (True, "client", 1)


def test_reporter_stalled_under_50_000_connections_counts_each(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    for number in range(50_000):
        socket = Socket().open()
        if number % 5:
            socket.leave()
        else:
            socket.close()
    kept = [cell for cell in registry.intake.fresh if cell[0] is not None]
    assert len(kept) == ends.END_LIMIT
    assert len(registry.intake.fresh) <= 2 * ends.END_LIMIT + 1
    registry.drain(describe)
    totals = registry.totals()
    assert sum(totals.opened.values()) == 50_000
    assert totals.opened["call"] == ends.END_LIMIT
    causes = {"client_closed": 40_000, "server_closed": 10_000}
    found = {cause: sum(it[cause] for it in totals.closed.values()) for cause in causes}
    assert found == causes
    assert totals.codes == {"1000": 50_000}
    assert totals.durations.count == totals.accepts.count == 50_000
