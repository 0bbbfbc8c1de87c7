"""The clients of the soak, and what they know: who is connected, to what, as whom."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections import Counter
from collections.abc import Sequence

from tests.soak.client import Client
from tests.soak.ledger import Key, Ledger
from tests.soak.workers import Worker

#: Consumers of the project that is served, and how much of the crowd wants them. The
#: sync one is dear: it takes a turn on a thread.
KINDS = {"bare": 12, "async": 5, "copied": 2, "sync": 1}
TYPES = {
    "bare": "ws_bare",
    "async": "async_room",
    # Its scope is pickled and copied between two entry points.
    "copied": "async_room",
    "sync": "sync_room",
}

ROOMS = 20
USERS = 150

#: What a handshake is answered that the application rejects.
FORBIDDEN = 403

#: How a handshake that leads to nothing ends, and how often, in a hundred.
REJECTED, ABANDONED = 2, 2
#: Of a hundred who come, and of a hundred acts of a consumer that can be told.
ANONYMOUS, RELABELLED = 30, 10

#: How many calls the application may be short of the recursion limit.
LAST_CALLS = 20

#: Of a hundred acts, those of any client; the others are of the newest one.
RESTLESS = 4

#: The application closes near the recursion limit, as only some of them can.
DEEP = "deep"

#: How a connection ends, and how often.
ENDINGS = {
    "close": 40,
    "finish": 20,
    "reset": 20,
    "close 4001 enough": 14,
    "return": 4,
    "raise": 2,
    DEEP: 6,
}

#: The most clients that are about to connect.
PENDING = 48
#: How long a client waits for an answer: a worker may be frozen.
PATIENCE_SECONDS = 2.0
#: How long one waits who goes away before the answer.
ABANDON_SECONDS = 0.002
#: How long one keeps its place who was refused: no worker may be there for a while, and
#: a round has only so many steps.
REFUSED_SECONDS = 0.05

#: How long those who leave, and those who stay, wait to hear so when all is quiet.
REST_SECONDS = 30.0


@dataclasses.dataclass(eq=False)
class Visitor:
    """One connection, as its client knows it."""

    client: Client
    type: str
    user_id: str | None
    labels: dict[str, str]
    pid: int = 0

    @property
    def key(self) -> Key:
        """Return what a list says of it, but for labels that may come too late."""
        return self.type, self.user_id, self.labels["room"]


def arrival(rng: random.Random) -> tuple[Visitor, str]:
    """Return a new client, and the path that it connects to."""
    (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
    room = f"room-{rng.randrange(ROOMS)}"
    user_id = None
    if rng.randrange(100) >= ANONYMOUS:
        user_id = str(rng.randrange(USERS))
    query = "" if user_id is None else f"?user={user_id}"
    client = Client(f"/ws/{kind}/{room}/{query}")
    return Visitor(client, TYPES[kind], user_id, {"room": room})


class Crowd:
    """Clients that come and go.

    Args:
        workers: Where to.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._visitors: list[Visitor] = []
        self._leaving: set[Client] = set()
        self._pending: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(PENDING)
        #: What happened: connects, ends by how, handshakes without a connection.
        self.counts: Counter[str] = Counter()
        self.ledger = Ledger()

    @property
    def connects(self) -> int:
        return self.counts["connect"]

    @property
    def disconnects(self) -> int:
        return sum(n for what, n in self.counts.items() if what.startswith("end: "))

    def visitors(self) -> Sequence[Visitor]:
        """Return those who are connected."""
        return [it for it in self._visitors if it.client.is_open]

    # Coming and going.

    async def step(self, rng: random.Random, most: int) -> None:
        """Let a random client connect, leave, or get a message."""
        if len(self._visitors) < rng.randrange(most + 1):
            await self._come(rng)
        elif self._visitors:
            self._act(rng)
        # Connected clients receive, and pending ones go on.
        await asyncio.sleep(0)

    async def _come(self, rng: random.Random) -> None:
        visitor, worker = arrival(rng), rng.choice(self._workers)
        seconds = PATIENCE_SECONDS
        chance = rng.randrange(100)
        if chance < REJECTED:
            client = Client("/ws/async/nowhere/?reject")
            visitor = Visitor(client, TYPES["async"], None, {"room": "nowhere"})
        elif chance < REJECTED + ABANDONED:
            seconds = ABANDON_SECONDS
        await self._places.acquire()
        task = asyncio.create_task(self._connect(visitor, worker, seconds))
        self._pending.add(task)
        task.add_done_callback(self._connected)

    async def _connect(self, visitor: Visitor, worker: Worker, seconds: float) -> None:
        pid = worker.pid
        status = await visitor.client.connect(worker.port, seconds)
        if status == 101 and pid != worker.pid:
            # Another process took its place meanwhile: either may have accepted it.
            self.counts["handshake: of one of two workers"] += 1
            self.ledger.unanswered(visitor.key)
            visitor.client.reset()
            self._leave(visitor.client)
        elif status == 101:
            visitor.pid = pid
            self.counts["connect"] += 1
            self.ledger.opened(visitor.key, visitor.pid)
            self._visitors.append(visitor)
        else:
            self.counts[f"handshake: {status or 'no answer'}"] += 1
            # A server that ends answers by itself, with another status.
            if status == FORBIDDEN and pid == worker.pid:
                self.ledger.refused(pid)
            else:
                self.ledger.unanswered(visitor.key)
        if not status:
            await asyncio.sleep(REFUSED_SECONDS)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._pending.discard(task)
        self._places.release()

    def _act(self, rng: random.Random) -> None:
        at = self._whose_turn(rng)
        visitor = self._visitors[at]
        if visitor.type == TYPES["async"] and rng.randrange(100) < RELABELLED:
            visitor.client.say("label")
            visitor.labels |= {"told": "yes", "twice": "yes"}
            self.counts["label, on two threads"] += 1
            return
        # The order does not matter, and the last one is the cheapest to take out.
        self._visitors[at] = self._visitors[-1]
        self._visitors.pop()
        (ending,) = rng.choices(list(ENDINGS), list(ENDINGS.values()))
        if ending == DEEP and visitor.type != TYPES["async"]:
            ending = "raise"
        self._end(visitor, ending, rng.randrange(LAST_CALLS))

    def _whose_turn(self, rng: random.Random) -> int:
        """Return who acts: seldom one of those who were there first, and stay long."""
        count = len(self._visitors)
        first = 0 if rng.randrange(100) < RESTLESS else count // 2
        return rng.randrange(first, count)

    def _end(self, visitor: Visitor, ending: str, calls: int = 0) -> None:
        client = visitor.client
        if not client.is_open:
            # Its worker ended.
            ending = "by the server"
        elif ending == "close":
            client.close()
        elif ending == "finish":
            client.finish()
        elif ending == "reset":
            client.reset()
        elif ending == DEEP:
            client.say(f"{DEEP} {calls}")
        else:
            client.say(ending)
        self.counts[f"end: {ending}"] += 1
        is_unanswered = "told" in visitor.labels
        self.ledger.closed(visitor.key, visitor.pid, ending, unanswered=is_unanswered)
        self._leave(client)

    def _leave(self, client: Client) -> None:
        self._leaving.add(client)
        client.ended.add_done_callback(lambda _: self._leaving.discard(client))

    # Coming to rest.

    async def come_to_rest(self) -> None:
        """Wait until every client knows where it is.

        Each client that should leave has left, and each other one has its answer.
        """
        while self._pending:
            # An error in one of them is one of the soak's own.
            await asyncio.gather(*self._pending)
        for client in tuple(self._leaving):
            await asyncio.wait((client.ended,), timeout=REST_SECONDS)
            assert client.ended.done(), f"{client} was told to leave, and did not"
        asked = (it.client.ask("?there") for it in self._visitors)
        await asyncio.wait_for(asyncio.gather(*asked), REST_SECONDS)
        for visitor in tuple(self._visitors):
            if not visitor.client.is_open:
                self._visitors.remove(visitor)
                self._end(visitor, "by the server")

    async def leave(self) -> None:
        """Let everybody go."""
        for visitor in self._visitors:
            self._end(visitor, "close")
        self._visitors.clear()
        await self.come_to_rest()
