from __future__ import annotations

import unicodedata

import pytest

from django_socket_status.cli.text import clean, clipped, encodable, width_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blue", "blue"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc", "a\\x0d\\x0ab\\x09c"),
        ("\x7f", "\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202edlrow", "\\u202edlrow"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("a\xa0b", "a b"),
        ("☎\ufe0f", "☎"),
        ("日本", "日本"),
    ],
)
def test_unsafe_characters_are_written_as_escapes(text, expected):
    assert clean(text) == expected


def test_no_character_of_unicode_reaches_a_terminal_that_acts_on_it():
    """Categories: controls, formatting, surrogates, separators of lines."""
    for first in range(0, 0x110000, 0x100):
        kept = clean("".join(map(chr, range(first, first + 0x100))))
        acting = [it for it in kept if unicodedata.category(it)[0] == "C"]
        assert not acting, hex(first)
        assert "\u2028" not in kept and "\u2029" not in kept


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("ﾊ", 1), ("한", 2), ("🎉", 2)],
)
def test_width_is_that_of_a_terminal(text, width):
    assert width_of(text) == width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("日本語", 1, "…"),
        ("日本語", 0, ""),
    ],
)
def test_text_is_cut_between_characters(text, width, expected):
    assert clipped(text, width) == expected
    assert width_of(clipped(text, width)) <= width


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [(None, "日…"), ("utf-8", "日…"), ("ascii", "\\u65e5\\u2026")],
)
def test_stream_gets_what_it_can_write(encoding, expected):
    assert encodable("日…", encoding) == expected
