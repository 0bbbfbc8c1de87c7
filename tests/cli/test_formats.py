from __future__ import annotations

import datetime

import pytest

from django_socket_status.cli.formats import (
    age_in_seconds,
    counted,
    duration_text,
    instant_text,
    natural_key,
    plain_number,
)

AT = datetime.datetime(2026, 11, 22, 10, 30, 45, 900_000, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-3, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (200, "3 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (18_720, "5 h 12 min"),
        (86_400, "1 d"),
        (190_800, "2 d 5 h"),
    ],
)
def test_duration_is_short(seconds, expected):
    assert duration_text(seconds) == expected


def test_age_is_never_negative():
    later = AT + datetime.timedelta(seconds=2)
    assert age_in_seconds(AT, later) == 2
    assert age_in_seconds(later, AT) == 0


def test_instant_is_in_utc():
    zone = datetime.timezone(datetime.timedelta(hours=5))
    assert instant_text(AT.astimezone(zone)) == "2026-11-22 10:30:45Z"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (5.0, "5"), (1_234_567.0, "1234567"), (0.51849, "0.518"), (2.5, "2.5")],
)
def test_number_has_no_exponent(value, expected):
    assert plain_number(value) == expected


def test_noun_agrees_with_its_number():
    assert counted(1, "worker") == "1 worker"
    assert counted(0, "worker") == "0 workers"
    assert counted(2, "child", "children") == "2 children"


def test_order_is_that_of_the_numbers_in_a_text():
    texts: list[str | None] = ["room10", None, "10", "room9", "", "9", "a²"]
    assert sorted(texts, key=natural_key) == [
        "", "9", "10", "a²", "room9", "room10", None,
    ]  # fmt: skip
