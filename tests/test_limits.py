from __future__ import annotations

import enum
import json

import pytest
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_socket_status.limits import (
    MAX_LABEL_NAME,
    MAX_LABEL_VALUE,
    MAX_LABELS,
    MAX_USER_ID,
    bounded_labels,
    bounded_text,
    bounded_user_id,
)
from tests.examples import as_many_as

ANY_TEXT = st.text(st.characters(codec=None), max_size=400)
BIDIRECTIONAL = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Role(str, enum.Enum):
    DOCTOR = "doctor"


@given(ANY_TEXT, st.integers(1, 300))
@hypothesis_settings(max_examples=as_many_as(100), derandomize=True, deadline=None)
def test_any_text_becomes_harmless(text, limit):
    kept = bounded_text(text, limit)
    assert len(kept) <= limit
    kept.encode()
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in kept)
    assert not set(kept) & set(BIDIRECTIONAL + "\u2028\u2029")
    assert len(kept.splitlines()) <= 1
    assert bounded_text(kept, limit) == kept


@pytest.mark.parametrize("text", ["", "lobby", "Zürich", "日本語", "a b", "🙂", '"<&>'])
def test_ordinary_text_is_kept(text):
    assert bounded_text(text, 100) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (42, "42"),
        (None, "None"),
        (b"\xff", "b'\\xff'"),
        (Role.DOCTOR, "doctor"),
        (mark_safe("<b>"), "<b>"),
        # Its text would be made by code of the project.
        (gettext_lazy("Yes"), "<lazy.<locals>.__proxy__>"),
    ],
)
def test_any_value_becomes_plain_text(value, expected):
    kept = bounded_text(value, 100)
    assert kept == expected
    assert type(kept) is str


def test_text_that_was_cut_says_so():
    assert bounded_text("abcdef", 4) == "abc…"


@given(st.lists(ANY_TEXT, min_size=2, max_size=6, unique=True))
@hypothesis_settings(max_examples=as_many_as(100), derandomize=True, deadline=None)
def test_different_users_stay_different(keys):
    kept = [bounded_user_id(key) for key in keys]
    assert len(set(kept)) == len(keys)
    assert all(len(text) <= MAX_USER_ID for text in kept)
    for text in kept:
        text.encode()


def test_different_users_with_the_same_beginning_stay_different():
    one, other = (bounded_user_id("x" * 1000 + end) for end in "ab")
    assert one != other
    assert bounded_user_id("x" * 1000 + "a") == one


@pytest.mark.parametrize(
    "victim", ["x" * 1000, "a" * 95 + "\0", "\u202eada", "~", "a~0123456789abcdef"]
)
def test_key_that_ends_like_a_digest_is_another_user(victim):
    """A user may choose the name of the account."""
    forged = bounded_user_id(victim)
    for _ in range(3):
        kept = bounded_user_id(forged)
        assert kept != bounded_user_id(victim) or forged == victim
        assert len(kept) <= MAX_USER_ID
        forged = kept


def test_key_and_its_text_are_one_user():
    assert bounded_user_id(7) == bounded_user_id("7") == "7"


def test_labels_are_bounded_in_number_and_length():
    labels = bounded_labels({f"{n}" * 1000: "v" * 1000 for n in range(1, 100)})
    assert len(labels) == MAX_LABELS
    assert all(len(name) <= MAX_LABEL_NAME for name in labels)
    assert all(len(value) <= MAX_LABEL_VALUE for value in labels.values())
    json.dumps(labels)


def test_label_without_a_value_is_left_out_and_takes_no_place():
    labels = {f"none-{n}": None for n in range(100)} | {"room": 0, "side": ""}
    assert bounded_labels(labels) == {"room": "0", "side": ""}
