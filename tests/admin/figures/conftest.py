"""What is known of a deployment, made up."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from django_socket_status.activity.conditions import Condition
from django_socket_status.admin.figures.facts import Facts
from django_socket_status.admin.page import Page
from django_socket_status.status.answers import SummaryRecord, WorkerRecord
from django_socket_status.status.history import Histories
from django_socket_status.status.history_records import (
    History,
    HistoryBucket,
    HistoryEvent,
    HistorySample,
)
from tests.admin.conftest import CONDITION

NOW = datetime.datetime(2026, 11, 30, 12, 0, tzinfo=datetime.timezone.utc)

SUMMARY = SummaryRecord(
    active=True,
    total_sockets=3,
    sockets_by_type={"call": 3},
    timestamp=NOW,
    ws_endpoints={"call": "/ws/call/"},
    unique_users=1,
    anonymous_sockets=2,
    workers=1,
    coverage="host",
    stale=False,
    endpoints_known=True,
    uncounted_endpoints={},
)

WORKER = WorkerRecord(
    worker_id="0123456789abcdef",
    host="web-1",
    pid=7,
    server="uvicorn",
    started_at=NOW,
    reported_at=NOW,
    is_late=False,
    total_sockets=3,
    sockets_by_type={"call": 3},
    anonymous_sockets=2,
    age_seconds=0.1,
    complete=True,
    condition=Condition(**CONDITION),
)


def bucket(minute: int, **more: Any) -> HistoryBucket:
    """Return a bucket of the last hour; a gap without ``more``."""
    starts_at = NOW - datetime.timedelta(minutes=59 - minute)
    samples = 6 if more else 0
    given = {"samples": samples, "expected_samples": 6, **more}
    return HistoryBucket(starts_at=starts_at, **given)


def history(
    buckets: dict[int, dict[str, Any]],
    *,
    samples: int = 0,
    events: dict[str, dict[str, Any]] | None = None,
    opened: int = 0,
) -> Histories:
    """Return a history whose last samples opened so many connections each."""
    total = History(
        span="1h",
        type=None,
        types=(),
        bucket_seconds=60,
        buckets=[bucket(minute, **buckets.get(minute, {})) for minute in range(60)],
        samples=[
            HistorySample(
                at=NOW - datetime.timedelta(seconds=10 * number),
                open=3,
                users=1,
                workers=1,
                opened=opened,
                closed={},
                rejected=0,
            )
            for number in reversed(range(samples))
        ],
        events=[
            HistoryEvent(at=NOW, kind=it, facts=f) for it, f in (events or {}).items()
        ],
        complete=True,
    )
    return Histories(total, {})


def facts(**more: Any) -> Facts:
    """Return what is known of a deployment that is well."""
    given: dict[str, Any] = {
        "workers": [WORKER],
        "totals": None,
        "histories": None,
        "as_of": NOW,
    }
    summary = {
        key: more.pop(key)
        for key in tuple(more)
        if hasattr(SUMMARY, key) and key != "workers"
    }
    return Facts(summary=dataclasses.replace(SUMMARY, **summary), **{**given, **more})


def worker(**more: Any) -> WorkerRecord:
    """Return a worker; its condition has the fields of ours that are given."""
    own = {key: more.pop(key) for key in tuple(more) if key in CONDITION}
    condition = Condition(**{**CONDITION, **own})
    return dataclasses.replace(WORKER, condition=condition, **more)


@pytest.fixture
def page(db: None) -> Page:
    """Return the page of a superuser."""
    from django.contrib import admin

    from django_socket_status.models import SocketStatus

    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root")
    return Page(request, admin.site.get_model_admin(SocketStatus))
