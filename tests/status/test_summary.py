from __future__ import annotations

import datetime

import pytest
from django.urls import get_script_prefix, set_script_prefix

from django_socket_status.endpoints.served import ServedEndpoints
from django_socket_status.records import Snapshot, Worker, WorkerStatus
from django_socket_status.status.reading import Reading
from django_socket_status.status.summary import (
    script_root,
    summarize,
    worker_records,
)


def worker(name: str, year: int, counts: dict[str, int]) -> WorkerStatus:
    started_at = datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc)
    return WorkerStatus(
        worker=Worker(
            worker_id=name, host="web", pid=1, server="", started_at=started_at
        ),
        counts=counts,
        anonymous=1,
        age_seconds=0.0,
    )


def reading(*workers: WorkerStatus, served: ServedEndpoints | None = None) -> Reading:
    return Reading(
        snapshot=Snapshot(workers=workers, unique_users=2),
        coverage="host",
        read_at=0.0,
        taken_at=86_400.0,
        served=served,
    )


def test_counts_of_all_workers_are_added_and_sorted_by_type():
    summary = summarize(
        reading(worker("a", 2026, {"stt": 1, "call": 2}), worker("b", 2025, {"stt": 3}))
    )
    assert list(summary["sockets_by_type"].items()) == [("call", 2), ("stt", 4)]
    assert (summary["total_sockets"], summary["active"]) == (6, True)
    assert (summary["anonymous_sockets"], summary["workers"]) == (2, 2)
    assert summary["timestamp"] == "1970-01-02T00:00:00.000000+00:00"


def test_endpoints_are_not_known_without_a_report():
    summary = summarize(reading())
    assert (summary["active"], summary["ws_endpoints"]) == (False, {})
    assert summary["endpoints_known"] is False


def test_endpoints_are_behind_the_root_path():
    served = ServedEndpoints(urls={"call": "/ws/call/"}, uncounted=frozenset({"call"}))
    summary = summarize(reading(served=served), "/root")
    assert summary["ws_endpoints"] == {"call": "/root/ws/call/"}
    assert summary["uncounted_endpoints"] == {"call": "/root/ws/call/"}


def test_workers_are_listed_oldest_first():
    records = worker_records(reading(worker("a", 2026, {}), worker("b", 2025, {})), {})
    assert [record.worker_id for record in records] == ["b", "a"]


@pytest.mark.parametrize(("prefix", "root"), [("/", "/forced"), ("/app/", "/app")])
def test_root_path_is_the_requests_or_else_the_settings(settings, prefix, root):
    settings.FORCE_SCRIPT_NAME = "/forced/"
    before = get_script_prefix()
    set_script_prefix(prefix)
    try:
        assert script_root() == root
    finally:
        set_script_prefix(before)
