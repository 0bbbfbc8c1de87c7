"""A backend and a plain model of it, driven by the same random reports."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_socket_status.backends.base import BaseBackend
from django_socket_status.records import ConnectionQuery, OpenedConnection, Report
from django_socket_status.testing import Clock, FakeWorker
from django_socket_status.testing.contract.harness import records_of
from tests.examples import as_many_as

LEASE_SECONDS = 5.0

types = st.sampled_from(["call", "chat", "stt_room"])
users = st.none() | st.sampled_from(["1", "2", "3", "O'Brien"])
labels = st.dictionaries(
    st.sampled_from(["room", "role"]), st.sampled_from(["a", "b"]), max_size=2
)
instants = st.integers(0, 5).map(lambda second: 1e9 + second)


@dataclasses.dataclass
class Known:
    """What the model knows of a worker: all that it holds, or the part it sent."""

    worker: FakeWorker
    held: dict[int, OpenedConnection]
    counts: dict[str, int]
    anonymous: int
    sequence: int
    ends_at: float
    complete: bool


class BackendMachine(RuleBasedStateMachine):
    """Workers report, lose reports, fall silent, say goodbye; time passes."""

    make_backend: Callable[[Clock], BaseBackend]

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.workers: list[FakeWorker] = []
        self.known: dict[str, Known] = {}
        self.started = 0

    @initialize()
    def start(self) -> None:
        self.backend = type(self).make_backend(self.clock)
        self.add_worker()

    def teardown(self) -> None:
        if hasattr(self, "backend"):
            self.backend.close()

    # What happens to the workers.

    @precondition(lambda self: len(self.workers) < 4)
    @rule()
    def add_worker(self) -> None:
        self.started += 1
        worker = FakeWorker(f"w{self.started}", lease_seconds=LEASE_SECONDS)
        self.workers.append(worker)

    @rule(data=st.data(), lost=st.sampled_from([False, False, False, True]))
    def change(self, data: st.DataObject, lost: bool) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        held = list(worker.connections.values())
        closed = [it for it in held if data.draw(st.booleans(), "close it?")]
        opened = [
            worker.open(
                data.draw(types),
                user=data.draw(users),
                labels=data.draw(labels),
                at=data.draw(instants),
            )
            for _ in range(data.draw(st.integers(0, 3)))
        ]
        altered = [
            connection._replace(labels=data.draw(labels))
            for connection in held
            if connection not in closed and data.draw(st.booleans(), "alter it?")
        ]
        report = worker.change(*opened, *altered, closed=closed)
        if not lost:
            self.deliver(worker, report)

    @rule(data=st.data())
    def report_in_full(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        self.deliver(worker, worker.full())

    @rule(data=st.data())
    def report_in_pieces(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        held = list(worker.connections.values())
        half = len(held) // 2
        self.deliver(worker, worker.full(held[:half], complete=False))
        if data.draw(st.booleans()):
            self.deliver(worker, worker.change(*held[half:]))

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        self.backend.goodbye(worker.worker.worker_id)
        self.known.pop(worker.worker.worker_id, None)

    # Binary fractions: an end of a lease is met exactly, too.
    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0, 4.75, 5.0, 6.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def close(self) -> None:
        """Have each worker report again after it, as locks may be lost."""
        self.backend.close()
        for worker in self.workers:
            self.deliver(worker, worker.full())

    def deliver(self, worker: FakeWorker, report: Report) -> None:
        worker_id = worker.worker.worker_id
        known = self.known.get(worker_id)
        taken = self.backend.report(report)
        if report.full:
            assert taken
            known = None
        elif known is None or known.sequence + 1 != report.sequence:
            assert not taken
            return
        elif not taken:
            assert self.clock.now >= known.ends_at
            del self.known[worker_id]
            return
        held = dict(known.held) if known is not None else {}
        for number in report.closed:
            held.pop(number, None)
        held.update({opened.number: opened for opened in report.opened})
        self.known[worker_id] = Known(
            worker=worker,
            held=held,
            counts=dict(report.counts),
            anonymous=report.anonymous,
            sequence=report.sequence,
            ends_at=self.clock.now + report.lease_seconds,
            complete=report.complete,
        )

    # What is to be seen of them.

    @property
    def live(self) -> dict[str, Known]:
        return {
            worker_id: known
            for worker_id, known in self.known.items()
            if self.clock.now < known.ends_at
        }

    @invariant()
    def answers_agree(self) -> None:
        if not hasattr(self, "backend"):
            return
        live = self.live
        snapshot = self.backend.read()
        assert {
            status.worker.worker_id: (status.counts, status.anonymous, status.complete)
            for status in snapshot.workers
        } == {
            worker_id: (known.counts, known.anonymous, known.complete)
            for worker_id, known in live.items()
        }
        present = {
            connection.user_id
            for known in live.values()
            for connection in known.held.values()
            if connection.user_id is not None
        }
        assert set(self.backend.online_user_ids()) == present
        assert snapshot.unique_users == len(present)
        for user in ("1", "O'Brien"):
            assert self.backend.is_online(user) == (user in present)

    @invariant()
    def lists_agree(self) -> None:
        if not hasattr(self, "backend"):
            return
        expected = {}
        for known in self.live.values():
            holder = FakeWorker(known.worker.worker.worker_id)
            holder.connections = known.held
            expected.update(records_of(holder))
        for query in (
            ConnectionQuery(),
            ConnectionQuery(type="call"),
            ConnectionQuery(user_id="1"),
            ConnectionQuery(labels={"room": "a"}),
        ):
            page = self.backend.get_connections(query)
            assert page.total == len(page)
            assert {it.connection_id: it for it in page} == {
                connection_id: record
                for connection_id, record in expected.items()
                if query.type in {None, record.type}
                and query.user_id in {None, record.user_id}
                and query.labels.items() <= record.labels.items()
            }


def run_model(make_backend: Callable[[Clock], BaseBackend], *, examples: int) -> None:
    """Compare a backend with the model under random histories."""

    class Machine(BackendMachine):
        pass

    Machine.make_backend = staticmethod(make_backend)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=as_many_as(examples),
            stateful_step_count=30,
            deadline=None,
            database=None,
        ),
    )
