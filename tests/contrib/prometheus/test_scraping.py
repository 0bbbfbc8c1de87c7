"""A real Prometheus scrapes two real workers, one of which is killed."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.servers.happened import LOST_SECONDS, store_of
from tests.servers.servers import Site, serving, wait_until
from tests.support.prometheus import Prometheus, running

pytestmark = [pytest.mark.server, pytest.mark.faults]

TOKEN = "k6zY2nQ0Vb8tXw4r"
METRICS = "/socket-status/metrics/"
SECONDS = 60
EXPECTED = {
    f"django_socket_status_{name}"
    for name in (
        "connections_opened_total",
        "connections_closed_total",
        "close_codes_total",
        "handshakes_total",
        "report_failures_total",
        "handshake_duration_seconds_bucket",
        "connection_duration_seconds_bucket",
    )
}
COUNTERS = '{__name__=~"django_socket_status_.*(_total|_count|_sum|_bucket)"}[1h]'


@pytest.fixture(autouse=True)
def socket_status() -> None:
    """Take the place of the suite's own: the processes that count are elsewhere."""


def job(name: str, path: str, *ports: int) -> dict[str, Any]:
    targets = [f"127.0.0.1:{port}" for port in ports]
    return {
        "job_name": name,
        "metrics_path": path,
        "authorization": {"credentials": TOKEN},
        "static_configs": [{"targets": targets}],
    }


@contextlib.contextmanager
def as_text(port: int) -> Iterator[int]:
    """Serve the metrics of a port as text, whatever a scraper accepts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            headers = {"Authorization": self.headers["Authorization"]}
            client.request("GET", self.path, headers=headers)
            response = client.getresponse()
            body = response.read()
            client.close()
            assert response.headers["Content-Type"].startswith("text/plain")
            # A scraper that waits no longer closes its connection.
            with contextlib.suppress(ConnectionError):
                self.answer(response, body)

        def answer(self, response: http.client.HTTPResponse, body: bytes) -> None:
            self.send_response(response.status)
            self.send_header("Content-Type", response.headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def two_workers(directory: Path) -> Iterator[tuple[Site, Site]]:
    """Serve the project twice, each by one process, with one store."""
    with store_of("sqlite", directory) as store:
        store |= {"METRICS_ACCESS": "token", "METRICS_TOKEN": TOKEN}
        with (
            serving("uvicorn-sansio", directory / "a", socket_status=store) as one,
            serving("uvicorn-sansio", directory / "b", socket_status=store) as other,
        ):
            yield one, other


def wait_for(prometheus: Prometheus, query: str, seconds: float = SECONDS) -> None:
    """Wait until a comparison is true of something."""
    wait_until(
        lambda: prometheus.values(query),
        seconds,
        lambda: prometheus.values(query.rpartition("=")[0].rstrip(" =>")),
    )


def verify_no_counter_fell(prometheus: Prometheus, name: str) -> None:
    query = COUNTERS.replace("{", f'{{job="{name}",')
    found = prometheus.samples(query)
    assert {labels[0] for labels in found} >= EXPECTED
    assert not [labels for labels, it in found.items() if it != sorted(it)]


def test_no_counter_falls_while_a_worker_is_killed(tmp_path):
    with two_workers(tmp_path) as (one, other), as_text(one.port) as text_port:
        jobs = [
            job("deployment", METRICS, one.port),
            job("text", METRICS, text_port),
            job("worker", f"{METRICS}worker/", one.port, other.port),
        ]
        with running(tmp_path / "prometheus", jobs) as prometheus:
            observe_a_kill(one, other, prometheus)
            for name in ("deployment", "text"):
                verify_no_counter_fell(prometheus, name)
                epochs = prometheus.samples(
                    f'django_socket_status_handshakes_created{{job="{name}"}}[1h]'
                )
                assert len({value for it in epochs.values() for value in it}) == 1
            rates = prometheus.values(
                "min(rate(django_socket_status_connections_opened_total[1h])) >= 0"
            )
            assert rates


def observe_a_kill(one: Site, other: Site, prometheus: Prometheus) -> None:
    """Open sockets on two workers, kill one of them, and open more."""
    opened = 'sum(django_socket_status_connections{job="%s"}) == %s'
    with contextlib.ExitStack() as stack:
        for number in range(3):
            stack.enter_context(one.open(f"async/{number}/"))
            stack.enter_context(other.open(f"async/x{number}/"))
        for site in (one, other):
            with site.open("async/short/"):
                pass
        for name in ("deployment", "text", "worker"):
            wait_for(prometheus, opened % (name, 6))
        other.process.kill()
        # What it held is counted by the worker that is left.
        lost = (
            "sum(django_socket_status_connections_closed_total"
            '{job="%s",cause="worker_lost"}) >= 3'
        )
        for name in ("deployment", "text"):
            wait_for(prometheus, lost % name, LOST_SECONDS)
            wait_for(prometheus, opened % (name, 3))
        stack.enter_context(one.open("async/later/"))
        # More, if the machine was so busy that a lease ended.
        total = 'sum(django_socket_status_connections_opened_total{job="%s"}) >= 9'
        for name in ("deployment", "text"):
            wait_for(prometheus, total % name)
        wait_for(prometheus, 'sum(up{job="worker"}) == 1')
