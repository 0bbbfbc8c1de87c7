"""Schemathesis finds nothing in the running example: every phase, every check.

One check is not disabled, but takes a 400 for three paths; see :data:`CONFIG`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.test_example_project import PATHS, log_in, open_socket, running

pytestmark = [pytest.mark.server, pytest.mark.slow]

CONFIG = """
seed = 1
continue-on-failure = true

# OpenAPI cannot say that two parameters exclude each other, as `user` and
# `anonymous=true`, or that `after` is only the `next_after` of another page.
[[operations]]
include-path = ["/connections/", "/closed/", "/rejected/"]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401"]
"""
AUTH = """
[auth.openapi.session]
api_key = "{}"
"""
PHASES = ("Examples", "Coverage", "Fuzzing")


def test_schemathesis_finds_nothing(tmp_path):
    pytest.importorskip("schemathesis", reason="the group 'schema' is not installed")
    with running(tmp_path) as origin, ExitStack() as stack:
        cookies = log_in(origin, "staff")
        for path in (PATHS["call"], PATHS["stt"]):
            stack.enter_context(open_socket(origin, path, cookies))
        with open_socket(origin, PATHS["call"], cookies):
            pass
        auth = AUTH.format(cookies.partition("=")[2])
        for config in (CONFIG + auth, CONFIG):
            output = fuzz(origin, config, tmp_path)
            assert not [it for it in PHASES if f"✅ {it}" not in output], output


def fuzz(origin: str, config: str, directory: Path) -> str:
    """Run schemathesis on the document that the site serves; return what it says."""
    (directory / "schemathesis.toml").write_text(config, encoding="utf-8")
    document = directory / "openapi.json"
    document.write_bytes(
        httpx.get(f"{origin}/socket-status/schema/openapi.json").content
    )
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")),
            "--config-file=schemathesis.toml",
            "run",
            document.name,
            f"--url={origin}/socket-status",
            "--max-examples=3",
        ],
        cwd=directory,
        env={**os.environ, "PYTHONUTF8": "1", "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
