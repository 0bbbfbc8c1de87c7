"""Events come in the order in which the sockets noted what happened."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from django_socket_status.registry import intake
from django_socket_status.registry.counts import CountKey, Counts
from django_socket_status.registry.lifecycle import (
    LiveConnection,
)
from django_socket_status.registry.registry import registry
from django_socket_status.reporter import events
from tests.support.asgi_driver import Books, Socket
from tests.support.registry import describe, events_of

pytestmark = pytest.mark.python


def test_events_are_made_only_while_they_are_wanted(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    Socket().open().close()
    Socket().end()
    registry.intake.listened = True
    Socket().open().close()
    Socket().end()
    kinds = [event.kind for event in registry.drain(describe).events]
    assert kinds == ["opened", "closed", "rejected"]


def test_page_reload_keeps_its_order(books):
    old = Socket(user="old").open()
    registry.drain(describe)
    old.leave()
    new = Socket(user="new").open()
    events = registry.drain(describe).events
    assert events_of(events) == [("closed", "old"), ("opened", "new")]
    new.close()


@pytest.mark.parametrize("details", [True, False])
def test_events_are_sent_in_the_order_in_which_the_sockets_noted_them(books, details):
    """Of connections that a drain has met, that it meets, and that it never met."""
    chance = random.Random(18)
    count_keys = None if details else Books(details=False).count_keys
    held: list[tuple[str, Socket]] = []
    happened, told = [], []
    for number in range(500):
        user = str(number)
        if chance.random() < 0.1:
            Socket(user=user).close()
            happened.append(("rejected", user))
        held.append((user, Socket(user=user).open()))
        happened.append(("opened", user))
        while len(held) > chance.randrange(1, 6):
            user, socket = held.pop(chance.randrange(len(held)))
            socket.leave()
            happened.append(("closed", user))
        if chance.random() < 0.1:
            told += events_of(registry.drain(describe, count_keys).events)
    told += events_of(registry.drain(describe, count_keys).events)
    assert told == happened
    for _, socket in held:
        socket.close()


def test_opening_without_a_receiver_is_sent_before_later_events(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    sockets = [Socket(user=user).open() for user in "abc"]
    for at, socket in enumerate(sockets):
        socket.connection.opened_at = float(at)
    registry.intake.listened = True
    sockets[1].close()
    Socket(user="d").open().close()
    assert events_of(registry.drain(describe).events) == [
        ("opened", "a"),
        ("opened", "b"),
        ("opened", "c"),
        ("closed", "b"),
        ("opened", "d"),
        ("closed", "d"),
    ]
    for socket in sockets:
        socket.close()


def test_loss_of_untold_events_is_a_loss_of_the_events_thread_too():
    """Which logs it."""
    assert intake.NOTE_LIMIT > events.QUEUE_LIMIT


def test_untold_events_are_bounded(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    monkeypatch.setattr(intake, "NOTE_LIMIT", 10)
    registry.reset()
    registry.intake.listened = True
    for _ in range(100):
        Socket().open().close()
    assert len(registry.drain(describe).events) == 10


@pytest.mark.parametrize("step", ["plain_end", "leave"])
def test_drain_between_the_note_and_the_end_takes_nothing_from_either(
    books, monkeypatch, step
):
    """The event is told once, and the list of closed connections has all of it."""
    socket = Socket(user="1").open()
    registry.drain(describe)
    owner = intake if step == "plain_end" else registry.intake
    told, rest = [], getattr(owner, step)

    def drain_first(*given):
        told.extend(registry.drain(describe).events)
        return rest(*given)

    monkeypatch.setattr(owner, step, drain_first)
    socket.leave()
    told += registry.drain(describe).events
    assert events_of(told) == [("closed", "1")]
    assert registry.tally.entries.closed_left_out == 0
    (entry,) = registry.tally.entries.closed
    assert entry.connection.user_id == "1"
    books.assert_nothing_is_left()


def test_events_carry_everything_also_while_counts_alone_are_reported(books):
    def count_keys(
        connections: Sequence[LiveConnection], counts: Counts
    ) -> list[CountKey]:
        return [counts.keys_of("call").signed_in for _ in connections]

    socket = Socket(user="1").open()
    socket.label(room=1)
    events = registry.drain(describe, count_keys).events
    assert registry.users == {}
    socket.leave()
    events += registry.drain(describe, count_keys).events
    assert [event.kind for event in events] == ["opened", "closed"]
    for event in events:
        assert event.connection.user_id == "1"
        assert event.connection.labels == {"room": "1"}
    books.assert_nothing_is_left()
