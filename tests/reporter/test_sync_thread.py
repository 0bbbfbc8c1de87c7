"""How long sync code waits for asgiref's one thread, and what that thread runs."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from channels.consumer import SyncConsumer
from channels.testing import ApplicationCommunicator

from django_socket_status.reporter.sync_thread import SyncThreadProbe, running_in
from django_socket_status.testing import Clock
from tests.support.asgi_driver import wait_until

pytestmark = pytest.mark.python

SLOW = 1.0


@pytest.fixture(autouse=True)
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Give asgiref a thread of the test's own, which has not started."""
    own = ThreadPoolExecutor(max_workers=1)
    monkeypatch.setattr(SyncToAsync, "single_thread_executor", own)
    yield own
    own.shutdown()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def probe(clock: Clock) -> SyncThreadProbe:
    return SyncThreadProbe(clock)


class Blocked:
    """A call that keeps the thread busy until the test lets it go."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()

    def sleep_until_released(self, secret: str = "") -> None:
        self.began.set()
        self.may_end.wait(30)


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    call = Blocked()
    yield call
    call.may_end.set()


def answered(executor: ThreadPoolExecutor) -> None:
    """Wait until the thread has run what was submitted so far."""
    executor.submit(lambda: None).result(60)


def test_thread_that_does_not_exist_is_not_started(executor, probe):
    probe.look(SLOW)
    assert probe.wait_seconds is None
    assert probe.queue is None
    assert not executor._threads


def test_idle_thread_makes_nobody_wait(executor, probe):
    answered(executor)
    for _ in range(2):
        probe.look(SLOW)
        answered(executor)
    assert probe.wait_seconds == 0.0
    assert probe.queue == 0


def test_wait_is_the_age_of_the_one_probe(executor, probe, clock, blocked):
    answered(executor)
    probe.look(SLOW)
    answered(executor)
    executor.submit(blocked.sleep_until_released)
    blocked.began.wait(60)
    probe.look(SLOW)
    for _ in range(5):
        executor.submit(int)
    clock.advance(0.75)
    probe.look(SLOW)
    assert probe.wait_seconds == 0.75
    # The probe itself is none of them.
    assert probe.queue == 5
    clock.advance(0.75)
    probe.look(SLOW)
    assert probe.wait_seconds == 1.5
    assert probe.queue == 5
    blocked.may_end.set()
    answered(executor)
    probe.look(SLOW)
    answered(executor)
    probe.look(SLOW)
    assert probe.wait_seconds == 0.0


def test_slow_call_is_logged_once_for_each_episode(
    executor, probe, clock, caplog, blocked
):
    answered(executor)
    for episode in (1, 2):
        call = Blocked()
        executor.submit(call.sleep_until_released)
        call.began.wait(60)
        for _ in range(4):
            probe.look(SLOW)
            clock.advance(0.6)
        assert len(caplog.records) == episode
        call.may_end.set()
        answered(executor)
        for _ in range(2):
            probe.look(SLOW)
            answered(executor)
    assert {it.levelno for it in caplog.records} == {logging.WARNING}
    assert "have waited 1.2 s" in caplog.text


def test_log_line_names_the_function_and_no_argument(
    executor, probe, clock, caplog, blocked
):
    async def use() -> None:
        call = asyncio.ensure_future(
            sync_to_async(blocked.sleep_until_released)("a secret")
        )
        await asyncio.to_thread(blocked.began.wait, 10)
        probe.look(SLOW)
        clock.advance(2)
        probe.look(SLOW)
        blocked.may_end.set()
        await call

    asyncio.run(use())
    # Python 3.10 does not know the name of the class.
    assert "sleep_until_released. Make that call shorter" in caplog.text
    assert "secret" not in caplog.text


async def test_function_is_named_while_the_wait_lasts(executor, probe, clock, blocked):
    call = asyncio.ensure_future(sync_to_async(blocked.sleep_until_released)())
    await asyncio.to_thread(blocked.began.wait, 60)
    probe.look(SLOW)
    assert probe.runs is None
    clock.advance(SLOW)
    probe.look(SLOW)
    assert probe.runs is not None
    assert probe.runs.endswith("sleep_until_released")
    blocked.may_end.set()
    await call
    await asyncio.to_thread(answered, executor)
    for _ in range(2):
        probe.look(SLOW)
        await asyncio.to_thread(answered, executor)
    assert probe.runs is None


async def test_name_of_a_function_is_bounded(executor, blocked):
    def run() -> None:
        blocked.sleep_until_released()

    run.__code__ = run.__code__.replace(co_name="x" * 9000)
    if hasattr(run.__code__, "co_qualname"):
        run.__code__ = run.__code__.replace(co_qualname="x" * 9000)
    call = asyncio.ensure_future(sync_to_async(run)())
    await asyncio.to_thread(blocked.began.wait, 60)
    found = running_in(next(iter(executor._threads)))
    blocked.may_end.set()
    await call
    assert found is not None
    assert len(found) == 256


def test_consumer_is_named_beside_channels_own_function(executor, blocked):
    class SlowConsumer(SyncConsumer):
        def slow_message(self, message: object) -> None:
            blocked.sleep_until_released()

    async def use() -> str | None:
        consumer = ApplicationCommunicator(SlowConsumer.as_asgi(), {"type": "slow"})
        await consumer.send_input({"type": "slow.message"})
        await asyncio.to_thread(blocked.began.wait, 10)
        found = running_in(next(iter(executor._threads)))
        blocked.may_end.set()
        await consumer.wait()
        return found

    found = asyncio.run(use())
    assert found is not None
    assert found.startswith("channels.consumer.")
    assert "dispatch, in " in found
    assert found.endswith("slow_message")


def test_thread_without_python_code_has_no_name(executor):
    answered(executor)
    assert running_in(next(iter(executor._threads))) is None
    assert running_in(None) is None


@pytest.mark.parametrize("missing", ["_threads", "_work_queue"])
def test_other_executor_is_not_measured(executor, probe, monkeypatch, missing):
    answered(executor)
    monkeypatch.delattr(executor, missing)
    probe.look(SLOW)
    assert probe.wait_seconds is None
    assert probe.queue is None
    monkeypatch.undo()


def test_other_asgiref_is_not_measured(executor, probe, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr(SyncToAsync, "single_thread_executor")
        probe.look(SLOW)
    assert probe.wait_seconds is None


def test_executor_that_was_shut_down_is_not_measured(executor, probe):
    answered(executor)
    probe.look(SLOW)
    executor.shutdown()
    probe.look(SLOW)
    assert probe.wait_seconds is None


def test_forked_child_has_no_such_thread(executor, probe):
    answered(executor)

    def look() -> bool:
        probe.look(SLOW)
        probe.look(SLOW)
        return probe.wait_seconds is None

    assert in_child(look)


def in_child(ask: Callable[[], bool]) -> bool:
    """Return whether a function is true in a forked child."""
    pid = os.fork()
    if not pid:
        os._exit(0 if ask() else 1)
    return os.waitpid(pid, 0)[1] == 0


def test_frame_of_the_project_is_not_kept(executor, blocked):
    """A frame refers to all local variables of its function."""

    class Local:
        pass

    references: list[weakref.ref[Local]] = []

    def run() -> None:
        local = Local()
        references.append(weakref.ref(local))
        blocked.sleep_until_released()

    call = executor.submit(run)
    blocked.began.wait(60)
    running_in(next(iter(executor._threads)))
    blocked.may_end.set()
    call.result(60)
    wait_until(lambda: references[0]() is None)
