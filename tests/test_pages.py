from __future__ import annotations

import base64
import math
import pickle
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_socket_status.pages import START
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Cursor,
    OpenedConnection,
)

cursors = st.builds(
    Cursor,
    opened_at=st.floats(0, 1e12),
    worker_id=st.text(st.characters(exclude_categories=["Cs"]), max_size=16),
    number=st.integers(0, 2**53 - 1),
)


def opened(number: int, at: float = 1e9) -> OpenedConnection:
    return OpenedConnection(number, "call", "/ws/", None, {}, at)


@given(cursors)
def test_text_of_a_cursor_is_safe_in_a_url_and_read_back(cursor):
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor.text)
    assert Cursor.read(cursor.text) == cursor


def test_text_of_a_cursor_is_short():
    assert len(Cursor(1_764_500_000.123456, "8f3a5c0d9e1b2746", 26).text) == 43


@given(st.text() | st.binary().map(lambda it: base64.urlsafe_b64encode(it).decode()))
def test_text_is_read_as_a_cursor_or_refused(text):
    try:
        cursor = Cursor.read(text)
    except ValueError:
        return
    assert 0 <= cursor.opened_at < math.inf
    assert 0 <= cursor.number < 2**53
    assert Cursor.read(cursor.text) == cursor


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"short",
        struct.pack("!dQ", math.nan, 1),
        struct.pack("!dQ", math.inf, 1),
        struct.pack("!dQ", -1.0, 1),
        struct.pack("!dQ", 1e9, 2**53),
        # No UTF-8; and half of a surrogate pair, which no database takes.
        struct.pack("!dQ", 1e9, 1) + b"\xff",
        struct.pack("!dQ", 1e9, 1) + b"\xed\xa0\x80",
    ],
    ids=repr,
)
def test_text_that_is_no_cursor_is_refused(packed):
    with pytest.raises(ValueError, match="no cursor"):
        Cursor.read(base64.urlsafe_b64encode(packed).decode())


@pytest.mark.parametrize("text", ["a/b+", "====", "caf\N{SNOWMAN}", "a b", "\0"])
def test_text_of_other_characters_is_refused(text):
    with pytest.raises(ValueError, match="no cursor"):
        Cursor.read(text)


def test_every_connection_comes_after_the_start():
    for place in (Cursor(1e12, "", 0), Cursor(0.0, "z", 7)):
        assert ConnectionQuery(after=START).reaches(
            place.worker_id, place.opened_at, place.number
        )
        assert START.rank < place.rank


@given(cursors, cursors)
def test_query_reaches_what_comes_after_its_cursor(cursor, place):
    reaches = ConnectionQuery(after=cursor).reaches(
        place.worker_id, place.opened_at, place.number
    )
    assert reaches == (cursor.rank < place.rank)
    assert ConnectionQuery().reaches(place.worker_id, place.opened_at, place.number)


def test_pages_follow_one_another():
    held = [
        (worker_id, opened(number, 1e9 + number // 4))
        for worker_id in "ba"
        for number in range(10)
    ]
    found, after = [], None
    while True:
        page = ConnectionQuery(limit=3, after=after).page_of([*held])
        assert (page.total, page.after, page.offset) == (20, after, 0)
        assert page.next_offset is None or after is None
        found += [it.connection_id for it in page]
        after = page.next_cursor
        if after is None:
            break
        assert page.next_after == after.text
    assert page.next_after is None
    assert found == [
        f"{worker_id}-{number:x}"
        for numbers in (range(8, 10), range(4, 8), range(4))
        for worker_id in "ab"
        for number in numbers
    ]


def test_last_page_that_is_full_leads_nowhere():
    page = ConnectionQuery(limit=2).page_of([("w", opened(1)), ("w", opened(2))])
    assert (page.next_offset, page.next_after) == (None, None)


def test_page_without_a_total_has_no_next_offset():
    page = ConnectionPage(connections=(), total=None, limit=1, offset=0, after=START)
    assert page.next_offset is None


def test_page_is_pickled():
    page = ConnectionQuery(limit=1).page_of([("w", opened(1)), ("w", opened(2))])
    assert pickle.loads(pickle.dumps(page)) == page
