"""The filters that only the command and the admin page have."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from django_socket_status.backends import get_backend
from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands import closed, connections, rejected
from django_socket_status.testing import FakeWorker
from tests.status.test_lists import AT, ended, keep, reject
from tests.support.scripted_backend import SCRIPTED


@pytest.fixture(autouse=True)
def workers(settings: Any) -> None:
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    now = timezone.now().timestamp()
    for name, age in (("a", 30), ("b", 7200)):
        worker = FakeWorker(name * 16, lease_seconds=1e6)
        held = [worker.open(endpoint=f"/ws/{it}/", at=now - age) for it in range(3)]
        get_backend().report(worker.full(held))


def listed(**options: Any) -> Any:
    return connections.read({"limit": 50, **options}, lambda done, total: None)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"endpoint": "/ws/1/"}, 2),
        ({"worker": "a" * 16}, 3),
        ({"host": "host.example"}, 6),
        ({"host": "other"}, 0),
        ({"release": "v7"}, 0),
        ({"older": "1h"}, 3),
        ({"younger": "1h"}, 3),
        ({"younger": "1h", "type": "chat"}, 0),
        ({"worker": "b" * 16, "sort": "endpoint", "limit": 2}, 2),
    ],
)
def test_open_connections_are_searched(options, count):
    assert len(listed(**options).body["connections"]) == count


def test_search_goes_on_after_a_limit():
    first = listed(worker="a" * 16, limit=2)
    assert first.footer == ["2 of more; --all shows every one"]
    rest = listed(worker="a" * 16, after=first.body["next_after"])
    assert len(rest.body["connections"]) == 1


def test_closed_and_rejected_connections_are_searched():
    keep(ended(1, at=AT), ended(2, at=AT + 1, code=4001))
    reject(1)
    options = {"limit": 1, "worker": "a" * 16, "release": "v7", "older": "1d"}
    found = closed.read(options).body
    assert (len(found["connections"]), found["total"]) == (1, 2)
    assert closed.read({**options, "code": 4001}).body["total"] == 1
    assert closed.read({**options, "reverse": True}).body["total"] == 2
    assert rejected.read({**options, "endpoint": "/none/"}).body["total"] == 0
    assert rejected.read(options).body["total"] == 1


def test_impossible_age_is_named():
    with pytest.raises(UsageError, match="--older: write 30s, 10min, 2h or 1d"):
        listed(older="soon")
