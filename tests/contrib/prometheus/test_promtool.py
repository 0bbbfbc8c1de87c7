"""Promtool accepts the text and the rules, and each alert does what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.contrib.prometheus.test_exposition import answer
from tests.contrib.prometheus.test_families import SERIES
from tests.support.prometheus import promtool
from tests.support.source import PACKAGE

pytestmark = pytest.mark.slow

FILES = PACKAGE / "contrib/prometheus/files"
ALERTS = FILES / "alerts.yml"


def test_text_has_no_fault_that_promtool_finds():
    text = answer().content.decode()
    assert promtool("check", "metrics", text=text) == ""


def test_rules_have_no_fault_that_promtool_finds():
    told = promtool("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS))
    assert "SUCCESS: 7 rules found" in told


def test_each_alert_fires_for_what_it_is_about_and_not_without_it(tmp_path):
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(Path(__file__).parent / "alerts_test.yml", tmp_path)
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml", directory=tmp_path)


def test_rules_ask_for_series_that_are_exported():
    names = re.findall(r"django_socket_status_(\w+)", ALERTS.read_text("utf-8"))
    assert names
    parts = {f"{it}_{part}" for it in SERIES for part in ("bucket", "count", "sum")}
    known = SERIES.keys() | parts
    assert not set(names) - known
