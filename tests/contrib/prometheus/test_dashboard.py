"""The dashboard is what its script builds, and asks for what is exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contrib.prometheus.test_families import SERIES
from tests.support.prometheus import promtool
from tests.support.source import PACKAGE

pytestmark = pytest.mark.slow

FILE = PACKAGE / "contrib/prometheus/files/grafana-dashboard.json"
SHIPPED = json.loads(FILE.read_text("utf-8"))
#: What Grafana puts in the place of a variable.
VALUES = {"$job": "s.*", "$instance": "a|b", "$__rate_interval": "1m"}


def panels() -> Iterator[dict[str, Any]]:
    for panel in SHIPPED["panels"]:
        yield panel
        yield from panel.get("panels", ())


def expressions() -> list[str]:
    targets = [it for panel in panels() for it in panel.get("targets", ())]
    return [it["expr"] for it in targets]


def test_file_is_what_the_script_builds():
    # The SDK needs Python 3.11. The oldest Python imports this module as well.
    from tests.contrib.prometheus.dashboard import dashboard

    assert FILE.read_text("utf-8") == dashboard(), (
        "python -m tests.contrib.prometheus.dashboard"
    )


def test_promtool_parses_every_expression(tmp_path):
    rules = []
    for number, expression in enumerate(expressions()):
        for name, value in VALUES.items():
            expression = expression.replace(name, value)
        assert "$" not in expression
        rules.append({"record": f"panel:{number}", "expr": expression})
    file = tmp_path / "rules.yml"
    # JSON is YAML.
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules" in promtool("check", "rules", str(file))


def test_series_are_exported():
    named = re.findall(r"django_socket_status_(\w+)\{", " ".join(expressions()))
    histograms = {f"{it}_bucket" for it in SERIES}
    assert not set(named) - SERIES.keys() - histograms
    # All but the info metric are on some panel.
    shown = {it.removesuffix("_bucket") for it in named}
    assert SERIES.keys() - shown == {"info", "anonymous_connections"}


def test_first_row_is_open_and_the_others_are_collapsed():
    rows = [it for it in SHIPPED["panels"] if it["type"] == "row"]
    assert [it["collapsed"] for it in rows] == [False, True, True, True]


def test_panels_have_names_and_queries_that_are_told_apart():
    for panel in panels():
        names = [it["refId"] for it in panel.get("targets", ())]
        assert len(set(names)) == len(names), panel["title"]
    titles = [it["title"] for it in panels()]
    assert len(set(titles)) == len(titles)
