"""Promtool accepts the text and the rules, and each alert does what it says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.contrib.prometheus.test_exposition import answer
from tests.contrib.prometheus.test_families import SERIES
from tests.support.prometheus import promtool
from tests.support.source import PACKAGE, ROOT

pytestmark = pytest.mark.slow

FILES = PACKAGE / "contrib/prometheus/files"
ALERTS = FILES / "alerts.yml"
GUIDE = (ROOT / "docs/how-to/prometheus.md").read_text("utf-8")


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


def test_guide_has_a_configuration_and_expressions_that_promtool_takes(tmp_path):
    token = tmp_path / "token"
    token.touch()
    (config,) = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.M | re.S)
    file = tmp_path / "prometheus.yml"
    file.write_text(config.replace("/etc/prometheus/socket-status.token", str(token)))
    assert "SUCCESS" in promtool("check", "config", str(file))
    (text,) = re.findall(r"^```text\n(.*?)^```$", GUIDE, re.M | re.S)
    rules = [
        {"record": f"line:{n}", "expr": it} for n, it in enumerate(text.split("\n"))
    ]
    file.write_text(json.dumps({"groups": [{"name": "guide", "rules": rules[:-1]}]}))
    assert "SUCCESS: 3 rules" in promtool("check", "rules", str(file))
