"""What a worker tells a backend of its end, and what it does when asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_socket_status.activity.stored import Activity, ReportAnswer
from django_socket_status.activity.totals import Totals
from django_socket_status.backends import get_backend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.sender import Sender
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import Clock, isolated_socket_status
from tests.support.asgi_driver import Socket


class Recording(MemoryBackend):
    """Answers what a test wants, after it has taken the report."""

    def __init__(self, **given: Callable[[], float]) -> None:
        super().__init__(**given)
        self.reports: list[Report] = []
        self.answers: list[ReportAnswer | None] = []

    def exchange(self, report: Report) -> ReportAnswer:
        self.reports.append(report)
        answer = super().exchange(report)
        if self.answers and (other := self.answers.pop(0)) is not None:
            return other
        return answer

    def activities(self) -> list[Activity]:
        return [it.activity for it in self.reports if it.activity is not None]


@pytest.fixture
def sender(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    clock = Clock()
    options = {"clock": clock}
    with isolated_socket_status(BACKEND=f"{__name__}.Recording", OPTIONS=options):
        sender = Sender(registry, clock=clock)
        sender.clock = clock
        yield sender


@pytest.fixture
def backend(sender) -> Recording:
    found = get_backend()
    assert isinstance(found, Recording)
    return found


def test_goodbye_that_is_interrupted_keeps_no_other_thread_waiting(
    sender, backend, monkeypatch
):
    def interrupt(report: Report) -> ReportAnswer:
        raise KeyboardInterrupt

    Socket().open()
    assert sender.flush()
    monkeypatch.setattr(backend, "exchange", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sender.say_goodbye(1)
    with ThreadPoolExecutor(1) as another:
        assert another.submit(sender.own_snapshot, 0).result() is not None


def stop(sender: Sender) -> None:
    sender.ending.set()
    sender.say_goodbye(1.0)


def test_goodbye_closes_what_is_open_and_forgets_the_worker(sender, backend):
    Socket(user="1").open()
    sender.flush()
    Socket().open().close()
    Socket().close()
    stop(sender)
    assert backend.read().workers == ()
    last = backend.activities()[-1]
    assert last.stops
    totals = SocketStatusService.get_totals()
    assert totals.opened == {"call": 2}
    assert totals.closed == {"call": {"worker_stopped": 1, "server_closed": 1}}
    assert totals.rejected == {"call": {"403": 1}}
    listed = SocketStatusService.get_connections(state="closed")
    assert {it.cause for it in listed} == {"worker_stopped", "server_closed"}
    assert len(SocketStatusService.get_connections(state="rejected").connections) == 1


def test_goodbye_after_a_lost_reply_still_brings_the_last_counters(sender, backend):
    Socket().open()
    sender.flush()
    first = Socket().open()

    def lose(report: Report) -> ReportAnswer:
        Recording.exchange(backend, report)
        raise BackendError("The reply is lost.")

    backend.exchange = lose  # type: ignore[method-assign]
    logging.getLogger("django_socket_status").setLevel(logging.CRITICAL)
    assert not sender.flush()
    logging.getLogger("django_socket_status").setLevel(logging.NOTSET)
    del backend.exchange
    first.close()
    stop(sender)
    totals = SocketStatusService.get_totals()
    assert totals.opened == {"call": 2}
    assert totals.closed == {"call": {"worker_stopped": 1, "server_closed": 1}}


@pytest.mark.parametrize("answer", [{"folded": 1}, {"is_forgotten": True}])
def test_goodbye_is_said_again_in_the_next_count(sender, backend, answer):
    Socket().open()
    sender.flush()
    backend.answers = [ReportAnswer(is_taken=True, **answer)]
    stop(sender)
    numbers = [it.totals.count_number for it in backend.activities() if it.stops]
    assert numbers == [1, 2]


def test_worker_that_only_rejected_reports_it(sender, backend):
    Socket().close()
    sender.flush()
    assert backend.read().workers[0].counts == {}
    assert SocketStatusService.get_totals().rejected == {"call": {"403": 1}}


def test_unchanged_counters_are_not_sent(sender, backend):
    Socket().open()
    sender.flush()
    del backend.reports[:]
    for _ in range(3):
        sender.clock.advance(1.5)
        sender.flush()
    assert len(backend.reports) == 3
    assert all(it.totals is None for it in backend.activities())


def test_sample_is_taken_by_the_thread_that_offers_it(sender, backend):
    Socket().open()
    sender.flush()
    sender.sample()
    assert backend.read_totals().carry == ""
    sender.clock.advance(1.5)
    sender.flush(can_sample=True)
    sender.sample()
    assert backend.read_totals().carry


def test_backend_that_was_replaced_during_a_sample_is_closed(sender, backend, settings):
    closed = []

    def read():
        settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.Recording"}
        backend.close = lambda: closed.append(True)
        return MemoryBackend.read(backend)

    Socket().open()
    sender.flush(can_sample=True)
    backend.read = read
    sender.sample()
    assert closed == [True]


def test_another_backend_gets_a_count_of_its_own(sender, backend, monkeypatch):
    Socket().open().close()
    Socket().open()
    sender.flush()
    other = Recording(clock=sender.clock)
    monkeypatch.setattr(
        "django_socket_status.reporter.sender.get_backend", lambda: other
    )
    sender.flush()
    stored = other.read_totals()
    assert stored is not None
    (count,) = stored.counts
    assert count.count_number == 2
    assert Totals.from_text(count.text).opened == {"call": 1}
