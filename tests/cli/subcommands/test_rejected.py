from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands.rejected import DEFAULT, FIELDS, read
from tests.backends.test_activity import Reporting, view
from tests.support.scripted_backend import SCRIPTED


@pytest.fixture(autouse=True)
def reporting(settings: Any) -> Reporting:
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    reporting = Reporting()
    reporting.reject("403", "gone", "404", user="7")
    return reporting


def statuses(**options: Any) -> list[str]:
    answer = read({"limit": 50, "columns": "status", **options})
    return [row.cells[0] for table in answer.tables for row in table.rows]


def test_handshakes_are_listed_newest_first():
    assert statuses() == ["404", "gone", "403"]
    assert statuses(code=403) == ["403"]
    assert statuses(user="8") == []
    assert statuses(sort="status") == ["403", "404", "gone"]
    assert statuses(reverse=True, limit=1) == ["403"]


def test_every_column_can_be_shown_and_sorted_by():
    assert set(DEFAULT) <= set(FIELDS)
    for name in FIELDS:
        assert len(statuses(sort=name)) == 3


def test_rows_are_told_apart_without_an_id():
    (table,) = read({"limit": 50}).tables
    assert len({row.key for row in table.rows}) == 3


def test_body_is_that_of_the_endpoint():
    assert read({"limit": 2}).body == view("rejected", limit=2)


def test_impossible_value_is_an_error_of_usage():
    with pytest.raises(UsageError):
        statuses(code=10**6)
