"""Counters can be added, subtracted and stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socket_status.activity.totals import (
    ACCEPT_BOUNDS,
    DURATION_BOUNDS,
    Histogram,
    Totals,
)
from django_socket_status.exceptions import BackendError

NAMES = st.sampled_from(["call", "chat", "other"])
COUNTS = st.dictionaries(NAMES, st.integers(1, 10**6))


@st.composite
def all_totals(draw: Any) -> Totals:
    totals = Totals(
        opened=draw(COUNTS),
        closed=draw(
            st.dictionaries(NAMES, st.dictionaries(NAMES, st.just(3), min_size=1))
        ),
        rejected=draw(
            st.dictionaries(NAMES, st.dictionaries(NAMES, st.just(2), min_size=1))
        ),
        codes=draw(COUNTS),
        report_failures=draw(st.integers(0, 3)),
    )
    for seconds in draw(st.lists(st.integers(-5, 10**6), max_size=5)):
        totals.add_durations(draw(NAMES), [seconds])
        totals.accepts.add([seconds])
    return totals


# A busy machine is no fault.
@settings(deadline=None)
@given(all_totals(), all_totals())
def test_what_was_added_can_be_subtracted(mine, its):
    before = mine.to_text()
    mine.include(its)
    mine.include(its, -1)
    assert mine.to_text() == before or Totals.from_text(before) == mine


@settings(deadline=None)
@given(all_totals())
def test_text_gives_the_same_totals(totals):
    text = totals.to_text()
    assert text.isascii()
    assert Totals.from_text(text) == totals
    assert totals.copy() == totals


def test_copy_changes_on_its_own():
    totals = Totals(opened={"call": 1}, closed={"call": {"app_error": 1}})
    copy = totals.copy()
    totals.include(totals.copy())
    assert copy.opened == {"call": 1}
    assert copy.closed == {"call": {"app_error": 1}}


def test_open_is_opened_without_closed():
    totals = Totals(
        opened={"call": 5, "chat": 1},
        closed={"call": {"app_error": 1, "client_closed": 2}, "chat": {"cancelled": 1}},
    )
    assert totals.open() == {"call": 2}
    assert totals.close_open("worker_lost") == {"call": 2}
    assert totals.closed["call"]["worker_lost"] == 2
    assert totals.open() == {}


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(-1, 0), (0, 0), (0.1, 0), (0.11, 1), (604_800, 11), (604_801, 12)],
)
def test_bounds_of_a_histogram_are_inclusive(seconds, bucket):
    histogram = Histogram(DURATION_BOUNDS)
    histogram.add([seconds])
    assert histogram.buckets[bucket] == histogram.count == 1
    assert histogram.sum_seconds == max(0, seconds)


def test_empty_text_is_nothing():
    assert Totals.from_text("") == Totals()


def test_what_a_newer_version_added_is_ignored():
    body = {**json.loads(Totals(opened={"call": 1}).to_text()), "colour": "blue"}
    assert Totals.from_text(json.dumps(body)) == Totals(opened={"call": 1})


def test_durations_are_counted_in_all_and_by_type():
    totals = Totals()
    totals.add_durations("call", [0.05, 2])
    more = Histogram(DURATION_BOUNDS)
    more.add([2])
    totals.include_durations("other", more)
    assert totals.durations.count == 3
    assert {it: its.count for it, its in totals.durations_by_type.items()} == {
        "call": 2,
        "other": 1,
    }


def test_durations_of_an_older_version_are_those_of_no_known_type():
    totals = Totals()
    totals.add_durations("call", [2])
    body = json.loads(totals.to_text())
    del body["durations_by_type"], body["report_failures"]
    found = Totals.from_text(json.dumps(body))
    assert found.durations_by_type == {"other": totals.durations}
    assert found.report_failures == 0


@pytest.mark.parametrize(
    "change",
    [
        {"opened": {"call": -1}},
        {"opened": {"call": 1.5}},
        {"opened": {"call": True}},
        {"opened": {"call": 2**53}},
        {"opened": []},
        {"closed": {"call": 3}},
        {"rejected": None},
        {"durations": [0, 1]},
        {"durations": [float("nan"), *[0] * (len(DURATION_BOUNDS) + 1)]},
        {"durations_by_type": {"call": [0, 1]}},
        {"durations_by_type": []},
        {"report_failures": -1},
        {"accepts": [-1, *[0] * (len(ACCEPT_BOUNDS) + 1)]},
        {"accepts": [0, *["0"] * (len(ACCEPT_BOUNDS) + 1)]},
    ],
    ids=str,
)
def test_damaged_totals_are_an_error(change):
    text = json.dumps({**json.loads(Totals().to_text()), **change})
    with pytest.raises(BackendError, match="damaged"):
        Totals.from_text(text)


def newer(**counters: Any) -> str:
    return json.dumps({**json.loads(Totals().to_text()), **counters})


def test_counters_of_a_newer_version_are_added():
    base = newer(sent={"call": 3, "chat": 1}, sizes={"call": [0.5, 1]}, pings=2)
    count = newer(sent={"call": 4, "room": 1}, sizes={"call": [1, 2]}, pongs=[1])
    totals = Totals.from_text(base)
    totals.include(Totals.from_text(count))
    body = json.loads(totals.copy().to_text())
    assert body["sent"] == {"call": 7, "chat": 1, "room": 1}
    assert body["sizes"] == {"call": [1.5, 3]}
    assert (body["pings"], body["pongs"]) == (2, [1])
    totals.include(Totals.from_text(count), -1)
    assert json.loads(totals.to_text())["sent"] == {"call": 3, "chat": 1, "room": 0}


def test_what_is_no_counter_of_a_newer_version_is_left_out():
    base = newer(a="x", b=None, c=[True], d=-1, e=float("nan"), f=[[[[[1]]]]], g=[1, 2])
    totals = Totals.from_text(base)
    assert totals.newer == {"g": [1, 2]}
    totals.include(Totals.from_text(newer(g=[1])))
    totals.include(Totals.from_text(newer(g={"x": 1})))
    assert totals.newer == {"g": [1, 2]}


@pytest.mark.parametrize("text", ["x", "[]", "{}", "null", "[" * 100_000])
def test_text_that_holds_no_totals_is_an_error(text):
    with pytest.raises(BackendError, match="damaged"):
        Totals.from_text(text)
