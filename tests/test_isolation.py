"""Nothing that a test began happens in the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from django_socket_status import listening, signals
from django_socket_status.backends import get_backend
from django_socket_status.lanes import Lane
from django_socket_status.reporter import reporter
from django_socket_status.status import status_reader
from django_socket_status.testing import isolated_socket_status
from tests.asgi_driver import own_threads, wait_until
from tests.held_sockets import open_socket
from tests.scripted_backend import SCRIPTED, scripted

SECONDS = 10.0
#: How long a thread that is not waited for has to be late.
LATE_SECONDS = 0.2


class Straggler:
    """Goes on when a test is being left, and notes whether it was waited for."""

    def __init__(self, is_being_left: Callable[[], bool]) -> None:
        self._is_being_left = is_being_left
        self.arrived = threading.Event()
        self.left = threading.Event()
        self.late: list[bool] = []

    def __call__(self, *args: object, **kwargs: object) -> None:
        self.arrived.set()
        wait_until(self._is_being_left)
        self.late.append(self.left.wait(LATE_SECONDS))


@pytest.fixture(autouse=True)
def socket_status() -> Iterator[None]:
    """Each test here is left while something goes on."""
    yield


def is_reset(lane: Lane) -> Callable[[], bool]:
    work = lane._work
    return lambda: lane._work is not work


def leave(straggler: Straggler, begin: Callable[[ThreadPoolExecutor], Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with isolated_socket_status(BACKEND=SCRIPTED):
            begin(pool)
            assert straggler.arrived.wait(SECONDS)
        straggler.left.set()
    assert straggler.late == [False]
    assert not own_threads()


def test_read_is_over():
    straggler = Straggler(is_reset(status_reader._summaries))

    def begin(pool: ThreadPoolExecutor) -> None:
        scripted().before_read = straggler
        pool.submit(status_reader.read)

    leave(straggler, begin)


def test_read_that_waits_for_its_turn_is_over_and_met_the_backend_of_its_test():
    met: list[Any] = []
    straggler = Straggler(is_reset(status_reader._summaries))

    def begin(pool: ThreadPoolExecutor) -> None:
        met.append(get_backend())
        status_reader._summaries.submit(straggler)
        assert straggler.arrived.wait(SECONDS)
        status_reader._summaries.submit(lambda: met.append(get_backend()))

    leave(straggler, begin)
    before, during = met
    assert during is before


def test_question_is_over():
    straggler = Straggler(is_reset(status_reader._questions))

    def begin(pool: ThreadPoolExecutor) -> None:
        scripted().before_question = straggler
        pool.submit(status_reader.ask, lambda backend: backend.is_online("7"))

    leave(straggler, begin)


def test_question_about_a_listener_is_over():
    straggler = Straggler(is_reset(listening._desk._lane))
    leave(straggler, lambda pool: listening._desk._lane.submit(straggler))


def test_report_is_over_however_long_it_takes():
    straggler = Straggler(lambda: reporter._ending.is_set())

    def begin(pool: ThreadPoolExecutor) -> None:
        scripted().before_report = straggler
        open_socket()

    leave(straggler, begin)


def test_report_is_over_also_when_its_end_was_not_waited_for():
    straggler = Straggler(lambda: reporter._ending.is_set())

    def begin(pool: ThreadPoolExecutor) -> None:
        scripted().before_report = straggler
        open_socket()
        assert straggler.arrived.wait(SECONDS)
        assert not reporter.stop(0)

    leave(straggler, begin)


def test_reporter_that_starts_anew_ends_the_thread_that_was_there():
    with isolated_socket_status(BACKEND=SCRIPTED):
        open_socket()
        (thread,) = own_threads()
        reporter.reset()
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_what_a_receiver_is_being_told_it_has_been_told():
    events = reporter._events
    straggler = Straggler(lambda: events._thread is None)
    signals.socket_opened.connect(straggler)
    try:
        leave(straggler, lambda pool: open_socket())
    finally:
        signals.socket_opened.disconnect(straggler)


def test_backend_that_hangs_is_given_up_on(monkeypatch):
    monkeypatch.setattr("django_socket_status.testing.SETTLE_SECONDS", 0.01)
    entered, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        assert go_on.wait(SECONDS)

    with ThreadPoolExecutor(1) as pool:
        with isolated_socket_status(BACKEND=SCRIPTED):
            scripted().before_read = hang
            pool.submit(status_reader.read)
            assert entered.wait(SECONDS)
        assert own_threads()
        go_on.set()
