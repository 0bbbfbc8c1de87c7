"""A closing connection is let go of at once, and the reporter is woken."""

from __future__ import annotations

import sys

import pytest

from django_socket_status.registry.registry import registry
from tests.support.asgi_driver import Socket
from tests.support.registry import describe

pytestmark = pytest.mark.python


@pytest.mark.parametrize("listened", [True, False])
def test_closing_connection_lets_go_of_its_scope_at_once(monkeypatch, listened):
    """Unless a receiver is connected, which gets the connection."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    registry.intake.listened = listened
    socket = Socket(user="1").open()
    registry.drain(describe)
    socket.close()
    assert (socket.connection.scope is not None) is listened
    events = registry.drain(describe).events
    assert [it.connection.user_id for it in events] == ["1"] * listened
    assert socket.connection.scope is None
    assert registry.counts == registry.users == {}


def test_connection_that_was_counted_is_free_as_soon_as_it_closes(monkeypatch):
    """No closing waits for the reporter to free what may be large."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    registry.intake.quiet = False
    socket = Socket(user="1").open()
    registry.drain(describe)
    before = sys.getrefcount(socket.connection)
    socket.close()
    after = sys.getrefcount(socket.connection)
    assert after == before - 1
    assert registry.is_dirty
    assert registry.counts == {"call": 1}
    assert registry.drain(describe).closed == [1]
    assert registry.counts == registry.users == {}


def test_wake_is_called_while_the_registry_is_quiet(monkeypatch):
    woken = []
    monkeypatch.setattr(registry.intake, "wake", lambda: woken.append(1))
    socket = Socket().open()
    socket.label(room=1)
    socket.close()
    # A close wakes it before it looks whether events are wanted, and again after.
    assert len(woken) == 4
    registry.intake.quiet = False
    Socket().open().label(room=1).close()
    assert len(woken) == 4
