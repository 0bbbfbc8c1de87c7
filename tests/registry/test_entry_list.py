"""The list of what ended: a bounded sample, and each entry is described once."""

from __future__ import annotations

import pytest

from django_socket_status.registry.ends import ENTRY_LIMIT
from django_socket_status.registry.entry_list import status_of
from django_socket_status.registry.registry import registry
from tests.support.asgi_driver import Socket
from tests.support.registry import describe

pytestmark = pytest.mark.python


@pytest.fixture(autouse=True)
def _on_no_thread(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (("server", 0.0, {"type": "websocket.close"}), "403"),
        (("server", 0.0, {"status": 401}), "401"),
        (("server", 0.0, {"status": "401"}), "error"),
        (("server", 0.0, {"status": 10**9}), "error"),
        (("client", 0.0, {"code": 1006}), "gone"),
        (("cancel", 0.0, None), "gone"),
        (("return", 0.0, None), "error"),
        (("error", 0.0, None), "error"),
        (("send", 0.0, None), "error"),
    ],
)
def test_status_of_a_rejection(ending, status):
    assert status_of(ending) == status


def test_list_is_a_sample_in_a_storm():
    for _ in range(ENTRY_LIMIT + 20):
        Socket(user="1").open().close()
        Socket(user="1").close()
    registry.drain(describe)
    entries = registry.tally.entries
    assert len(entries.closed) == len(entries.rejected) == ENTRY_LIMIT
    assert entries.closed_left_out == entries.rejected_left_out == 20
    first = entries.closed[0]
    assert (first.cause, first.code) == ("server_closed", 1000)
    assert first.connection.user_id == "1"
    assert len({it.connection.number for it in entries.closed}) == ENTRY_LIMIT
    assert entries.rejected[0].status == "403"
    assert entries.rejected[0].connection.number == 0


def test_listed_connection_is_described_once():
    described = []

    def note(connection):
        described.append(connection)
        return describe(connection)

    # Each path is another one, so no type is known from the connection before.
    for number in range(3):
        Socket(path=f"/ws/{number}/").open().close()
    Socket(path="/ws/3/").close()
    registry.drain(note)
    entries = registry.tally.entries
    assert len(entries.closed) + len(entries.rejected) == len(described) == 4


def test_reason_is_listed_with_the_cause():
    Socket().open().connection._end("client", {"code": 4001, "reason": "x" * 200})
    Socket().open().connection._end("client", {"code": 1006, "reason": None})
    registry.drain(describe)
    told = [(it.cause, it.code, len(it.reason)) for it in registry.tally.entries.closed]
    assert told == [("client_closed", 4001, 123), ("client_lost", 1006, 0)]
