"""The condition of a worker as a text that any process can read."""

from __future__ import annotations

import dataclasses
import json

import pytest

from django_socket_status.activity.conditions import Condition
from django_socket_status.exceptions import BackendError

CONDITION = Condition(
    release="v7",
    versions={"python": "3.13.0", "django": "6.1"},
    loop_lag_seconds=[0.0, 0.25],
    sync_thread_wait_seconds=2.0,
    sync_thread_queue=3,
    sync_thread_runs="shop.consumers.Call.receive",
    loop_runs="shop.consumers.Chat.receive",
)


def test_text_gives_the_same_condition():
    text = CONDITION.to_text()
    assert text.isascii()
    assert Condition.from_text(text) == CONDITION
    assert json.loads(text) == CONDITION.as_dict()


def test_what_a_newer_version_added_is_ignored():
    text = json.dumps({**CONDITION.as_dict(), "temperature": 40})
    assert Condition.from_text(text) == CONDITION


def test_worker_of_an_older_version_names_no_function():
    body = dict(CONDITION.as_dict())
    del body["sync_thread_runs"], body["loop_runs"]
    found = Condition.from_text(json.dumps(body))
    assert found.sync_thread_runs is found.loop_runs is None


def test_lag_is_that_of_the_slowest_loop():
    assert CONDITION.max_loop_lag_seconds == 0.25


@pytest.mark.parametrize(
    "change",
    [
        {"release": None},
        {"release": "x" * 5000},
        {"versions": ["3.13"]},
        {"versions": {"python": 3}},
        {"loop_lag_seconds": [float("nan")]},
        {"loop_lag_seconds": 3},
        {"sync_thread_wait_seconds": -1},
        {"sync_thread_wait_seconds": float("inf")},
        {"sync_thread_queue": 1.5},
        {"sync_thread_queue": True},
        {"sync_thread_runs": 7},
        {"sync_thread_runs": "x" * 5000},
        {"loop_runs": 7},
        {"loop_runs": "x" * 5000},
    ],
    ids=str,
)
def test_damaged_condition_is_an_error(change):
    text = json.dumps({**CONDITION.as_dict(), **change})
    with pytest.raises(BackendError, match="damaged"):
        Condition.from_text(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{", "[" * 100_000])
def test_text_that_is_no_condition_is_an_error(text):
    with pytest.raises(BackendError, match="damaged"):
        Condition.from_text(text)


def test_worker_that_drains_says_so():
    draining = dataclasses.replace(CONDITION, is_draining=True)
    assert Condition.from_text(draining.to_text()) == draining
    assert "is_draining" not in CONDITION.to_text()
