from __future__ import annotations

import datetime

import pytest

from django_socket_status.status.search.criteria import (
    age_in_text,
    instant_ago,
    worker_ids_of,
)

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("30s", 30), ("10min", 600), ("2 h", 7200), ("1d", 86_400)],
        *[("", None), ("10", None), ("-1s", None), ("1m", None), ("²s", None)],
    ],
)
def test_age_is_a_number_with_a_unit(text, seconds):
    assert age_in_text(text) == seconds


def test_instant_ago_never_fails():
    assert instant_ago(3600, NOW) == NOW - datetime.timedelta(hours=1)
    assert instant_ago(10**15, NOW).year == 1


def test_worker_is_known_without_asking():
    def fail():
        raise AssertionError

    assert worker_ids_of(fail) is None
    assert worker_ids_of(fail, worker="a") == {"a"}
    assert worker_ids_of(list, host="a") == frozenset()
