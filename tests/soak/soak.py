"""Round after round: churn and faults, and then the answer against the truth."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import re
import time
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status
from tests.soak.crowd import Crowd
from tests.soak.faults import FAULTS, names_of
from tests.soak.listeners import Listener
from tests.soak.newcomers import Newcomers
from tests.soak.past import Past
from tests.soak.schedule import Planned, Round
from tests.soak.stores import STORES, Store
from tests.soak.truth import Truth, differences, pushed_otherwise
from tests.soak.workers import Worker
from tests.support.source import ROOT

HEARTBEAT_SECONDS = 0.2
LEASE_SECONDS = 1.0
TIMES = {"HEARTBEAT_SECONDS": HEARTBEAT_SECONDS, "LEASE_SECONDS": LEASE_SECONDS}
ACCESS = {"SUMMARY_ACCESS": "tests.soak.site.may_read"}

#: The last version before this one, below tests/previous.
PREVIOUS = "of-one-test/before-drain"
#: What it does not count yet, and leaves out where it adds up what dead workers did.
LATER_COUNTERS = ("durations_by_type", "report_failures")

#: For each connect of a round. Most of them lead to one, or follow one.
MOST_STEPS = 1000

#: After how many leases a new process has to be sure that all workers are gone.
IDLE_LEASES = 1.5

#: How often a reader reads during the faults.
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
    #: How many workers run the last version before this one: see tests/previous.
    previous: int = 0
    #: How many workers are killed or told to end at the least, however many connects.
    kills: int = 0
    first_round: int = 0
    round_connections: int = 1000
    round_faults: int = 4
    #: How long an answer may differ after a quiet point, before it is a difference.
    patience: float = 3.0
    #: A regular expression: which faults there are.
    only: str = ""


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
    #: Workers that were killed or told to end; those of the end of the soak included.
    kills: int = 0
    #: Seconds from each quiet point until the answer was right.
    settled: list[float] = dataclasses.field(default_factory=list)
    #: How often an answer was right, and then not.
    wobbles: int = 0
    compared: int = 0
    #: How often totals were read, and how often they began, the first time included.
    looks: int = 0
    epochs: int = 0
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
            given = {**self._store.settings(None), **TIMES}
            self._newcomers = Newcomers(given)
            await asyncio.to_thread(self._newcomers.prepare)
            with isolated_socket_status(**given):
                await self._run_with(self._store)
        self.result.seconds = time.monotonic() - began
        return self.result

    async def _run_with(self, store: Store) -> None:
        async with contextlib.AsyncExitStack() as stack:
            self._workers = await self._start_workers(stack, store)
            self._crowd = Crowd(self._workers)
            left_out = LATER_COUNTERS if self._plan.previous else ()
            self._past = Past(self._crowd.ledger, self._workers, store, left_out)
            self._listeners = [Listener(worker) for worker in self._workers]
            for run in (self._observe, *(it.run for it in self._listeners)):
                await stack.enter_async_context(during(run))
            try:
                await self._rounds()
            except DifferenceError as error:
                self.result.differences = error.args
            self.result.counts = self._crowd.counts
            self.result.looks, self.result.epochs = self._past.looks.counts
            self.result.connects = self._crowd.connects
            self.result.disconnects = self._crowd.disconnects
            self.result.kills = self._kills

    async def _start_workers(
        self, stack: contextlib.AsyncExitStack, store: Store
    ) -> Sequence[Worker]:
        code = previous_code(self._directory) if self._plan.previous else None
        workers = [
            Worker(
                self._directory / f"worker-{number}",
                {**store.settings(number), **TIMES, **ACCESS},
                code if number < self._plan.previous else None,
            )
            for number in range(self._plan.workers)
        ]
        for number, worker in enumerate(workers):
            await stack.enter_async_context(worker)
            is_old = worker.act("where").startswith(str(self._directory))
            assert is_old is (number < self._plan.previous)
        return workers

    @property
    def _kills(self) -> int:
        return sum(len(it.killed | it.stopped) for it in self._workers)

    # While it goes wrong.

    async def _rounds(self) -> None:
        plan, number = self._plan, self._plan.first_round
        names = [name for name in names_of(self._store) if re.search(plan.only, name)]
        while self._crowd.connects < plan.connections or self._kills < plan.kills:
            self.result.round = Round.planned(
                plan.seed,
                number,
                plan.round_connections,
                plan.round_faults,
                names,
            )
            self._past.expect(self.result.round)
            await self._churn(self.result.round)
            await self._compare()
            number += 1
        await self._crowd.leave()
        await self._compare()
        await self._idle()

    async def _churn(self, round_: Round) -> None:
        """Let clients connect and leave until all faults are repaired."""
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

    async def _observe(self) -> None:
        """Ask all the time, and get an answer or a refusal, and no error."""
        while True:
            self.result.answers[await asyncio.to_thread(answer)] += 1
            with contextlib.suppress(StatusUnavailableError):
                await asyncio.to_thread(self._past.looks.look)
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
        self._past.begin(Truth.of(self._crowd.visitors(), "", set()))

    async def _idle(self) -> None:
        """End every worker, let the leases end, and have a new process ask once."""
        for worker in self._workers:
            worker.kill()
        await asyncio.sleep(LEASE_SECONDS * IDLE_LEASES)
        await asyncio.to_thread(self._store.idle)
        truth = Truth.of((), self._store.coverage, set())
        if found := await asyncio.to_thread(self._newcomers.differences, truth):
            raise DifferenceError(*found)

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
        """Compare once, if no client left meanwhile."""
        visitors = self._crowd.visitors()
        pids = {worker.pid for worker in self._workers}
        truth = Truth.of(visitors, self._store.coverage, pids)
        ports = [worker.port for worker in self._workers]
        self.result.compared += 1
        return await asyncio.to_thread(self._found, truth, ports)

    def _found(self, truth: Truth, ports: Sequence[int]) -> Sequence[str]:
        found = [*differences(truth, ports), *self._store.flaws()]
        found += self._past.differences(truth)
        for worker in self._workers:
            found += worker.complaints()
            found += _events_of(worker, truth)
        for listener in self._listeners:
            found += pushed_otherwise(listener, truth)
        return found or self._newcomers.differences(truth)

    def _tell_progress(self, took: float) -> None:
        round_, crowd = self.result.round, self._crowd
        names = "; ".join(it.name for it in round_.faults) if round_ else ""
        self._tell(
            f"{crowd.connects:7} connects, {len(crowd.visitors()):3} open, "
            f"right after {took:5.2f} s: {names}"
        )


def previous_code(directory: Path) -> Path:
    """Unzip the last version before this one; return what holds its package."""
    (wheel,) = (ROOT / "tests/previous").glob(f"{PREVIOUS}/*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(directory / "previous")
    return directory / "previous"


@contextlib.asynccontextmanager
async def during(run: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run something that never ends until the block ends."""
    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _events_of(worker: Worker, truth: Truth) -> Iterator[str]:
    """Yield what the signals of a worker have told otherwise."""
    said, held = worker.act("events"), truth.by_pid[worker.pid]
    if said != {"open": held, "flaws": []}:
        yield f"signals of {worker.pid}: {said}, and {held} should be open"


def answer() -> str:
    """Ask as anybody does; return what kind of answer came."""
    try:
        summary: Any = SocketStatusService.get_socket_info_summary()
    except StatusUnavailableError:
        return "none"
    return "stale" if summary["stale"] else "good"
