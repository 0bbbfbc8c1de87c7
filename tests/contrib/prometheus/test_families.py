"""Every series that the issue names, with its labels, and no other."""

from __future__ import annotations

import dataclasses
import datetime
import re
from typing import Any

from prometheus_client.core import Metric

from django_socket_status.activity.totals import Totals
from django_socket_status.contrib.outcomes import RESULTS
from django_socket_status.contrib.prometheus.families import MAX_CODES, families
from django_socket_status.contrib.prometheus.numbers import Numbers
from django_socket_status.endings import CAUSES
from django_socket_status.status.totals import TotalsRecord, totals_record
from tests.support.source import ROOT

SINCE = datetime.datetime(2026, 11, 20, 8, tzinfo=datetime.timezone.utc)

#: The names as people write them in a query, and their labels.
SERIES = {
    "connections": {"type"},
    "users": set(),
    "anonymous_connections": set(),
    "connections_opened_total": {"type"},
    "connections_closed_total": {"type", "cause"},
    "close_codes_total": {"code"},
    "handshakes_total": {"type", "result"},
    "handshake_duration_seconds": set(),
    "connection_duration_seconds": {"type"},
    "workers": {"state"},
    "oldest_report_age_seconds": set(),
    "stale": set(),
    "report_failures_total": set(),
    "loop_lag_seconds": set(),
    "sync_thread_wait_seconds": set(),
    "info": {"backend", "coverage", "scope", "version"},
}


def totals(**changes: Any) -> TotalsRecord:
    found = Totals(
        opened={"call": 3, "chat": 1},
        closed={"call": {"client_closed": 1, "client_lost": 1}},
        rejected={"call": {"403": 1, "404": 2, "418": 1, "503": 1, "gone": 1}},
        codes={"1000": 1, "4001": 1},
        report_failures=2,
    )
    found.add_durations("call", [0.05, 700_000])
    found.accepts.add([0.3])
    return dataclasses.replace(totals_record(found, SINCE), **changes)


def numbers(**changes: Any) -> Numbers:
    given: dict[str, Any] = {
        "scope": "deployment",
        "coverage": "host",
        "connections": {"call": 1},
        "anonymous": 1,
        "totals": totals(),
        "users": 0,
        "workers": {"draining": 0, "late": 0, "serving": 1},
        "oldest_report_age_seconds": 0.4,
        "loop_lag_seconds": 0.0,
        "sync_thread_wait_seconds": 0.1,
        **changes,
    }
    return Numbers(**given)


def found(given: Numbers | None) -> dict[str, Metric]:
    made = families(given, "deployment", "SqliteBackend")
    return {it.name.removeprefix("django_socket_status"): it for it in made}


def values(family: Metric, suffix: str = "") -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for sample in family.samples
        if sample.name == family.name + suffix
    }


def test_series_are_those_that_are_documented():
    told = {}
    for name, family in found(numbers()).items():
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        first = family.samples[0]
        told[(name + suffix).removeprefix("_")] = first.labels.keys() - {"le"}
    assert told == SERIES


def test_reference_has_each_series_with_its_labels():
    page = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    lines = re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) ?\|", page, flags=re.M)
    told = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in lines}
    assert told == SERIES


def test_type_without_an_open_connection_has_a_zero():
    assert values(found(numbers())["_connections"]) == {("call",): 1, ("chat",): 0}


def test_handshakes_are_told_apart_by_their_result():
    told = values(found(numbers())["_handshakes"], "_total")
    assert len(told) == 2 * len(RESULTS)
    assert {labels: value for labels, value in told.items() if value} == {
        ("call", "403"): 1,
        ("call", "4xx"): 3,
        ("call", "5xx"): 1,
        ("call", "accepted"): 3,
        ("call", "gone"): 1,
        ("chat", "accepted"): 1,
    }
    other = totals(opened={}, rejected={"call": {"error": 1, "302": 1, "other": 2}})
    told = values(found(numbers(totals=other))["_handshakes"], "_total")
    assert {labels: value for labels, value in told.items() if value} == {
        ("call", "error"): 1,
        ("call", "other"): 3,
    }


def test_cause_that_did_not_occur_is_zero_and_not_absent():
    told = values(found(numbers())["_connections_closed"], "_total")
    assert {labels for labels in told if labels[0] == "chat"} == {
        ("chat", cause) for cause in CAUSES
    }
    assert sum(told.values()) == 2


def test_buckets_end_above_a_week_and_include_those_before():
    family = found(numbers())["_connection_duration_seconds"]
    buckets = values(family, "_bucket")
    assert buckets["call", "0.1"] == buckets["call", "604800.0"] == 1
    assert buckets["call", "+Inf"] == 2
    assert values(family, "_count") == {("call",): 2}
    assert values(family, "_sum") == {("call",): 700_000.05}


def test_created_is_the_epoch_of_each_counter_and_histogram():
    for family in found(numbers()).values():
        created = values(family, "_created")
        if family.type in ("counter", "histogram"):
            assert set(created.values()) == {SINCE.timestamp()}
        else:
            assert not created


def test_unknown_numbers_are_absent_and_not_zero():
    told = found(None)
    assert told.keys() == {"", "_stale"}
    assert values(told["_stale"]) == {(): 1}
    assert values(found(numbers())["_stale"]) == {(): 0}


def test_what_is_not_known_is_left_out():
    told = found(
        numbers(
            users=None,
            workers=None,
            totals=totals(since=None),
            loop_lag_seconds=None,
            sync_thread_wait_seconds=None,
            oldest_report_age_seconds=None,
        )
    )
    assert told.keys() == {"", "_stale", "_connections", "_anonymous_connections"}
    assert found(numbers(totals=None)).keys() > told.keys()


def told_codes(codes: dict[str, int]) -> dict[tuple[str, ...], float]:
    made = found(numbers(totals=totals(close_codes=codes)))
    return values(made["_close_codes"], "_total")


def test_codes_that_clients_invent_are_bounded():
    known = {"1000": 5, "1015": 1, "other": 2}
    few = {**known, **{str(4000 + it): 1 for it in range(MAX_CODES)}}
    told = values(
        found(numbers(totals=totals(close_codes=few)))["_close_codes"], "_total"
    )
    assert len(told) == len(few)
    many = {**few, "4999": 1}
    assert told_codes(many) == {
        ("1000",): 5,
        ("1015",): 1,
        ("other",): 2 + MAX_CODES + 1,
    }
