"""A soak finds totals that fall, and connections that are listed wrongly."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from django_socket_status.activity.entries import ClosedConnection
from django_socket_status.activity.totals import ACCEPT_BOUNDS, Histogram
from django_socket_status.status.history_records import (
    History,
    HistoryBucket,
    HistorySample,
)
from django_socket_status.status.totals import TotalsRecord
from tests.soak.happened import Happened, fallen, of_list, of_totals
from tests.soak.histories import of_flows, of_history
from tests.soak.ledger import Ledger, Range, closed_range, opened_range

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)
ROOM = ("ws_bare", "7", "room-1")


def totals(
    opened: int, closed: Mapping[str, int], since: datetime.datetime = NOW
) -> TotalsRecord:
    return TotalsRecord(
        since=since,
        opened={"ws_bare": opened},
        closed={"ws_bare": dict(closed)},
        rejected={},
        close_codes={},
        durations=Histogram(ACCEPT_BOUNDS),
        durations_by_type={},
        accept_seconds=Histogram(ACCEPT_BOUNDS),
        report_failures=0,
    )


def closed(number: int, cause: str, **given: Any) -> ClosedConnection:
    values: dict[str, Any] = {
        "connection_id": f"w-{number}",
        "type": "ws_bare",
        "endpoint": "",
        "user_id": "7",
        "labels": {"room": "room-1"},
        "connected_at": NOW,
        "worker_id": "w",
        "cause": cause,
        "close_code": None,
        "close_reason": "",
        "closed_at": NOW,
        "duration_seconds": 0.0,
        "release": "",
    }
    return ClosedConnection(**{**values, **given})


def ledger() -> Ledger:
    """Return that of a client that came twice, and left once."""
    kept = Ledger()
    kept.opened(ROOM, 1)
    kept.opened(ROOM, 1)
    kept.closed(ROOM, 1, "close", unanswered=False)
    return kept


def happened(**given: Any) -> Happened:
    values: dict[str, Any] = {
        "ledger": ledger(),
        "open": {"ws_bare": 1},
        "open_before": {},
        "before": totals(0, {}),
        "gone": (),
        "ended": (),
        "may_be_lost": False,
        "is_whole": True,
        "began": NOW,
    }
    return Happened(**{**values, **given})


def test_totals_that_fall_are_found_unless_they_begin_again():
    before = totals(5, {"client_closed": 3})
    assert not list(fallen(before, totals(5, {"client_closed": 4})))
    (flaw,) = fallen(before, totals(5, {"client_closed": 2}))
    assert "closed ws_bare client_closed was 3, and is 2" in flaw


def test_totals_are_what_clients_did():
    assert not list(of_totals(totals(2, {"client_closed": 1}), happened()))


def test_totals_of_something_else_are_different():
    for wrong in (
        totals(3, {"client_closed": 2}),
        totals(1, {}),
        totals(2, {"app_error": 1}),
        totals(2, {"client_closed": 1}, NOW + datetime.timedelta(seconds=1)),
    ):
        assert list(of_totals(wrong, happened()))


def test_totals_that_begin_again_after_a_loss_have_what_is_open():
    again = totals(1, {}, NOW + datetime.timedelta(seconds=1))
    assert not list(of_totals(again, happened(may_be_lost=True)))
    none = totals(0, {}, NOW + datetime.timedelta(seconds=1))
    assert list(of_totals(none, happened(may_be_lost=True)))


def test_connection_that_came_back_counts_once_more():
    again = totals(3, {"client_closed": 1, "worker_lost": 1})
    assert not list(of_totals(again, happened()))


def test_killed_worker_may_have_lost_what_it_had_not_reported():
    assert opened_range(ledger(), "ws_bare", ()) == Range(2, 2)
    assert opened_range(ledger(), "ws_bare", {1}) == Range(0, 2)
    assert closed_range(ledger(), "client_closed", {1}) == Range(0, 1)


def test_handshake_without_an_answer_may_have_been_anything():
    kept = ledger()
    kept.unanswered(ROOM)
    assert opened_range(kept, "ws_bare", ()) == Range(2, 3)
    kept.begin()
    assert opened_range(kept, "ws_bare", ()) == Range(0, 1)


def test_list_is_what_clients_did():
    assert not list(of_list([closed(1, "client_closed")], happened(), is_part=False))


def test_list_of_something_else_is_different():
    for wrong in (
        [],
        [closed(1, "app_error")],
        [closed(1, "client_closed"), closed(2, "client_closed")],
        [closed(1, "client_closed", user_id="8")],
    ):
        assert list(of_list(wrong, happened(), is_part=False))
    assert not list(of_list([], happened(), is_part=True))


def bucket(**given: Any) -> HistoryBucket:
    values = {"starts_at": NOW, "samples": 0, "expected_samples": 60}
    return HistoryBucket(**{**values, **given})


def history(*buckets: HistoryBucket, samples: Any = ()) -> History:
    gaps = [bucket()] * (60 - len(buckets))
    return History(
        span="1h",
        type=None,
        types=[],
        bucket_seconds=60,
        buckets=[*gaps, *buckets],
        samples=samples,
        events=[],
        complete=True,
    )


SAMPLED = bucket(
    samples=5, open_average=1.0, open_peak=2, workers=1, opened=2, closed={}, rejected=0
)


def test_gap_without_numbers_is_right():
    assert not list(of_history(history(SAMPLED), NOW, ()))


def test_zero_in_a_gap_is_different():
    for wrong in (
        bucket(open_average=0.0),
        bucket(open_peak=0),
        dataclasses.replace(SAMPLED, open_peak=None),
        dataclasses.replace(SAMPLED, samples=61),
    ):
        assert list(of_history(history(wrong), NOW, ()))


def test_sample_where_none_could_be_taken_is_different():
    later = NOW + datetime.timedelta(minutes=2)
    assert len(list(of_history(history(SAMPLED), later, ()))) == 1
    at = NOW.timestamp()
    sample = HistorySample(
        at=NOW, open=0, users=0, workers=1, opened=0, closed={}, rejected=0
    )
    found = history(SAMPLED, samples=[sample])
    assert not list(of_history(found, NOW, [(at - 5, at)]))
    assert len(list(of_history(found, NOW, [(at - 5, at + 5)]))) == 1


def test_history_has_no_more_than_the_totals():
    assert not list(of_flows(history(SAMPLED), {}, {"opened ws_bare": 2}))
    assert list(of_flows(history(SAMPLED), {}, {"opened ws_bare": 1}))
    assert list(of_flows(history(SAMPLED), {"opened a": 3}, {"opened a": 4}))
