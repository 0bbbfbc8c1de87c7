from __future__ import annotations

from django_socket_status.admin.figures.attention import attention_to
from tests.admin.figures.conftest import facts, history, worker


def texts(page, known) -> list[str]:
    return [it.text for it in attention_to(page, known)]


def test_list_is_empty_if_all_is_well(page):
    calm = {
        minute: {"opened": 30, "closed": {"client_closed": 30}, "rejected": 0}
        for minute in range(60)
    }
    known = facts(histories=history(calm, samples=6, opened=5))
    assert texts(page, known) == []


def test_late_worker_is_listed(page):
    found = attention_to(page, facts(workers=[worker(is_late=True), worker()]))
    assert [it.text for it in found] == ["1 worker missed a report."]
    assert found[0].url == "#workers"


def test_lost_workers_are_listed_with_the_time_of_the_last(page):
    events = {"worker_lost": {"worker": "x", "number": 3}}
    (found,) = attention_to(page, facts(histories=history({}, events=events)))
    assert found.text == "1 worker was lost in the last hour."
    assert found.at is not None


def test_slow_loop_and_busy_sync_thread_name_their_worker(page):
    slow = worker(loop_lag_seconds=[0.1, 2.5], sync_thread_wait_seconds=3.0)
    assert texts(page, facts(workers=[slow])) == [
        "The event loop of web-1:7 is slow.",
        "The thread of sync consumers of web-1:7 is busy. Its log names the call.",
    ]


def test_busy_sync_thread_names_the_function_that_it_runs(page):
    busy = worker(sync_thread_wait_seconds=3.0, sync_thread_runs="shop.views.export")
    assert texts(page, facts(workers=[busy])) == [
        "The thread of sync consumers of web-1:7 is busy: it runs shop.views.export"
    ]


def test_slow_loop_names_the_function_that_it_ran(page):
    slow = worker(loop_lag_seconds=[3.0], loop_runs="shop.consumers.Chat.receive")
    assert texts(page, facts(workers=[slow])) == [
        "The event loop of web-1:7 is slow: it ran shop.consumers.Chat.receive"
    ]


def test_limit_of_slow_is_that_of_the_setting(page, settings):
    settings.SOCKET_STATUS = {"SLOW_SECONDS": 5}
    slow = worker(loop_lag_seconds=[2.5], sync_thread_wait_seconds=3.0)
    assert texts(page, facts(workers=[slow])) == []


def test_many_more_openings_than_before_are_a_storm(page):
    calm = {it: {"opened": 4, "closed": {}, "rejected": 0} for it in range(60)}
    storm = facts(histories=history(calm, samples=6, opened=20))
    (text,) = texts(page, storm)
    assert text == "Many clients reconnect: 120 connections opened in a minute."
    few = facts(histories=history(calm, samples=6, opened=3))
    assert texts(page, few) == []


def test_first_connections_after_a_gap_are_no_storm(page):
    assert texts(page, facts(histories=history({}, samples=6, opened=20))) == []


def test_unusual_share_of_abnormal_closes_names_the_cause(page):
    closed = {"client_closed": 60, "client_lost": 30, "app_error": 10}
    flow = {5: {"opened": 100, "closed": closed, "rejected": 0}}
    assert texts(page, facts(histories=history(flow))) == [
        "40 % of the connections that closed in the last hour ended abnormally, "
        "most often: The client was lost."
    ]


def test_few_abnormal_closes_say_nothing(page):
    flow = {5: {"opened": 9, "closed": {"client_lost": 9}, "rejected": 0}}
    assert texts(page, facts(histories=history(flow))) == []


def test_unusual_share_of_rejections_is_listed(page):
    flow = {5: {"opened": 60, "closed": {}, "rejected": 40}}
    assert texts(page, facts(histories=history(flow))) == [
        "40 % of the handshakes in the last hour were rejected."
    ]


def test_endpoints_that_are_not_counted_are_listed(page):
    (found,) = attention_to(page, facts(uncounted_endpoints={"old": "/ws/old/"}))
    assert found.text == "The connections of 1 endpoint are not counted."
    assert found.url == "#endpoints"
