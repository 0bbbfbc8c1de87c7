"""Round after round: churn and faults, and then the answer against the truth."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status
from tests.soak.crowd import Crowd
from tests.soak.faults import FAULTS
from tests.soak.schedule import Planned, Round
from tests.soak.stores import STORES, Store
from tests.soak.truth import Truth, differences
from tests.soak.workers import Worker

HEARTBEAT_SECONDS = 0.2
LEASE_SECONDS = 1.0
TIMES = {"HEARTBEAT_SECONDS": HEARTBEAT_SECONDS, "LEASE_SECONDS": LEASE_SECONDS}

#: For each connect of a round. Most of them lead to one, or follow one.
MOST_STEPS = 1000

#: How often somebody asks while everything goes wrong.
OBSERVE_SECONDS = 0.1


class DifferenceError(Exception):
    """An answer differs from what the clients know, and stays so."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long a soak is, and what is in it."""

    seed: int
    backend: str = "redis"
    connections: int = 100_000
    workers: int = 4
    first_round: int = 0
    round_connections: int = 1000
    round_faults: int = 4
    #: How long an answer may differ after all is mended, before it is called different.
    patience: float = 3.0


@dataclasses.dataclass
class Result:
    """What was done, and what was found."""

    plan: Plan
    version: str = ""
    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    faults: Counter[str] = dataclasses.field(default_factory=Counter)
    #: What was answered while it went wrong.
    answers: Counter[str] = dataclasses.field(default_factory=Counter)
    connects: int = 0
    disconnects: int = 0
    #: Seconds from each quiet point until the answer was right.
    settled: list[float] = dataclasses.field(default_factory=list)
    #: How often an answer was right, and then not.
    wobbles: int = 0
    compared: int = 0
    seconds: float = 0.0
    round: Round | None = None
    differences: Sequence[str] = ()


class Soak:
    """One soak.

    Args:
        plan: What to do.
        directory: For the files of all processes.
        tell: Takes a line of progress.
    """

    def __init__(
        self, plan: Plan, directory: Path, tell: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._tell = tell
        self.result = Result(plan)

    async def run(self) -> Result:
        """Do it all; return what was found, a difference included."""
        began = time.monotonic()
        with STORES[self._plan.backend].opened(
            self._directory, self._plan.workers
        ) as self._store:
            self.result.version = self._store.version()
            with isolated_socket_status(**self._store.settings(None), **TIMES):
                await self._run_with(self._store)
        self.result.seconds = time.monotonic() - began
        return self.result

    async def _run_with(self, store: Store) -> None:
        async with contextlib.AsyncExitStack() as stack:
            self._workers = await self._start_workers(stack, store)
            self._crowd = Crowd(self._workers)
            await stack.enter_async_context(self._observed())
            try:
                await self._rounds()
            except DifferenceError as error:
                self.result.differences = error.args
            self.result.counts = self._crowd.counts
            self.result.connects = self._crowd.connects
            self.result.disconnects = self._crowd.disconnects

    async def _start_workers(
        self, stack: contextlib.AsyncExitStack, store: Store
    ) -> Sequence[Worker]:
        workers = [
            Worker(
                self._directory / f"worker-{number}",
                {**store.settings(number), **TIMES},
            )
            for number in range(self._plan.workers)
        ]
        for worker in workers:
            await stack.enter_async_context(worker)
        return workers

    # While it goes wrong.

    async def _rounds(self) -> None:
        plan, number = self._plan, self._plan.first_round
        while self._crowd.connects < plan.connections:
            self.result.round = Round.planned(
                plan.seed,
                number,
                plan.round_connections,
                plan.round_faults,
                list(FAULTS[plan.backend]),
            )
            await self._churn(self.result.round)
            await self._compare()
            number += 1
        await self._crowd.leave()
        await self._compare()

    async def _churn(self, round_: Round) -> None:
        """Let people come and go until all has gone wrong and is mended again."""
        rng, crowd = random.Random(round_.seed), self._crowd
        goal = crowd.connects + round_.connects
        planned = list(round_.faults)
        going_on: list[asyncio.Task[None]] = []
        for _ in range(MOST_STEPS * round_.connects):
            if crowd.connects >= goal and all(it.done() for it in going_on):
                break
            done = round_.connects - (goal - crowd.connects)
            while planned and planned[0].after <= done:
                going_on.append(asyncio.create_task(self._break(planned.pop(0))))
            await crowd.step(rng, round_.most_open)
        assert crowd.connects >= goal, crowd.counts
        await asyncio.gather(*going_on)

    async def _break(self, planned: Planned) -> None:
        fault = FAULTS[self._plan.backend][planned.name]
        await fault(self._store, self._workers, random.Random(planned.seed))
        self.result.faults[planned.name] += 1

    @contextlib.asynccontextmanager
    async def _observed(self) -> AsyncIterator[None]:
        """Have somebody ask all the time: an answer or a refusal, and no error."""
        observer = asyncio.create_task(self._observe())
        try:
            yield
        finally:
            observer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await observer

    async def _observe(self) -> None:
        while True:
            self.result.answers[await asyncio.to_thread(answer)] += 1
            await asyncio.sleep(OBSERVE_SECONDS)

    # When it is quiet.

    async def _compare(self) -> None:
        """See that every answer becomes the truth, and stays it."""
        await self._crowd.come_to_rest()
        began = time.monotonic()
        took = await self._until_right(began)
        while not await self._stays_right():
            # A machine that is busy with something else freezes who it likes.
            self.result.wobbles += 1
            took = await self._until_right(began)
        self.result.settled.append(took)
        self._tell_progress(took)

    async def _until_right(self, began: float) -> float:
        """Return after how many seconds every answer is the truth."""
        found: Sequence[str] = ["It is right, and then not, and so on."]
        while time.monotonic() < began + self._plan.patience:
            found = await self._differences()
            if not found:
                return time.monotonic() - began
            await asyncio.sleep(HEARTBEAT_SECONDS / 4)
        raise DifferenceError(*found)

    async def _stays_right(self) -> bool:
        """Return whether it is right two heartbeats later."""
        await asyncio.sleep(HEARTBEAT_SECONDS * 2)
        return not await self._differences()

    async def _differences(self) -> Sequence[str]:
        """Compare once, when nobody has left meanwhile."""
        visitors = self._crowd.visitors()
        pids = {worker.pid for worker in self._workers}
        truth = Truth.of(visitors, self._store.coverage, pids)
        ports = [worker.port for worker in self._workers]
        self.result.compared += 1
        return await asyncio.to_thread(self._found, truth, ports)

    def _found(self, truth: Truth, ports: Sequence[int]) -> Sequence[str]:
        complaints = (it for worker in self._workers for it in worker.complaints())
        return [*differences(truth, ports), *self._store.flaws(), *complaints]

    def _tell_progress(self, took: float) -> None:
        round_, crowd = self.result.round, self._crowd
        names = "; ".join(it.name for it in round_.faults) if round_ else ""
        self._tell(
            f"{crowd.connects:7} connects, {len(crowd.visitors()):3} open, "
            f"right after {took:5.2f} s: {names}"
        )


def answer() -> str:
    """Ask as anybody does; return what kind of answer came."""
    try:
        summary: Any = SocketStatusService.get_socket_info_summary()
    except StatusUnavailableError:
        return "none"
    return "stale" if summary["stale"] else "good"
