"""Builds the Grafana dashboard that the package ships.

``python -m tests.contrib.prometheus.dashboard`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import (
    common,
    prometheus,
    stat,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as built
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
)

from tests.support.source import PACKAGE

__all__ = ["FILE", "dashboard"]

FILE = PACKAGE / "contrib/prometheus/files/grafana-dashboard.json"

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
#: What each series is narrowed to.
ONLY = 'job=~"$job",instance=~"$instance"'
INTERVAL = "$__rate_interval"

Panel = Any


def series(name: str, labels: str = "") -> str:
    return f"django_socket_status_{name}{{{ONLY}{labels}}}"


def rate(name: str, by: str) -> str:
    return f"sum by ({by}) (rate({series(name)}[{INTERVAL}]))"


def quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', 'le')})"


def query(expression: str, legend: str, name: str = "A") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(name)


def number(title: str, expression: str) -> Panel:
    panel = stat.Panel().title(title).datasource(SOURCE).height(4).span(6)
    return panel.with_target(query(expression, ""))


def plot(
    title: str,
    *queries: tuple[str, str],
    unit: str = "short",
    span: int = 12,
    stacked: bool = False,
) -> Panel:
    panel = timeseries.Panel().title(title).datasource(SOURCE).height(8).span(span)
    panel = panel.unit(unit).min(0).draw_style(GraphDrawStyle.LINE).span_nulls(False)
    if stacked:
        normal = common.StackingConfig().mode(StackingMode.NORMAL)
        panel = panel.fill_opacity(20).stacking(normal)
    for name, (expression, legend) in zip("AB", queries, strict=False):
        panel = panel.with_target(query(expression, legend, name))
    return panel


def now() -> Sequence[Panel]:
    return (
        number("Open WebSockets", f"sum({series('connections')})"),
        number("Users", f"max({series('users')})"),
        number("Workers", f"sum({series('workers')})"),
        number("Stale", f"max({series('stale')})"),
        plot(
            "Open, by type",
            (f"sum by (type) ({series('connections')})", "{{type}}"),
            stacked=True,
        ),
        plot(
            "Opened and closed each second",
            (f"sum(rate({series('connections_opened_total')}[{INTERVAL}]))", "opened"),
            (f"sum(rate({series('connections_closed_total')}[{INTERVAL}]))", "closed"),
            unit="cps",
        ),
    )


def ends() -> Sequence[Panel]:
    return (
        plot(
            "Closed, by cause",
            (rate("connections_closed_total", "cause"), "{{cause}}"),
            unit="cps",
            stacked=True,
        ),
        plot(
            "Closed, by code",
            (rate("close_codes_total", "code"), "{{code}}"),
            unit="cps",
            stacked=True,
        ),
        plot(
            "How long they were open",
            (quantile(0.5, "connection_duration_seconds"), "median"),
            (quantile(0.95, "connection_duration_seconds"), "95 %"),
            unit="s",
            span=24,
        ),
    )


def handshakes() -> Sequence[Panel]:
    return (
        plot(
            "Handshakes, by result",
            (rate("handshakes_total", "result"), "{{result}}"),
            unit="cps",
            stacked=True,
        ),
        plot(
            "Until the accept",
            (quantile(0.5, "handshake_duration_seconds"), "median"),
            (quantile(0.95, "handshake_duration_seconds"), "95 %"),
            unit="s",
        ),
    )


def workers() -> Sequence[Panel]:
    return (
        plot(
            "Workers, by state",
            (f"sum by (state) ({series('workers')})", "{{state}}"),
            stacked=True,
        ),
        plot(
            "Slowest worker",
            (f"max({series('loop_lag_seconds')})", "event loop"),
            (f"max({series('sync_thread_wait_seconds')})", "thread of sync consumers"),
            unit="s",
        ),
        plot(
            "Age of the oldest report",
            (f"max({series('oldest_report_age_seconds')})", "age"),
            unit="s",
        ),
        plot(
            "Reports that failed",
            (f"sum(rate({series('report_failures_total')}[{INTERVAL}]))", "failed"),
            unit="cps",
        ),
    )


def variable(name: str, labels: str) -> built.QueryVariable:
    made = built.QueryVariable(name).label(name.capitalize()).datasource(SOURCE)
    made = made.query(f"label_values(django_socket_status_stale{labels}, {name})")
    refreshed = made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    return refreshed.include_all(True).multi(True)


def row(title: str, panels: Sequence[Panel]) -> built.Row:
    made = built.Row(title).collapsed(True)
    for panel in panels:
        made = made.with_panel(panel)
    return made


def dashboard() -> str:
    """Return the dashboard as JSON."""
    made = built.Dashboard("django-socket-status").uid("django-socket-status")
    made = made.tags(["django", "websocket"]).refresh("30s").time("now-6h", "now")
    made = made.tooltip(DashboardCursorSync.CROSSHAIR)
    source = built.DatasourceVariable("datasource").label("Data source")
    made = made.with_variable(source.type("prometheus"))
    made = made.with_variable(variable("job", ""))
    made = made.with_variable(variable("instance", '{job=~"$job"}'))
    made = made.with_row(built.Row("Now"))
    for panel in now():
        made = made.with_panel(panel)
    made = made.with_row(row("Why they close", ends()))
    made = made.with_row(row("Handshakes", handshakes()))
    made = made.with_row(row("How workers do", workers()))
    found = json.loads(JSONEncoder().encode(made.build()))
    return json.dumps(without_nulls(found), indent=2, sort_keys=True) + "\n"


def without_nulls(value: Any) -> Any:
    """Leave out what the SDK has no value for, and Grafana has a default for."""
    if isinstance(value, dict):
        return {key: without_nulls(it) for key, it in value.items() if it is not None}
    return [*map(without_nulls, value)] if isinstance(value, list) else value


if __name__ == "__main__":
    FILE.write_text(dashboard(), encoding="utf-8")
