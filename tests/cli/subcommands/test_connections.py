from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.subcommands import connections
from django_socket_status.cli.subcommands.connections import DEFAULT, FIELDS, read
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.testing import FakeWorker
from tests.support.scripted_backend import SCRIPTED, scripted

HOSTILE = "a\x1b]0;owned\x07\r\n\x9b2J\u202e"


@pytest.fixture(autouse=True)
def worker(settings: Any) -> FakeWorker:
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    worker = FakeWorker()
    opened = [
        worker.open("call", user="7", labels={"room": "room10"}, at=1000),
        worker.open("call", user="12", labels={"room": "room9"}, at=2000),
        worker.open("chat", labels={"room": "日本"}, at=3000),
        worker.open("chat", labels={"room": HOSTILE}, at=4000),
    ]
    scripted().report(worker.full(opened))
    return worker


def listed(**options: Any) -> Answer:
    return read({"limit": 50, **options}, lambda done, total: None)


def column(name: str, **options: Any) -> list[str]:
    answer = listed(columns=name, **options)
    return [row.cells[0] for table in answer.tables for row in table.rows]


def test_connections_are_listed_newest_first():
    assert column("type") == ["chat", "chat", "call", "call"]
    assert column("user_id") == ["-", "-", "12", "7"]
    assert column("label.room")[2:] == ["room9", "room10"]
    assert column("label.role") == ["", "", "", ""]


def test_list_says_how_many_there_are():
    assert listed().footer == ["4 of 4"]
    assert listed(limit=3).footer == ["3 of 4; --all shows every one"]
    assert listed(limit=3, all=True).footer == ["4 of 4"]
    assert listed(type="call", limit=1).footer == ["1 of 2; --all shows every one"]
    assert listed(type="none").footer == ["None matches."]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"type": "call"}, 2),
        ({"user": "7"}, 1),
        ({"anonymous": True}, 2),
        ({"label": ["room=room9"]}, 1),
        ({"label": ["room=room9", "role=x"]}, 0),
        ({"label": ["room="]}, 0),
    ],
)
def test_filters_are_those_of_the_api(options, count):
    assert len(listed(**options).body["connections"]) == count


@pytest.mark.parametrize(
    "options",
    [
        {"label": ["room"]},
        {"label": ["=blue"]},
        {"label": ["room=a", "room=b"]},
        {"label": [f"{number}=x" for number in range(17)]},
        {"user": "7", "anonymous": True},
        {"after": "no cursor"},
        {"after": "no cursor", "sort": "type"},
        {"columns": "kind"},
        {"columns": "label."},
        {"sort": "kind"},
    ],
)
def test_impossible_value_is_an_error_of_usage(options):
    with pytest.raises(UsageError):
        listed(**options)


def test_another_order_is_of_all_connections():
    rooms = ["room9", "room10"]
    assert column("label.room", sort="label.room", type="call") == rooms
    assert column("label.room", sort="label.room", type="call", limit=1) == rooms[:1]
    assert (
        column("label.room", sort="label.room", reverse=True, type="call")
        == (rooms[::-1])
    )
    assert column("user_id", reverse=True) == ["7", "12", "-", "-"]
    answer = listed(sort="type", limit=1)
    assert answer.footer == ["1 of 4; --all shows every one"]
    assert answer.body["total"] == 4


def test_order_of_too_many_is_refused(monkeypatch):
    monkeypatch.setattr(connections, "MAX_SORTED", 3)
    with pytest.raises(UsageError, match="3 at most"):
        listed(sort="type")


def test_every_column_can_be_shown_and_sorted_by():
    assert set(DEFAULT) <= set(FIELDS)
    for name in FIELDS:
        assert len(column(name, sort=name)) == 4


def test_hostile_labels_never_reach_the_terminal():
    lines = list(listed().lines(100))
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 6
    # The registry replaces them; another writer to the store may not.
    assert "\\x1b]0;owned\\x07\\x0d\\x0a\\x9b2J\\u202e" in "".join(listed().lines())


def test_body_is_that_of_the_endpoint(client, admin_user):
    client.force_login(admin_user)
    expected = client.get("/socket-status/connections/", {"limit": 3}).json()
    assert listed(limit=3).body == {**expected, "next_offset": 3}
    everything = client.get("/socket-status/connections/").json()
    assert listed(all=True).body == {**everything, "limit": None}


def test_cursor_continues_the_list():
    first = listed(limit=1)
    second = listed(limit=2, after=first.body["next_after"])
    assert second.footer == [f"2 more; go on with --after {second.body['next_after']}"]
    rest = listed(after=second.body["next_after"])
    assert len(rest.body["connections"]) == 1
    assert rest.body["offset"] is None
    assert rest.footer == ["1 more, up to the end"]


def test_incomplete_list_says_so(worker):
    scripted().report(worker.full(complete=False))
    answer = listed()
    assert "not complete" in answer.notes[0]
    assert answer.body["complete"] is False


def test_empty_list_says_why(settings):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "OPTIONS": {"name": "another"}}
    assert "No process reports" in listed().notes[0]


def test_backend_that_shows_nothing_to_a_command_is_no_empty_list(settings):
    backend = "django_socket_status.backends.memory.MemoryBackend"
    settings.SOCKET_STATUS = {"BACKEND": backend}
    with pytest.raises(StatusUnavailableError):
        listed()
