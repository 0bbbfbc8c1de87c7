"""Nothing that a test began happens in the next one."""

from __future__ import annotations

import asyncio
import threading
import unittest
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import SimpleTestCase

from django_socket_status import signals
from django_socket_status.backends import get_backend
from django_socket_status.concurrency.daemon_executor import DaemonExecutor
from django_socket_status.conf import get_settings
from django_socket_status.live import authorization
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.describe import describe
from django_socket_status.reporter.thread import reporter
from django_socket_status.status.reader import status_reader
from django_socket_status.testing import isolated_socket_status
from tests.support.asgi_driver import own_threads, wait_until
from tests.support.held_sockets import open_socket
from tests.support.scripted_backend import SCRIPTED, scripted

pytestmark = pytest.mark.python

SECONDS = 60.0
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


def is_reset(executor: DaemonExecutor) -> Callable[[], bool]:
    work = executor._work
    return lambda: executor._work is not work


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


@pytest.mark.parametrize("desk", [authorization._newcomers, authorization._listeners])
def test_question_about_a_listener_is_over(desk):
    straggler = Straggler(is_reset(desk._executor))
    leave(straggler, lambda pool: desk._executor.submit(straggler))


def test_report_is_over_however_long_it_takes():
    straggler = Straggler(lambda: reporter.sender.ending.is_set())

    def begin(pool: ThreadPoolExecutor) -> None:
        scripted().before_report = straggler
        open_socket()

    leave(straggler, begin)


def test_report_is_over_also_when_its_end_was_not_waited_for():
    straggler = Straggler(lambda: reporter.sender.ending.is_set())

    def begin(pool: ThreadPoolExecutor) -> None:
        scripted().before_report = straggler
        open_socket()
        assert straggler.arrived.wait(SECONDS)
        assert not reporter.stop(0)

    leave(straggler, begin)


def test_reporter_that_starts_again_ends_the_thread_that_was_there():
    with isolated_socket_status(BACKEND=SCRIPTED):
        open_socket()
        (thread,) = own_threads()
        reporter.reset()
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_isolation_waits_for_a_receiver_that_still_runs():
    events = reporter.sender._events
    straggler = Straggler(lambda: events._thread is None)
    signals.socket_opened.connect(straggler)
    try:
        leave(straggler, lambda pool: open_socket())
    finally:
        signals.socket_opened.disconnect(straggler)


def test_backend_that_hangs_is_given_up_on(monkeypatch):
    monkeypatch.setattr("django_socket_status.testing.isolation.SETTLE_SECONDS", 0.01)
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


# As a decorator.


def is_isolated() -> bool:
    """Return whether the status is that of an isolated test with these settings."""
    return get_settings().summary_access == "staff"


def assert_isolated() -> None:
    """Hold a socket that must leave no trace."""
    assert is_isolated()
    assert registry.drain(describe).opened == {}
    open_socket()


def assert_no_trace() -> None:
    assert not is_isolated()
    assert not registry.is_dirty
    assert registry.counts == {}
    assert not own_threads()


isolated = isolated_socket_status(SUMMARY_ACCESS="staff")


def test_decorated_function_is_isolated():
    @isolated
    def run(first: int, *, second: int) -> int:
        assert_isolated()
        return first + second

    for _ in range(2):
        assert run(1, second=2) == 3
        assert_no_trace()


async def test_decorated_coroutine_function_is_isolated():
    @isolated
    async def run(first: int, *, second: int) -> int:
        assert_isolated()
        await asyncio.sleep(0)
        assert is_isolated()
        return first + second

    assert asyncio.iscoroutinefunction(run)
    for _ in range(2):
        coroutine = run(1, second=2)
        assert not is_isolated()
        assert await coroutine == 3
        assert_no_trace()


async def test_coroutine_that_raises_ends_its_isolation():
    @isolated
    async def run() -> None:
        assert_isolated()
        raise ValueError("of the test")

    with pytest.raises(ValueError, match="of the test"):
        await run()
    assert_no_trace()


def test_decorated_generator_is_isolated_until_it_ends():
    @isolated
    def fixture() -> Iterator[int]:
        assert_isolated()
        yield 1
        assert is_isolated()

    items = fixture()
    assert next(items) == 1
    assert is_isolated()
    assert [*items] == []
    assert_no_trace()


async def test_decorated_asynchronous_generator_is_isolated_until_it_ends():
    @isolated
    async def fixture() -> AsyncIterator[int]:
        assert_isolated()
        yield 1
        assert is_isolated()

    items = fixture()
    assert await anext(items) == 1
    assert is_isolated()
    assert [item async for item in items] == []
    assert_no_trace()


@pytest.mark.parametrize(
    "base", [unittest.TestCase, unittest.IsolatedAsyncioTestCase, SimpleTestCase]
)
def test_each_test_of_a_decorated_class_is_isolated(base):
    @isolated
    class Tests(base):
        def test_one(self) -> None:
            assert_isolated()

        def test_two(self) -> None:
            assert_isolated()

        if base is not unittest.TestCase:

            async def test_three(self) -> None:
                assert_isolated()

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)
    assert result.failures == result.errors == []
    assert result.testsRun == (2 if base is unittest.TestCase else 3)
    assert_no_trace()


async def test_isolation_is_an_asynchronous_context_manager():
    async with isolated_socket_status(SUMMARY_ACCESS="staff"):
        assert_isolated()
    assert_no_trace()


def test_decorated_function_may_call_itself():
    @isolated
    def run(depth: int) -> None:
        assert_isolated()
        if depth:
            run(depth - 1)
        assert is_isolated()

    run(2)
    assert_no_trace()


def test_what_cannot_be_isolated_is_refused():
    """What runs after a plain function has returned, and a class without ``setUp``."""

    async def coroutine() -> None:
        """Never run."""

    def generator() -> Iterator[int]:
        yield 1

    for function in (coroutine, generator):
        with pytest.raises(TypeError, match="Decorate the async or generator function"):
            isolated(lambda function=function: function())()
        assert_no_trace()
    with pytest.raises(TypeError, match="TestCase"):
        isolated(type("TestNothing", (), {}))
