from __future__ import annotations

import pytest

from django_socket_status.backends.redis.activity.place import (
    fields_of,
    frame,
    unframe,
)


@pytest.mark.parametrize("text", ["", "text", "1:2:3", "\u00e9"])
def test_framed_text_is_read_back(text):
    assert unframe(frame(7, text)) == (7, text)


@pytest.mark.parametrize(
    "value",
    [b"", b"text", b"7:4:tex", b"7:4:texts", b"7:text", b"x:4:text", b"7:1:\xff"],
)
def test_damaged_frame_is_found(value):
    with pytest.raises(ValueError):
        unframe(value)


def test_fields_of_a_hash_come_as_a_list_or_as_a_mapping():
    assert fields_of([b"a", b"1", b"b", b"2"]) == {b"a": b"1", b"b": b"2"}
    assert fields_of({b"a": b"1"}) == {b"a": b"1"}
    assert fields_of([]) == {}
