"""Damaged activity in a store: a reader says the truth, or that it is not certain."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from django_socket_status.backends import get_backend
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.exceptions import BackendError, StatusUnavailableError
from django_socket_status.reporter.sampler import Sampler
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status
from django_socket_status.views import activity
from tests.backends.test_activity import Reporting, ended
from tests.backends.test_damage import REDIS, replace

UNKNOWN = "the status is not known"


def report_all() -> None:
    """Report counters, entries and a sample of one worker."""
    reporting = Reporting()
    reporting.totals.opened["call"] = 3
    reporting.report(held=3)
    for it in (ended(1, user="7"), ended(2), ended(3)):
        reporting.close(it)
    reporting.reject("403")
    Sampler().take(get_backend())


def answer_of(ask: Callable[..., Any], **given: Any) -> Any:
    try:
        return ask(**given)
    except StatusUnavailableError:
        return UNKNOWN


def verify_totals() -> None:
    totals = answer_of(SocketStatusService.get_totals)
    assert totals == UNKNOWN or totals.opened == {"call": 3}


def verify_closed() -> None:
    page = answer_of(SocketStatusService.get_connections, state="closed")
    assert page == UNKNOWN or page.total == 3 or not page.complete


def verify_rejected() -> None:
    page = answer_of(SocketStatusService.get_connections, state="rejected")
    assert page == UNKNOWN or page.total == 1 or not page.complete


def verify_iteration() -> None:
    found = answer_of(lambda: [*SocketStatusService.iter_connections(state="closed")])
    assert found == UNKNOWN or len(found) == 3


def verify_history() -> None:
    history = answer_of(SocketStatusService.get_history)
    if history != UNKNOWN and history.complete:
        assert [it.open_peak for it in history.buckets if it.samples] == [3]


def verify_forgetting() -> None:
    if answer_of(SocketStatusService.forget_user, user=7) != UNKNOWN:
        with contextlib.suppress(BackendError):
            kept = get_backend().read_ended("closed")
            assert not any('"7"' in entries.text for entries in kept)


def verify_views() -> None:
    for name in ("totals", "history", "closed", "rejected"):
        request = RequestFactory().get("/")
        request.user = User(pk=1, is_active=True, is_staff=True)
        response = getattr(activity, name)(request)
        assert response.status_code in (200, 503)
        # Not a constant such as NaN, which is no JSON.
        json.loads(response.content, parse_constant=pytest.fail)


#: Each is the first reader after the damage: a store may begin again after that.
READERS = [
    verify_totals,
    verify_closed,
    verify_rejected,
    verify_iteration,
    verify_history,
    verify_forgetting,
    verify_views,
]


SQLITE = [
    ("state", "value", b"\xff"),
    ("state", "value", "x"),
    ("state", "value", -1),
    ("count", "sequence", -1),
    ("count", "number", -1),
    ("state", "name", "x"),
    ("count", "text", ""),
    ("count", "text", "x"),
    ("count", "text", b"x"),
    ("count", "text", 7),
    ("count", "sequence", "one"),
    ("count", "number", "1.5"),
    ("count", "token", b"x"),
    ("ended", "text", "x"),
    ("ended", "text", b"x"),
    ("ended", "text", 7),
    ("ended", "number", "many"),
    ("ended", "number", 10**18),
    ("ended", "size", 10**18),
    ("ended", "size", b"1"),
    ("ended", "left_out", "x"),
    ("ended", "kept_at", "now"),
    ("bucket", "text", "x"),
    ("bucket", "text", b"x"),
    ("bucket", "text", 7),
    ("bucket", "number", math.inf),
    ("bucket", "number", "one"),
]


def reported_in(place: Path) -> isolated_socket_status:
    options = {"path": place / "status"}
    return isolated_socket_status(BACKEND=SQLITE_BACKEND, OPTIONS=options)


def report_to(place: Path) -> Path:
    """Report everything to files that are copied for each reader."""
    place.mkdir()
    with reported_in(place):
        report_all()
    return place


def test_copy_of_the_files_is_complete(tmp_path):
    """Else the readers of a damaged copy would know nothing anyway."""
    whole = report_to(tmp_path / "whole")
    with reported_in(Path(shutil.copytree(whole, tmp_path / "copy"))):
        assert SocketStatusService.get_totals().opened == {"call": 3}
        for state, count in (("closed", 3), ("rejected", 1)):
            page = SocketStatusService.get_connections(state=state)
            assert (page.total, page.complete) == (count, True)
        history = SocketStatusService.get_history()
        assert [it.open_peak for it in history.buckets if it.samples] == [3]


@pytest.mark.parametrize(("table", "column", "value"), SQLITE, ids=repr)
def test_damaged_activity_file(tmp_path, table, column, value):
    whole = report_to(tmp_path / "whole")
    for verify in READERS:
        place = tmp_path / verify.__name__
        shutil.copytree(whole, place)
        with reported_in(place):
            (file,) = place.glob("*.activity-*.db")
            with contextlib.closing(sqlite3.connect(file)) as database, database:
                changed = database.execute(
                    f"UPDATE OR REPLACE {table} SET {column} = ?", (value,)
                )
                assert changed.rowcount >= 1
            verify()


DAMAGES: dict[str, Callable[[Any, str], object]] = {
    "totals are text": lambda raw, key: replace(raw, key + "totals"),
    "epoch is text": lambda raw, key: raw.hset(key + "totals", "epoch", "x"),
    "base is text": lambda raw, key: raw.hset(key + "totals", "base", "x"),
    "base is short": lambda raw, key: raw.hset(key + "totals", "base", "1:9:{}"),
    "counter is text": lambda raw, key: raw.hset(key + "totals", "c:a:1", "x"),
    "base is gone": lambda raw, key: raw.hset(key + "totals", "folded", ";a:1=1@1"),
    "counter is negative": lambda raw, key: raw.hset(
        key + "totals", "c:a:1", "-1:2:{}"
    ),
    "counter is empty": lambda raw, key: raw.hset(
        key + "totals", f"c:{16 * 'a'}:1", "1:0:"
    ),
    "counter is no JSON": lambda raw, key: raw.hset(key + "totals", "c:a:1", "1:1:x"),
    "carry is a list": lambda raw, key: replace(raw, key + "carry", "rpush"),
    "told is text": lambda raw, key: replace(raw, key + "told"),
    "closed ones are text": lambda raw, key: replace(raw, key + "closed"),
    "state of closed ones": lambda raw, key: raw.hset(key + "closed", "state", "x"),
    "head of closed ones": lambda raw, key: raw.hset(key + "closed", "h1", "1:x"),
    "head of closed ones is gone": lambda raw, key: raw.hdel(key + "closed", "h2"),
    "text of closed ones is gone": lambda raw, key: raw.hdel(key + "closed", "2"),
    "closed ones are bytes": lambda raw, key: raw.hset(key + "closed", "1", b"\xff"),
    "rejected ones are a list": lambda raw, key: replace(
        raw, key + "rejected", "rpush"
    ),
    "ring is text": lambda raw, key: replace(raw, key + "ring:1h"),
    "ring has a stranger": lambda raw, key: raw.zadd(key + "ring:1h", {"x": 9e12}),
    "bucket is no JSON": lambda raw, key: raw.zadd(
        key + "ring:7d", {b"99999:\xff": 9e12}
    ),
}


@pytest.mark.redis
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_activity_in_redis(shared_redis, redis_prefix, damage):
    with shared_redis.client(decode_responses=False) as raw:
        for verify in READERS:
            prefix = f"{redis_prefix}-{verify.__name__}"
            options = {"url": shared_redis.url, "prefix": prefix}
            with isolated_socket_status(BACKEND=REDIS, OPTIONS=options):
                report_all()
                damage(raw, f"{{{prefix}}}:")
                verify()
