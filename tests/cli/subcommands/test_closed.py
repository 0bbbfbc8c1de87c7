from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.activity.stored import Entries
from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands import ended as ended_lists
from django_socket_status.cli.subcommands.closed import DEFAULT, FIELDS, read
from django_socket_status.exceptions import NotKeptError
from tests.backends.test_activity import Reporting, ended, view
from tests.support.scripted_backend import SCRIPTED


@pytest.fixture(autouse=True)
def reporting(settings: Any) -> Reporting:
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    reporting = Reporting()
    reporting.close(ended(1, room="blue"), ended(2, kind="chat"))
    reporting.close(ended(10, user="7"), ended(4, cause="app_error", code=None))
    return reporting


def listed(**options: Any) -> Any:
    return read({"limit": 50, **options})


def ids(**options: Any) -> list[str]:
    answer = listed(columns="connection_id", **options)
    rows = [row for table in answer.tables for row in table.rows]
    return [row.cells[0].partition("-")[2] for row in rows]


def test_connections_are_listed_newest_first():
    assert ids() == ["a", "4", "2", "1"]
    assert listed().footer == ["4 of 4"]
    assert listed(limit=3).footer == ["3 of 4; --all shows every one"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cause": "app_error"}, ["4"]),
        ({"code": 1000}, ["a", "2", "1"]),
        ({"type": "chat"}, ["2"]),
        ({"user": "7"}, ["a"]),
        ({"anonymous": True}, ["4", "2", "1"]),
        ({"label": ["room=blue"]}, ["1"]),
        ({"sort": "close_code"}, ["a", "2", "1", "4"]),
        ({"sort": "duration_seconds"}, ["1", "2", "4", "a"]),
        ({"sort": "duration_seconds", "limit": 2}, ["1", "2"]),
        ({"reverse": True}, ["1", "2", "4", "a"]),
        ({"all": True, "limit": 1}, ["a", "4", "2", "1"]),
        ({"limit": 5000}, ["a", "4", "2", "1"]),
    ],
)
def test_filters_and_orders(options, expected):
    assert ids(**options) == expected


@pytest.mark.parametrize(
    "options", [{"cause": "boredom"}, {"code": -1}, {"sort": "x"}, {"columns": "x"}]
)
def test_impossible_value_is_an_error_of_usage(options):
    with pytest.raises(UsageError):
        listed(**options)


def test_every_column_can_be_shown_and_sorted_by():
    assert set(DEFAULT) <= set(FIELDS)
    for name in FIELDS:
        assert len(ids(sort=name)) == 4
        assert listed(columns=name).tables[0].columns[0].name == name


def test_body_is_that_of_the_endpoint():
    assert listed(limit=3).body == view("closed", limit=3)
    assert listed(all=True).body == {**view("closed"), "limit": None}
    assert (
        listed(sort="closed_at").body["connections"]
        == (view("closed")["connections"][::-1])
    )


def test_sample_and_damage_have_their_sentences(reporting):
    reporting.close(ended(5), left_out=100)
    reporting.report(closed=Entries("x", 1))
    for options in ({}, {"all": True}):
        answer = listed(**options)
        assert list(answer.notes) == [ended_lists.DAMAGED, ended_lists.SAMPLE]
        assert len(answer.body["connections"]) == 5
        assert answer.body["is_sample"] is True
        assert answer.body["complete"] is False


def test_list_that_is_not_kept_is_no_empty_list(settings):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CLOSED_LIMIT": 0}
    with pytest.raises(NotKeptError, match="CLOSED_LIMIT"):
        listed()


def test_empty_list_says_why(settings):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "OPTIONS": {"name": "another"}}
    assert listed().footer == ["None matches."]
    assert "No process reports" in listed().notes[0]
