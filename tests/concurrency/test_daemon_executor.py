from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from django_socket_status.concurrency.daemon_executor import (
    CallTimeoutError,
    DaemonExecutor,
    QueueFullError,
    aresult,
    result,
)
from tests.support.asgi_driver import wait_until
from tests.support.scripted_backend import Gate

pytestmark = pytest.mark.python

SECONDS = 60


def test_calls_are_done_in_order_on_one_thread_of_their_own():
    executor = DaemonExecutor("executor", 10)
    calls = [
        executor.submit(lambda number=number: (number, threading.get_ident()))
        for number in range(5)
    ]
    results = [result(call, SECONDS) for call in calls]
    assert [number for number, _ in results] == [*range(5)]
    assert len({thread for _, thread in results}) == 1
    assert results[0][1] != threading.get_ident()


def test_exception_of_a_call_reaches_its_caller_alone():
    executor = DaemonExecutor("executor", 10)
    error = RuntimeError("mine")

    def fail() -> None:
        raise error

    failed, fine = executor.submit(fail), executor.submit(lambda: "fine")
    with pytest.raises(RuntimeError) as caught:
        result(failed, SECONDS)
    assert caught.value is error
    assert result(fine, SECONDS) == "fine"


def test_cancelled_call_is_not_run():
    executor, gate, done = DaemonExecutor("executor", 10), Gate(), []
    first = executor.submit(gate)
    second = executor.submit(lambda: done.append("second"))
    third = executor.submit(lambda: done.append("third"))
    second.cancel()
    gate.open()
    result(first, SECONDS)
    result(third, SECONDS)
    assert done == ["third"]


def test_lane_takes_as_many_as_it_was_made_for():
    executor, gate = DaemonExecutor("executor", 2), Gate()
    executor.submit(gate)
    assert gate.arrived.wait(SECONDS)
    waiting = [executor.submit(lambda: "done") for _ in range(2)]
    with pytest.raises(QueueFullError):
        executor.submit(lambda: "too many")
    gate.open()
    assert [result(call, SECONDS) for call in waiting] == ["done", "done"]


def test_lane_knows_how_long_its_call_has_been_running():
    now = 100.0
    executor, gate = DaemonExecutor("executor", 2, clock=lambda: now), Gate()
    assert executor.busy_seconds == 0
    call = executor.submit(gate)
    assert gate.arrived.wait(SECONDS)
    now = 103.0
    assert executor.busy_seconds == 3
    gate.open()
    result(call, SECONDS)
    assert executor.busy_seconds == 0


def test_reset_does_not_wait_for_a_call_that_hangs_and_ends_its_thread_after_it():
    executor, gate = DaemonExecutor("that hangs", 2), Gate()
    hanging = executor.submit(gate)
    assert gate.arrived.wait(SECONDS)
    (thread,) = [it for it in threading.enumerate() if it.name == "that hangs"]
    executor.reset()
    assert executor.busy_seconds == 0
    assert result(executor.submit(lambda: "new"), SECONDS) == "new"
    gate.open()
    assert result(hanging, SECONDS) is None
    wait_until(lambda: not thread.is_alive())
    assert result(executor.submit(lambda: "still"), SECONDS) == "still"
    executor.reset()


def test_lane_without_a_thread_keeps_no_call_and_works_once_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor, done = DaemonExecutor("executor", 1), []

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="can't start"):
                executor.submit(lambda: done.append("never"))
    assert result(executor.submit(lambda: "there"), SECONDS) == "there"
    assert done == []


def test_call_and_its_result_are_let_go_when_they_are_done():
    class Held:
        pass

    executor, held = DaemonExecutor("executor", 2), Held()
    reference = weakref.ref(held)

    def use(held: Any = held) -> None:
        assert held is not None

    call = executor.submit(use)
    result(call, SECONDS)
    del held, use, call

    def is_gone() -> bool:
        gc.collect()
        return reference() is None

    wait_until(is_gone)


def test_caller_gives_up_alone_and_the_call_goes_on():
    executor = DaemonExecutor("executor", 2)
    with Gate() as gate:
        call = executor.submit(gate)
        with pytest.raises(CallTimeoutError, match=r"within 0\.01 seconds"):
            result(call, 0.01)
        with pytest.raises(CallTimeoutError, match=r"within 0\.01 seconds"):
            asyncio.run(aresult(call, 0.01))
        assert not call.is_done
    assert result(call, SECONDS) is None
    assert asyncio.run(aresult(call, SECONDS)) is None


def test_what_a_call_raises_is_raised_to_every_caller():
    executor, error = DaemonExecutor("executor", 2), TimeoutError("mine")

    def fail() -> None:
        raise error

    call = executor.submit(fail)
    for wait in (result, lambda *how: asyncio.run(aresult(*how))):
        with pytest.raises(TimeoutError, match="mine") as caught:
            wait(call, SECONDS)
        assert caught.value is error
