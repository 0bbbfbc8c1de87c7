from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.cli.subcommands.totals import read
from tests.backends.test_activity import Reporting, view
from tests.support.scripted_backend import SCRIPTED


@pytest.fixture
def reporting(settings: Any) -> Reporting:
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    reporting = Reporting()
    totals = reporting.totals
    totals.opened = {"call": 7, "chat": 1}
    totals.closed = {"call": {"app_error": 1, "client_closed": 4}}
    totals.rejected = {"talk": {"403": 2}}
    totals.codes = {"1000": 4}
    totals.durations.add([0.05])
    totals.durations.add([400])
    totals.durations.add([10**9])
    reporting.report()
    return reporting


def test_totals_are_shown_by_type_cause_code_and_duration(reporting):
    lines = [line.split() for line in read({}).lines()]
    assert lines[0][0] == "since"
    assert lines[2:] == [
        ["TYPE", "OPENED", "CLOSED", "REJECTED"],
        ["call", "7", "5", "0"],
        ["chat", "1", "0", "0"],
        ["talk", "0", "0", "2"],
        [],
        ["CAUSE", "CLOSED"],
        ["client_closed", "4"],
        ["app_error", "1"],
        [],
        ["CODE", "CLOSED"],
        ["1000", "4"],
        [],
        ["LASTED", "CLOSED"],
        ["up", "to", "100", "ms", "1"],
        ["up", "to", "15", "min", "1"],
        ["over", "7", "d", "1"],
        [],
        ["STATUS", "REJECTED"],
        ["403", "2"],
    ]


def test_body_is_that_of_the_endpoint(reporting):
    assert read({}).body == view("totals")


def test_nothing_counted_is_no_zero(settings):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    assert list(read({}).lines()) == ["! No worker has reported totals yet."]
