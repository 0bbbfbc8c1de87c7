"""Workers of one process that report to one backend, and a model of what they did."""

from __future__ import annotations

import collections
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from django_socket_status.activity.limits import SAMPLE_SECONDS
from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.activity.totals import Totals
from django_socket_status.backends.base import BaseBackend
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report, Worker
from django_socket_status.registry.lifecycle import (
    CLOSED,
    OPEN,
    REJECTED,
    LiveConnection,
)
from django_socket_status.registry.registry import Registry
from django_socket_status.reporter import activity, ended, exchange, sender
from django_socket_status.testing import Clock, FakeWorker
from tests.support.asgi_driver import CallConsumer

#: What a worker did, by name: ``opened``, ``rejected``, or a cause.
Deeds = collections.Counter[str]


class Simulated:
    """One worker: a registry with its sender, driven without a thread."""

    def __init__(self, number: int, clock: Clock) -> None:
        self.identity: Worker = FakeWorker(f"{number:016x}").worker
        self.registry = Registry()
        self.sender = sender.Sender(self.registry, clock=clock)
        self.held: list[LiveConnection] = []
        self.deeds: Deeds = Deeds()
        #: What it had done when it made totals, by their text; and in those that the
        #: store has taken for sure.
        self.carried: dict[str, Deeds] = {}
        self.answered: Deeds = Deeds()
        #: What it had done when the store was emptied.
        self.before: Deeds = Deeds()

    def open(self, number: int) -> None:
        for _ in range(number):
            connection = self._new(OPEN)
            self.registry.intake.opened(connection)
            self.held.append(connection)
        self.deeds["opened"] += number

    def close(self, number: int, chance: random.Random) -> None:
        for _ in range(min(number, len(self.held))):
            connection = self.held.pop(chance.randrange(len(self.held)))
            connection.ending = ("client", 2.0, {"code": 1001})
            connection.state = CLOSED
            self.registry.intake.closed(connection)
            self.deeds["client_closed"] += 1

    def reject(self, number: int) -> None:
        for _ in range(number):
            connection = self._new(REJECTED)
            connection.waiting = [connection]
            connection.ending = ("server", 2.0, {"type": "websocket.close"})
            self.registry.intake.closed(connection)
        self.deeds["rejected"] += number

    def _new(self, state: int) -> LiveConnection:
        connection = LiveConnection()
        connection.source, connection.scope = CallConsumer, {"path": "/ws/call/"}
        connection.overrides = connection.passes = None
        connection.opened_at, connection.counted_user = 1.0, 0.5
        connection.state, connection.number = state, 0
        return connection


class Network:
    """Loses requests and replies on their way to a backend."""

    def __init__(self) -> None:
        #: What is lost of each report: nothing, the request or the reply.
        self.loses: str | None = None
        #: Who reports.
        self.worker: Simulated | None = None

    def this_worker(self) -> Worker:
        assert self.worker is not None
        return self.worker.identity

    def exchange(self, backend: BaseBackend, report: Report) -> ReportAnswer:
        worker = self.worker
        assert worker is not None
        totals = None if report.activity is None else report.activity.totals
        if totals is not None:
            worker.carried.setdefault(totals.text, worker.deeds.copy())
        if self.loses == "request":
            raise BackendError("The request is lost.")
        answer = activity.hand_over(backend, report)
        if self.loses == "reply":
            raise BackendError("The reply is lost.")
        if totals is not None and answer == ReportAnswer(True, samples=answer.samples):
            worker.answered = worker.carried[totals.text]
        return answer


class Deployment:
    """Several workers, their backend, and what the totals have to be."""

    def __init__(
        self,
        clock: Clock,
        monkeypatch: pytest.MonkeyPatch,
        flush: Callable[[], None] | None,
    ) -> None:
        self.clock = clock
        self.network = Network()
        self.workers: list[Simulated] = []
        #: Of workers that are gone: what is in the totals at least, and at most.
        self.least, self.most = Deeds(), Deeds()
        self._flush = flush
        self._numbers = itertools.count(1)
        monkeypatch.setattr(exchange, "hand_over", self.network.exchange)
        for module in (sender, exchange, ended):
            monkeypatch.setattr(module, "this_worker", self.network.this_worker)

    def start(self) -> Simulated:
        worker = Simulated(next(self._numbers), self.clock)
        self.workers.append(worker)
        return worker

    def report(self, worker: Simulated, loses: str | None = None) -> bool:
        self.network.loses, self.network.worker = loses, worker
        is_sent = worker.sender.flush(can_sample=True)
        self.network.loses = None
        worker.sender.sample()
        return is_sent

    def kill(self, worker: Simulated) -> None:
        self.workers.remove(worker)
        self.least += worker.answered - worker.before
        self.most += worker.deeds - worker.before

    def stop(self, worker: Simulated, loses: str | None = None) -> None:
        self.workers.remove(worker)
        worker.deeds += Deeds(worker_stopped=len(worker.held))
        self.network.loses, self.network.worker = loses, worker
        worker.sender.ending.set()
        worker.sender.say_goodbye(1.0)
        self.network.loses = None
        self.least += worker.answered - worker.before
        self.most += worker.deeds - worker.before

    def empty(self) -> None:
        """Empty the store; every worker notices before it does anything else."""
        assert self._flush is not None
        self.settle()
        self._flush()
        self.least, self.most = Deeds(), Deeds()
        for worker in self.workers:
            worker.before = worker.deeds.copy()
            # What is open counts as opened in the new epoch.
            worker.before["opened"] -= len(worker.held)
        self.settle()

    def settle(self) -> None:
        """Let every worker report, until all that are gone are in the base."""
        # As rarely as a worker may that is not to be taken for lost.
        seconds = 0.8 * get_settings().lease_seconds
        for _ in range(int(4 * SAMPLE_SECONDS / seconds)):
            self.clock.advance(seconds)
            for worker in self.workers:
                self.report(worker)

    def expected(self) -> tuple[Deeds, Deeds]:
        """Return what is in the totals at least and at most, of what was done."""
        least, most = self.least.copy(), self.most.copy()
        for worker in self.workers:
            least += worker.deeds - worker.before
            most += worker.deeds - worker.before
        return least, most


def deeds_in(totals: Totals) -> Deeds:
    """Return what totals say, in the words of the model."""
    found = Deeds(opened=sum(totals.opened.values()))
    for causes in totals.closed.values():
        found.update(causes)
    for statuses in totals.rejected.values():
        found["rejected"] += sum(statuses.values())
    return found


def growing(totals: Totals) -> dict[Any, float]:
    """Return every counter of totals by its name."""
    found: dict[Any, float] = {("opened", *it): n for *it, n in totals.opened.items()}
    for name in ("closed", "rejected"):
        for kind, numbers in getattr(totals, name).items():
            found |= {(name, kind, key): number for key, number in numbers.items()}
    found |= {("code", code): number for code, number in totals.codes.items()}
    for histogram in ("durations", "accepts"):
        buckets = getattr(totals, histogram).buckets
        found |= {(histogram, place): it for place, it in enumerate(buckets)}
    return found
