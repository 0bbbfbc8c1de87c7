"""Listeners of live push: one for each worker, all the time, and floods of others."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.soak.client import TEXT, Client
from tests.soak.fault import spell
from tests.soak.stores import Store
from tests.soak.workers import Worker

PATH = "/ws/socket-status/"
SECONDS = 2.0
POLL_SECONDS = 0.1

#: How a worker closes when it had no time to check the access of a listener.
BUSY = "try again later"

#: Handshakes of a flood at a time.
FLOOD = 150


class Push(Client):
    """A connection that keeps the last summary that it was sent."""

    summary: Mapping[str, Any] | None = None

    def _take(self, kind: int, content: bytes) -> None:
        super()._take(kind, content)
        if kind == TEXT and (message := json.loads(content))["type"] == "summary":
            self.summary = message["summary"]


class Listener:
    """Always listens to a worker, and to those that replace it.

    Args:
        worker: The worker.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._push: Push | None = None
        self._flaws: list[str] = []

    @property
    def summary(self) -> Mapping[str, Any]:
        """Return what was pushed last, or what is wrong without a listener."""
        push = self._push
        if push is None or not push.is_open or push.summary is None:
            return {"error": "nothing is pushed"}
        return push.summary

    def flaws(self) -> Iterator[str]:
        """Yield how the listener was dropped though it may listen."""
        yield from self._flaws

    async def run(self) -> None:
        """Listen, and come back after each end."""
        while True:
            push = self._push = Push(PATH)
            if await push.connect(self.worker.port, SECONDS) == 101:
                await push.ended
            if push.summary is not None and push.reason == BUSY:
                self._flaws.append(f"a listener of {self.worker.port} was dropped")
            await asyncio.sleep(POLL_SECONDS)


async def flood(store: Store, workers: Sequence[Worker], rng: random.Random) -> None:
    """Come with cookies that no session has, each of which a worker looks up."""
    worker = rng.choice(workers)
    until = asyncio.get_running_loop().time() + spell(rng)
    while asyncio.get_running_loop().time() < until:
        cookies = [f"{rng.getrandbits(128):032x}" for _ in range(FLOOD)]
        await asyncio.gather(*(knock(worker, cookie) for cookie in cookies))


async def knock(worker: Worker, cookie: str) -> None:
    headers = f"Cookie: visitor={cookie}\r\nOrigin: http://127.0.0.1\r\n"
    client = Client(PATH, headers)
    await client.connect(worker.port, SECONDS)
    await asyncio.wait((client.ended,), timeout=SECONDS)
    client.reset()
