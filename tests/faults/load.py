"""A process that opens, uses and closes WebSockets, and how long it waits for each."""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import time
from multiprocessing.connection import Connection

from tests.servers.clients import RawClient

EVERY_SECONDS = 0.01

_spawning = multiprocessing.get_context("spawn")


@dataclasses.dataclass(slots=True)
class Waits:
    """Seconds, one for each time."""

    #: From the first packet to the end of the handshake.
    accepts: list[float] = dataclasses.field(default_factory=list)
    #: From a message to what comes back, on a socket that stays open.
    echoes: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Done:
    """How many sockets were opened, and closed by the client, from the start on."""

    opened: int = 0
    closed: int = 0


class Load:
    """Opens and closes sockets until it is stopped; used with ``with``.

    Args:
        port: Where the server listens.
        held: How many are open all the time. One more may be, at any time.
    """

    def __init__(self, port: int, held: int) -> None:
        self._commands, its_end = _spawning.Pipe()
        self._process = _spawning.Process(target=_run, args=(port, its_end))
        self._process.start()
        self.hold(held)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.send(("stop", 0))
        self._process.join()

    def hold(self, number: int) -> None:
        """Have another number of sockets open all the time."""
        self._ask("hold", number)
        self.held = number

    def take(self) -> Waits:
        """Return how long it waited since it was last asked."""
        waits = self._ask("take")
        assert isinstance(waits, Waits)
        return waits

    def done(self) -> Done:
        """Return what it did from the start on."""
        done = self._ask("done")
        assert isinstance(done, Done)
        return done

    def rest(self) -> None:
        """Have only those sockets open that are all the time."""
        self._ask("rest")

    def work(self) -> None:
        """Open and close others again."""
        self._ask("work")

    def _ask(self, do: str, number: int = 0) -> object:
        self._commands.send((do, number))
        assert self._commands.poll(30), "the sockets do not work"
        return self._commands.recv()


def _run(port: int, commands: Connection) -> None:
    held: list[RawClient] = []
    waits, done, rests = Waits(), Done(), False
    for number in itertools.count():
        if commands.poll(EVERY_SECONDS):
            do, wanted = commands.recv()
            match do:
                case "stop":
                    return
                case "hold":
                    done.opened += max(0, wanted - len(held))
                    _hold(held, port, wanted)
                case "rest" | "work":
                    rests = do == "rest"
            commands.send({"take": waits, "done": done}.get(do))
            if do == "take":
                waits = Waits()
        if held and not rests:
            _use(port, held[number % len(held)], waits)
            done.opened += 1
            done.closed += 1


def _hold(held: list[RawClient], port: int, number: int) -> None:
    while len(held) < number:
        held.append(RawClient(port, "/ws/async/held/"))
    while len(held) > number:
        held.pop().reset()


def _use(port: int, held: RawClient, waits: Waits) -> None:
    began = time.perf_counter()
    with RawClient(port, "/ws/async/short/") as client:
        waits.accepts.append(time.perf_counter() - began)
        client.close(1000)
    began = time.perf_counter()
    assert held.ask("echo") == "echo"
    waits.echoes.append(time.perf_counter() - began)
