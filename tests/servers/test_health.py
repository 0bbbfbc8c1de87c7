"""Liveness answers while the thread that sync consumers share is blocked."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.servers import answer_of
from tests.support.source import ROOT

pytestmark = pytest.mark.server


GUIDE = ROOT / "docs" / "how-to" / "health.md"


@pytest.fixture
def timer(tmp_path: Path) -> Callable[[int], bool]:
    """Return what does as the guide's unit, and tells whether it restarted the site."""
    restarted = tmp_path / "restarted"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" > {restarted}\n')
    systemctl.chmod(0o755)
    (line,) = re.findall(r"^ExecStart=(.*/live/.*)$", GUIDE.read_text("utf-8"), re.M)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    def is_restarted(port: int) -> bool:
        command = line.replace("127.0.0.1:8000/live/", f"127.0.0.1:{port}/live/")
        assert command != line
        # It would wait for seconds in between.
        words = shlex.split(command.replace("--retry 3", "--retry 0"))
        subprocess.run(words, env={**os.environ, "PATH": path}, check=True)
        return restarted.exists() and "restart" in restarted.read_text()

    return is_restarted


def test_liveness_answers_while_the_sync_thread_is_blocked(serve, timer):
    site = serve("uvicorn-sansio")
    with site.open("sync/blocked/") as blocked, site.open("sync/waits/") as waits:
        # Both run: the answer says so.
        answer_of(blocked, "hello")
        answer_of(waits, "hello")
        # For longer than this test may take; the server is killed in the end.
        blocked.send("sleep 3600")
        waits.send("hello")
        for path in ("/socket-status/health/live/", "/live/"):
            answer = json.loads(site.get(path))
            assert answer == {"status": "ok", "checks": {}}
        with pytest.raises(TimeoutError):
            waits.recv(0)
        assert json.loads(site.get("/socket-status/health/ready/"))["status"] == "ok"
        assert not timer(site.port)
    site.kill()
    assert timer(site.port)
