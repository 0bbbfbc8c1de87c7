"""Ended connections as text: what is written is read, and damage is left out."""

from __future__ import annotations

import json

import pytest

from django_socket_status.activity.ended_rows import read_closed, read_rejected
from django_socket_status.activity.entries import (
    EndedConnection,
    RejectedHandshake,
    closed_text,
    rejected_text,
)
from django_socket_status.exceptions import BackendError
from django_socket_status.records import OpenedConnection

AT = 1_700_000_000.0
OPENED = OpenedConnection(26, "call", "/ws/<room>/", "7", {"room": "blü"}, AT)
CLOSED = EndedConnection(OPENED, AT + 1.5, "server_closed", 4001, "bye")
REJECTED = RejectedHandshake(OPENED._replace(number=0), "403")
WORKER = "8f3a5c0d9e1b2746"


def test_closed_connections_are_read_as_they_were_written():
    text = closed_text(WORKER, "v7", [CLOSED, CLOSED._replace(code=None)])
    assert text.isascii()
    rows, returned, is_whole, _ = read_closed(text)
    first, second = (it.record() for it in rows)
    assert is_whole
    assert returned == []
    assert first.connection_id == f"{WORKER}-1a"
    assert first.labels == {"room": "blü"}
    assert first.duration_seconds == 1.5
    assert (first.cause, first.close_reason) == ("server_closed", "bye")
    assert (first.release, first.worker_id) == ("v7", WORKER)
    assert (first.close_code, second.close_code) == (4001, None)


def test_connection_that_is_open_again_has_an_id_only():
    text = closed_text(WORKER, "", [CLOSED._replace(closed_at=None)])
    assert read_closed(text) == ([], [f"{WORKER}-1a"], True, 0)


def test_clock_that_went_back_makes_no_negative_duration():
    text = closed_text(WORKER, "", [CLOSED._replace(closed_at=AT - 9)])
    ((row,), *_) = read_closed(text)
    assert row.record().duration_seconds == 0


def test_rejected_handshakes_are_read_as_they_were_written():
    (row,), is_whole = read_rejected(rejected_text(WORKER, "v7", [REJECTED]))
    record = row.record()
    assert is_whole
    assert record.rejected_at.timestamp() == AT
    assert (record.status, record.user_id, record.type) == ("403", "7", "call")


def test_row_says_what_its_record_says():
    rows = read_closed(closed_text(WORKER, "v7", [CLOSED])).rows
    names = ("connection_id", "type", "endpoint", "user_id", "labels", "worker_id")
    for row in rows:
        for name in (*names, "cause", "close_code", "release"):
            assert getattr(row, name) == getattr(row.record(), name)
        assert row.at == row.record().closed_at.timestamp()
        assert row.number == OPENED.number
    (handshake,), _ = read_rejected(rejected_text(WORKER, "v7", [REJECTED]))
    assert handshake.status == handshake.record().status
    assert handshake.at == handshake.record().rejected_at.timestamp()
    assert handshake.number is None


DAMAGED = [
    [],
    5,
    None,
    {},
    [26, "call", "/ws/", None, {}, "x", AT, "app_error", None, ""],
    [-1, "call", "/ws/", None, {}, AT, AT, "app_error", None, ""],
    [26, 5, "/ws/", None, {}, AT, AT, "app_error", None, ""],
    [26, "call", "/ws/", None, [], AT, AT, "app_error", None, ""],
    [26, "call", "/ws/", None, {}, AT, 1e300, "app_error", None, ""],
    [26, "call", "/ws/", None, {}, AT, AT, 5, None, ""],
    [26, "call", "/ws/", None, {}, AT, AT, "app_error", "1000", ""],
    [26, "call", "/ws/", None, {}, AT, AT, "app_error", None],
]


@pytest.mark.parametrize("entry", DAMAGED, ids=repr)
def test_damaged_entry_is_left_out(entry):
    good = [*OPENED, AT, "app_error", None, ""]
    body = {"worker": WORKER, "release": "", "entries": [entry, good]}
    found, returned, is_whole, _ = read_closed(json.dumps(body))
    assert len(found) == 1
    assert not returned
    assert not is_whole


@pytest.mark.parametrize("entry", [*DAMAGED[:8], [*REJECTED[0], 403]], ids=repr)
def test_damaged_rejection_is_left_out(entry):
    good = [*REJECTED[0], "403"]
    body = {"worker": WORKER, "release": "", "entries": [entry, good]}
    found, is_whole = read_rejected(json.dumps(body))
    assert len(found) == 1
    assert not is_whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"worker":5,"release":"","entries":[]}',
        '{"worker":"a","release":"","entries":{}}',
        "[" * 100_000,
    ],
)
def test_damaged_text_is_an_error(text):
    for read in (read_closed, read_rejected):
        with pytest.raises(BackendError, match="damaged"):
            read(text)
