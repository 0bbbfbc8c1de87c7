"""Results and causes are the same words for every export."""

from __future__ import annotations

from django_socket_status.activity.totals import Totals
from django_socket_status.contrib.outcomes import (
    ABNORMAL,
    RESULTS,
    causes_of,
    results_of,
)
from django_socket_status.endings import CAUSES
from django_socket_status.status.totals import totals_record

TOTALS = totals_record(
    Totals(
        opened={"call": 3},
        closed={"call": {"client_lost": 2}},
        rejected={"call": {"403": 1, "401": 2}, "chat": {"302": 1, "other": 1}},
    ),
    None,
)


def test_every_result_and_cause_of_a_type_is_there():
    results = results_of(TOTALS)
    assert {tuple(it) for it in results.values()} == {RESULTS}
    assert results["call"] | {"accepted": 3, "403": 1, "4xx": 2} == results["call"]
    assert results["chat"]["other"] == sum(results["chat"].values()) == 2
    causes = causes_of(TOTALS)
    assert {kind: tuple(its) for kind, its in causes.items()} == {"call": CAUSES}
    assert causes["call"]["client_lost"] == sum(causes["call"].values()) == 2


def test_abnormal_causes_are_causes():
    assert {*CAUSES} > ABNORMAL
