"""What OpenTelemetry collects from this process, and what a collector receives."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.core.exceptions import ImproperlyConfigured
from django.urls import path
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    PeriodicExportingMetricReader,
)

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.contrib.opentelemetry import observe
from django_socket_status.contrib.outcomes import ABNORMAL
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.reporter.worker import has_identity, this_worker
from django_socket_status.testing import isolated_socket_status
from tests.support.held_sockets import CallConsumer, close_socket, open_socket

pytestmark = pytest.mark.python

MEMORY = "django_socket_status.backends.memory.MemoryBackend"
WEBSOCKET = {"network.protocol.name": "websocket", "django_socket_status.type": "call"}


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with isolated_socket_status(BACKEND=MEMORY):
        monkeypatch.setattr(registry.intake, "wake", lambda: None)
        yield


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    observe(provider)
    yield reader
    provider.shutdown()


def collect(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Return the metrics of this package by name."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    scopes = [it for resource in data.resource_metrics for it in resource.scope_metrics]
    assert {it.scope.name for it in scopes} <= {"django_socket_status"}
    return {it.name: it for scope in scopes for it in scope.metrics}


def points(metric: Any) -> list[tuple[float, dict[str, str]]]:
    """Return the values that are not 0, without the process they are of."""
    found = []
    for point in metric.data.data_points:
        attributes = dict(point.attributes)
        assert attributes.pop("service.instance.id") == this_worker().worker_id
        if point.value:
            found.append((point.value, attributes))
    return found


def test_values_are_those_of_this_process(reader):
    open_socket(CallConsumer)
    close_socket(open_socket(CallConsumer))
    reporter.flush()
    found = collect(reader)
    assert points(found["django_socket_status.connections"]) == [(1, WEBSOCKET)]
    assert points(found["django_socket_status.connections.opened"]) == [(2, WEBSOCKET)]
    ((count, attributes),) = points(found["django_socket_status.connections.closed"])
    assert count == 1
    assert attributes == {
        **WEBSOCKET,
        "django_socket_status.cause": "app_returned",
    }
    ((count, attributes),) = points(found["django_socket_status.handshakes"])
    assert (count, attributes["django_socket_status.result"]) == (2, "accepted")
    assert "error.type" not in attributes


def test_counters_are_monotonic_and_connections_are_not(reader):
    open_socket(CallConsumer)
    reporter.flush()
    found = collect(reader)
    monotonic = {
        name: it.data.is_monotonic
        for name, it in found.items()
        if hasattr(it.data, "is_monotonic")
    }
    assert monotonic.pop("django_socket_status.connections") is False
    assert set(monotonic.values()) == {True}
    assert len(monotonic) == 4


def test_abnormal_causes_and_rejections_have_an_error_type(reader):
    open_socket(CallConsumer)
    reporter.flush()
    found = collect(reader)
    closed = found["django_socket_status.connections.closed"].data.data_points
    named = {it.attributes.get("error.type") for it in closed}
    assert named == {None, *ABNORMAL}
    handshakes = found["django_socket_status.handshakes"].data.data_points
    rejected = [it.attributes for it in handshakes if "error.type" in it.attributes]
    assert {it["django_socket_status.result"] for it in rejected} == {
        *("403", "4xx", "5xx", "gone", "error", "other")
    }


def test_route_is_that_of_a_type_with_one_route(reader, as_project):
    routes = [path("ws/call/<room>/", Call.as_asgi())]
    as_project(URLRouter(routes))
    assert routes_of(reader) == {"call": "/ws/call/<room>/"}
    routes.append(path("ws/call/", Call.as_asgi()))
    as_project(URLRouter(routes))
    assert routes_of(reader) == {"call": None}


class Call(SocketStatusMixin, AsyncWebsocketConsumer):
    """Has the type of the sockets that these tests hold."""


def routes_of(reader: InMemoryMetricReader) -> dict[Any, Any]:
    open_socket(CallConsumer)
    reporter.flush()
    metric = collect(reader)["django_socket_status.connections"]
    return {
        it.attributes["django_socket_status.type"]: it.attributes.get("http.route")
        for it in metric.data.data_points
    }


def test_no_user_and_no_deployment_is_exported(reader):
    open_socket(CallConsumer)
    reporter.flush()
    names = collect(reader).keys()
    assert not [it for it in names if "user" in it or "worker" in it]


def test_process_that_is_no_worker_exports_nothing_and_stays_none(reader):
    assert collect(reader) == {}
    assert not has_identity()


def test_times_are_seconds(reader):
    open_socket(CallConsumer)
    reporter.flush()
    reporter.condition._sync_thread.wait_seconds = 0.25
    metric = collect(reader)["django_socket_status.sync_thread.wait"]
    assert metric.unit == "s"
    assert points(metric) == [(0.25, {})]
    assert "django_socket_status.event_loop.lag" not in collect(reader)


def test_without_the_extra_the_error_names_it(monkeypatch):
    name = "django_socket_status.contrib.opentelemetry.instruments"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(ImproperlyConfigured, match=r"django-socket-status\[otel\]"):
        observe()


def test_collector_receives_the_values():
    received: list[ExportMetricsServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1/metrics"
        exporter = OTLPMetricExporter(endpoint=url, timeout=30)
        reader = PeriodicExportingMetricReader(exporter, float("inf"))
        provider = MeterProvider([reader], shutdown_on_exit=False)
        observe(provider)
        open_socket(CallConsumer)
        reporter.flush()
        provider.force_flush(30_000)
        provider.shutdown()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    metrics = [
        metric
        for request in received[:1]
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    (found,) = (it for it in metrics if it.name == "django_socket_status.connections")
    (point,) = found.sum.data_points
    assert point.as_int == 1
    told = {it.key: it.value.string_value for it in point.attributes}
    assert told == {**WEBSOCKET, "service.instance.id": this_worker().worker_id}
