"""How soon a disconnect is acknowledged, how fast it closes, and what an echo feels.

The caller is another process than the workers, as in a deployment; it holds the clients
as well, and shares two cores with the workers. Settings are the default ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.drain import allow_files
from benchmarks.live_clients import Client, open_clients
from benchmarks.options import Options
from benchmarks.redis_server import REDIS, started
from benchmarks.results import Goal, Row
from benchmarks.server import Server, served
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.control.results import DisconnectResult
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status

__all__ = ["run"]

SITE = "benchmarks.live_site", "benchmarks.live_settings"
PATH, OTHER_PATH = "/ws/counted/", "/ws/echo/"
#: What PATH is counted as.
TYPE = "counted"

MATCHES = 100
#: The promises.
ACKNOWLEDGED = Goal(1.5, "value")
MANY = Goal(8.0, "value")
#: Seconds for each close: 2,000 in a second.
EACH = Goal(0.5, "value")
ECHO = Goal(5.0, "value")

#: The longest that everything is waited for.
SECONDS = 60.0
#: Between two echoes.
ECHO_SECONDS = 0.005


def run(options: Options) -> Iterator[Row]:
    """Measure one disconnect after the other."""
    many = options.sockets or options.size(10_000, 60)
    allow_files(2 * many + 200)
    directory = Path(os.environ["BENCHMARKS_DIRECTORY"])
    sqlite = {"BACKEND": SQLITE_BACKEND, "OPTIONS": {"path": str(directory / "s")}}
    with _sharing(sqlite), _two_workers() as both:
        yield from _acknowledged(both, "sqlite", options)
        yield from _many(both[:1], many, "sqlite")
        yield from _many(both, many, "sqlite")
        yield from _echo(both[0], many, options)
    with started("disconnect") as redis:
        if redis is not None:
            shared = {"BACKEND": REDIS, "OPTIONS": {"url": redis.url}}
            with _sharing(shared), _two_workers() as both:
                yield from _acknowledged(both, "redis", options)
                yield from _many(both, many, "redis")


@contextlib.contextmanager
def _sharing(socket_status: dict[str, Any]) -> Iterator[None]:
    """Let this process and its servers share a store."""
    os.environ["BENCHMARKS_SOCKET_STATUS"] = json.dumps(socket_status)
    try:
        with isolated_socket_status(**socket_status):
            yield
    finally:
        del os.environ["BENCHMARKS_SOCKET_STATUS"]


@contextlib.contextmanager
def _two_workers() -> Iterator[Sequence[Server]]:
    with served(*SITE) as one, served(*SITE) as two:
        yield one, two


def _acknowledged(
    workers: Sequence[Server], store: str, options: Options
) -> Iterator[Row]:
    """Disconnect again and again, at any moment of a heartbeat."""
    times = options.size(100, 2)
    for matches in (1, MATCHES)[options.quick :]:
        took = asyncio.run(_take_times(workers, matches, times))
        setting = f"{matches} matches on two workers, {store}, {times} times"
        yield _row(setting, "acknowledged, p99", _p99(took), "s", ACKNOWLEDGED)
        yield _row(setting, "acknowledged, median", statistics.median(took), "s")


async def _take_times(
    workers: Sequence[Server], matches: int, times: int
) -> list[float]:
    chance = random.Random(1)
    # So that both are workers if there is one match.
    others = await _open(workers, OTHER_PATH, 2)
    took = []
    for _ in range(times):
        clients = await _open(workers, PATH, matches)
        await _is_settled(2 + matches)
        await asyncio.sleep(chance.random())
        result, seconds = await _disconnect()
        assert (result.matched, result.complete) == (matches, True), result
        await asyncio.gather(*(it.closed for it in clients))
        took.append(seconds)
    await _close(others)
    return took


def _many(servers: Sequence[Server], count: int, store: str) -> Iterator[Row]:
    """Disconnect very many at once, and spare others."""
    workers = len(servers)
    setting = f"{count:,} matches on {workers} of two workers, {store}"
    result, seconds, used, closed_at = asyncio.run(_close_many(servers, count))
    assert (result.matched, result.complete) == (count, True), result
    yield _row(setting, "acknowledged", seconds, "s", MANY if workers == 1 else None)
    milliseconds = 1e3 * (max(closed_at) - min(closed_at)) / len(closed_at)
    goal = EACH if workers == 1 else None
    yield _row(setting, "from close to close", milliseconds, "ms", goal)
    # Says more than the row above if the machine is busy.
    yield _row(setting, "CPU time of a close", 1e3 * used / count, "ms", goal)


async def _close_many(
    servers: Sequence[Server], count: int
) -> tuple[DisconnectResult, float, float, list[float]]:
    spared = await _open(servers, OTHER_PATH, 100)
    clients = await _open(servers, PATH, count)
    await _is_settled(count + len(spared))
    before = sum(it.cpu_seconds() for it in servers)
    result, seconds = await _disconnect()
    await asyncio.wait_for(asyncio.gather(*(it.closed for it in clients)), SECONDS)
    used = sum(it.cpu_seconds() for it in servers) - before
    await _is_settled(len(spared))
    assert not any(it.closed.done() for it in spared)
    await _close(spared)
    return result, seconds, used, [it.closed_at for it in clients if it.closed_at]


def _echo(server: Server, count: int, options: Options) -> Iterator[Row]:
    """Let one connection that stays open send echoes, from another process."""
    setting = f"an echo while {count:,} others close on its worker"
    quiet = options.size(5.0, 0.3)
    stop = Path(os.environ["BENCHMARKS_DIRECTORY"], "stop")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        before, during = asyncio.run(_echoes(server, count, quiet, pool, stop))
    yield _row(setting, "p99 before", _p99(before), "ms")
    yield _row(setting, "p99 meanwhile", _p99(during), "ms")
    yield _row(setting, "p99 more", _p99(during) - _p99(before), "ms", ECHO)


async def _echoes(
    server: Server,
    count: int,
    quiet: float,
    pool: ProcessPoolExecutor,
    stop: Path,
) -> tuple[list[float], list[float]]:
    clients = await _open([server], PATH, count)
    await _is_settled(count)
    asked = asyncio.get_running_loop().run_in_executor(
        pool, measured_echoes, server.port, str(stop)
    )
    await _is_settled(count + 1)
    await asyncio.sleep(quiet)
    began = time.time()
    await _disconnect()
    await asyncio.gather(*(it.closed for it in clients))
    ended = time.time()
    stop.touch()  # noqa: ASYNC240 - nothing else is to be done
    echoes = await asked
    return (
        [took for at, took in echoes if began - quiet < at < began],
        [took for at, took in echoes if began < at < ended],
    )


def measured_echoes(port: int, stop: str) -> list[tuple[float, float]]:
    """Return when each echo was sent, and its milliseconds. In another process."""
    from websockets.sync.client import connect

    found = []
    url = f"ws://127.0.0.1:{port}{OTHER_PATH}"
    with connect(url, compression=None, proxy=None) as client:
        while not os.path.exists(stop):
            at, began = time.time(), time.perf_counter()
            client.send("1")
            client.recv(SECONDS)
            found.append((at, 1e3 * (time.perf_counter() - began)))
            time.sleep(ECHO_SECONDS)
    return found


async def _open(servers: Sequence[Server], path: str, count: int) -> list[Client]:
    clients: list[Client] = []
    for place, server in enumerate(servers):
        share = count // len(servers) + (place < count % len(servers))
        clients += await open_clients(server.port, path, share)
    return clients


async def _close(clients: Sequence[Client]) -> None:
    """Close clients: without a close frame, servers count them for up to 40 seconds."""
    for client in clients:
        client.close()
    await asyncio.gather(*(it.closed for it in clients))


async def _is_settled(sockets: int) -> None:
    """Wait until the store has so many sockets."""
    until = time.monotonic() + SECONDS
    while True:
        # On a busy machine, a read may take longer than a reader waits.
        with contextlib.suppress(StatusUnavailableError):
            summary = await SocketStatusService.aget_socket_info_summary()
            if summary["total_sockets"] == sockets:
                return
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def _disconnect() -> tuple[DisconnectResult, float]:
    """Return the result, and the seconds until it was there."""
    began = time.perf_counter()
    result = await SocketStatusService.adisconnect(type=TYPE, wait_seconds=SECONDS)
    return result, time.perf_counter() - began


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[-1]


def _row(
    setting: str, contestant: str, value: float, unit: str, goal: Goal | None = None
) -> Row:
    return Row(
        benchmark="disconnect",
        setting=setting,
        contestant=contestant,
        value=value,
        unit=unit,
        goal=goal,
    )
