"""Live push under a real server: what listeners cost, and how soon they are told.

Against a group of Channels consumers with the layer in memory, and against sockets that
say nothing. Servers are separate processes; their CPU time and memory count. Then
polling, against a view that does nothing, and a change in one process as a listener in
another hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from benchmarks.live_clients import Client, ask, open_clients
from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.rounds import take_turns
from benchmarks.server import Server, served

__all__ = ["run"]

LIVE, GROUP, SILENT = "live push", "Channels group", "silent"

#: Where each listens, and what to open and close so that there is a change to tell.
PATHS = {
    SILENT: ("/ws/silent/", "/ws/counted/"),
    LIVE: ("/ws/socket-status/", "/ws/counted/"),
    GROUP: ("/ws/group/", "/ws/announced/"),
}

CPU_GOAL = Goal(5.0, "value")
MEMORY_GOAL = Goal(30.0, "value")
POLL_GOAL = Goal(1.3)
DELAY_GOAL = Goal(1000.0, "value")

CHANGE_SECONDS = 1.0
SECONDS = 60.0

SITE = "benchmarks.live_site", "benchmarks.live_settings"


def run(options: Options) -> Iterator[Row]:
    """Measure listeners, polling, and the way from one worker to another."""
    with asyncio_loop() as loop, contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(served(*SITE)) for name in PATHS}
        yield from _listeners(loop, servers, options)
    with asyncio_loop() as loop, served(*SITE) as server:
        yield from _polling(loop, server, options)
    with asyncio_loop() as loop, served(*SITE) as here, served(*SITE) as there:
        yield from _distance(loop, here, there, options)


Await = Callable[[Coroutine[Any, Any, Any]], Any]


@contextlib.contextmanager
def asyncio_loop() -> Iterator[Await]:
    """Return what runs a coroutine on one event loop."""
    loop = asyncio.new_event_loop()
    try:
        yield loop.run_until_complete
    finally:
        loop.close()


def _listeners(
    loop: Await, servers: dict[str, Server], options: Options
) -> Iterator[Row]:
    count = options.size(1_000, 20)
    clients: dict[str, list[Client]] = {}
    held: dict[str, float] = {}
    for name, server in servers.items():
        listening, _ = PATHS[name]
        # The first ones load what all of them need.
        loop(_close(loop(open_clients(server.port, listening, 20))))
        before = server.memory()
        clients[name] = loop(open_clients(server.port, listening, count))
        if name == LIVE:
            loop(_told(clients[name], 1))
        held[name] = (server.memory() - before) / count / 1024

    windows = {
        name: functools.partial(
            _percent, loop, servers[name], name, clients[name], options.size(10, 1)
        )
        for name in PATHS
    }
    used = take_turns(windows, options.size(3, 1))
    medians = {name: statistics.median(samples) for name, samples in used.items()}
    for name in PATHS:
        yield Row(
            benchmark="live",
            setting=f"{count:,} listeners, a change each second",
            contestant=name,
            value=medians[name],
            unit="% of a core",
            ratio=medians[name] / medians[LIVE] if medians[LIVE] else None,
            to=LIVE,
            goal=CPU_GOAL if name == LIVE else None,
        )
    for name in PATHS:
        yield Row(
            benchmark="live",
            setting=f"memory of {count:,} listeners",
            contestant=name,
            value=held[name],
            unit="KiB each",
            goal=MEMORY_GOAL if name == LIVE else None,
        )


async def _close(clients: list[Client]) -> None:
    for client in clients:
        client.close()
    await asyncio.gather(*(client.closed for client in clients))


async def _told(clients: list[Client], messages: int) -> None:
    """Wait until every client has heard so many messages since the last time."""
    for client in clients:
        await asyncio.wait_for(client.has_heard(messages), SECONDS)


def _percent(
    loop: Await, server: Server, name: str, clients: list[Client], changes: int
) -> float:
    """Return the share of a core that a server uses for changes, one each second."""
    return float(loop(_change(server, name, clients, changes)))


async def _change(
    server: Server, name: str, clients: list[Client], changes: int
) -> float:
    _, changing = PATHS[name]
    for client in clients:
        client.heard = 0
    began_at, used = time.monotonic(), server.cpu_seconds()
    opened: list[Client] = []
    for number in range(changes * 2):
        due_at = began_at + number * CHANGE_SECONDS / 2
        await asyncio.sleep(max(0.0, due_at - time.monotonic()))
        if number % 2:
            continue
        if opened:
            await _close([opened.pop()])
        else:
            opened = await open_clients(server.port, changing, 1)
    took = time.monotonic() - began_at
    share = (server.cpu_seconds() - used) / took * 100
    if name != SILENT:
        await _told(clients, changes)
    if opened:
        await _close(opened)
    return share


def _polling(loop: Await, server: Server, options: Options) -> Iterator[Row]:
    count = options.size(2_000, 20)
    etag = loop(ask(server.port, "/socket-status/"))["etag"]
    paths = {"empty view": ("/empty/", ""), "304": ("/socket-status/", etag)}

    def poll(path: str, known: str) -> float:
        used = server.cpu_seconds()
        answer = loop(ask(server.port, path, etag=known, times=count))
        assert answer["status"] == ("304" if known else "200"), answer
        return (server.cpu_seconds() - used) / count

    measures = {name: functools.partial(poll, *args) for name, args in paths.items()}
    samples = take_turns(measures, options.size(min(options.rounds, 7), 1))
    medians = {name: statistics.median(values) for name, values in samples.items()}
    bare = samples["empty view"]
    for name, values in samples.items():
        ratios = [a / (b or a or 1) for a, b in zip(values, bare, strict=True)]
        yield Row(
            benchmark="live",
            setting="a poller, one request after another",
            contestant=name,
            value=medians[name] * 1e6,
            unit="µs",
            ratio=statistics.median(ratios),
            spread=(min(ratios), max(ratios)),
            to="empty view",
            goal=POLL_GOAL if name == "304" else None,
        )


def _distance(
    loop: Await, here: Server, there: Server, options: Options
) -> Iterator[Row]:
    delays = loop(_delays(here, there, options.size(100, 4)))
    for name, value in (
        ("median", statistics.median(delays)),
        ("p99", statistics.quantiles(delays, n=100)[-1]),
    ):
        yield Row(
            benchmark="live",
            setting=f"from one worker to another, {len(delays)} changes",
            contestant=name,
            value=value * 1000,
            unit="ms",
            goal=DELAY_GOAL if name == "p99" else None,
        )


async def _delays(here: Server, there: Server, changes: int) -> list[float]:
    (listener,) = await open_clients(there.port, PATHS[LIVE][0], 1)
    await listener.has_heard(1)
    delays = []
    opened: list[Client] = []
    for _ in range(changes):
        # At no moment of the ticker's in particular.
        await asyncio.sleep(random.uniform(0.0, 0.5))
        listener.heard = 0
        began_at = time.monotonic()
        if opened:
            opened.pop().close()
        else:
            opened = await open_clients(here.port, PATHS[LIVE][1], 1)
        await asyncio.wait_for(listener.has_heard(1), SECONDS)
        delays.append(time.monotonic() - began_at)
    await _close([listener, *opened])
    return delays
