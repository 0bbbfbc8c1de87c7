"""What the host feels of a full report of 100,000 connections: the p99 of an echo.

A worker holds them, and echoes on its event loop; Redis is emptied, and the worker
reports everything again. The client of the echo is another process, this one. It talks
to a bystander in turn, a worker of a separate Redis that has nothing to report: what
both feel is the machine, which has two more processes at work.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks.options import Options
from benchmarks.redis_server import RedisServer, started
from benchmarks.results import Goal, Row
from django_socket_status.backends.redis import RedisBackend

__all__ = ["run"]

ADDED_GOAL = Goal(5.0, of="value")

#: Between two messages.
PAUSE_SECONDS = 0.001
#: Messages between two looks at whether the report is complete.
AT_ONCE = 50

SECONDS = 60.0

Times = list[tuple[float, float]]


class EchoClient:
    """Talks to the echo of a worker that it starts."""

    def __init__(self, server: RedisServer, count: int) -> None:
        command = [sys.executable, "-m", "benchmarks.echo_worker"]
        self._process = subprocess.Popen(
            [*command, server.socket_url, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Wait until the worker has reported, and connect."""
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline())
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def echo(self) -> float:
        """Return how long a message was on its way, there and back."""
        assert self._socket is not None
        began = time.perf_counter()
        self._socket.sendall(b"how are you?")
        if not self._socket.recv(100):
            raise RuntimeError("The worker is gone.")
        return time.perf_counter() - began

    def close(self) -> None:
        """End the worker."""
        if self._socket is not None:
            self._socket.close()
        self._process.communicate(timeout=SECONDS)


def run(options: Options) -> Iterator[Row]:
    """Compare the echo before, and during a full report."""
    count = options.size(100_000, 500)
    with started("redis_echo") as server, started("redis_echo") as other:
        if server is None or other is None:
            return
        with contextlib.ExitStack() as stack:
            worker, bystander = EchoClient(server, count), EchoClient(other, count)
            for client in (worker, bystander):
                stack.callback(client.close)
            for client in (worker, bystander):
                client.connect()
            backend = RedisBackend(url=server.socket_url)
            stack.callback(backend.close)
            rounds = [
                _round(server, backend, worker, bystander, options.size(3, 1))
                for _ in range(min(options.rounds, 7))
            ]
    yield from _rows(rounds, count)


def _round(
    server: RedisServer,
    backend: RedisBackend,
    worker: EchoClient,
    bystander: EchoClient,
    seconds: float,
) -> tuple[Times, Times, float]:
    """Return what was measured in peace, and during a full report; and its seconds."""
    before: Times = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before += _talk(worker, bystander)
    server.admin.flushall()
    during: Times = []
    began = time.monotonic()
    while not _is_complete(backend):
        during += _talk(worker, bystander)
        if time.monotonic() > began + SECONDS:
            raise RuntimeError("The worker does not report again.")
    return before, during, time.monotonic() - began


def _talk(worker: EchoClient, bystander: EchoClient) -> Times:
    times = []
    for _ in range(AT_ONCE):
        times.append((worker.echo(), bystander.echo()))
        time.sleep(PAUSE_SECONDS)
    return times


def _is_complete(backend: RedisBackend) -> bool:
    workers = backend.read().workers
    return bool(workers) and all(it.complete for it in workers)


def _rows(rounds: Sequence[tuple[Times, Times, float]], count: int) -> Iterator[Row]:
    setting = f"full report of {count:,}"
    for position, name in enumerate(("the worker", "a bystander")):
        peace = [_p99(before, position) for before, _, _ in rounds]
        busy = [_p99(during, position) for _, during, _ in rounds]
        added = [b - a for a, b in zip(peace, busy, strict=True)]
        for what, values in (("before", peace), ("during", busy), ("added", added)):
            is_judged = what == "added" and not position
            yield Row(
                benchmark="redis_echo",
                setting=f"{setting}, p99 of an echo, {what}",
                contestant=name,
                value=statistics.median(values),
                unit="ms",
                goal=ADDED_GOAL if is_judged else None,
            )
    yield Row(
        benchmark="redis_echo",
        setting=setting,
        contestant="until it is complete",
        value=statistics.median(took for _, _, took in rounds),
        unit="s",
    )


def _p99(times: Times, position: int) -> float:
    one = [it[position] * 1000 for it in times]
    return statistics.quantiles(one, n=100)[-1]
