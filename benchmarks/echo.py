"""What tracking adds to an echo under a real server: whether it can be seen at all.

The server is a separate process, and reports the CPU time of the thread that its event
loop runs on. The base is the application in ten lines, and Channels as it is shipped.
There is no goal: what tracking adds is less than what two runs differ by.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from websockets.sync.client import ClientConnection, connect

from benchmarks.contestants import BARE, Base, bases, contestants
from benchmarks.options import Options
from benchmarks.results import Row
from benchmarks.rounds import Comparison, take_turns
from benchmarks.server import Server, served

__all__ = ["run"]

#: Short turns for each round.
TURNS = 10


def run(options: Options) -> Iterator[Row]:
    """Compare an echo on both bases."""
    with served("benchmarks.echo_site") as server:
        for base in bases():
            yield from _compare(base, server, options)


def _compare(base: Base, server: Server, options: Options) -> Iterator[Row]:
    competing = {it.name: it for it in contestants(base, "sqlite")}
    count = options.size(200, 5)
    with contextlib.ExitStack() as stack:

        def opened(path: str) -> ClientConnection:
            url = f"ws://127.0.0.1:{server.port}/ws/{path}/"
            return stack.enter_context(connect(url, compression=None, proxy=None))

        clock = opened("clock")
        measures = {
            name: functools.partial(
                _talk, opened(f"{base.name}/{number}"), clock, count
            )
            for number, name in enumerate(competing)
        }
        samples = take_turns(measures, options.rounds * options.size(TURNS, 1))
    comparison = Comparison(samples, BARE)
    for name in samples:
        lower, upper = comparison.spread(name)
        yield Row(
            benchmark="echo",
            setting=f"{base.name}, under uvicorn",
            contestant=name,
            value=comparison.added(name) / 1000,
            unit="µs added",
            ratio=1 + comparison.ratio(name),
            spread=(1 + lower, 1 + upper),
            to="bare",
        )


def _talk(connection: ClientConnection, clock: ClientConnection, count: int) -> float:
    """Return the nanoseconds that the server takes for one echo."""
    began = _ask(clock)
    for _ in range(count):
        _ask(connection)
    return (_ask(clock) - began) / count


def _ask(connection: ClientConnection) -> int:
    connection.send("1")
    return int(connection.recv())
