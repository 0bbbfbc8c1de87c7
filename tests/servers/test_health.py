"""Liveness answers while the thread that sync consumers share is blocked."""

from __future__ import annotations

import json

import pytest

from tests.servers.servers import answer_of

pytestmark = pytest.mark.server


def test_liveness_answers_while_the_sync_thread_is_blocked(serve):
    site = serve("uvicorn-sansio")
    with site.open("sync/blocked/") as blocked, site.open("sync/waits/") as waits:
        # Both run: the answer says so.
        answer_of(blocked, "hello")
        answer_of(waits, "hello")
        # For longer than this test may take; the server is killed in the end.
        blocked.send("sleep 3600")
        waits.send("hello")
        for path in ("/socket-status/health/live/", "/live-before-django/"):
            answer = json.loads(site.get(path))
            assert answer == {"status": "ok", "checks": {}}
        with pytest.raises(TimeoutError):
            waits.recv(0)
        assert json.loads(site.get("/socket-status/health/ready/"))["status"] == "ok"
