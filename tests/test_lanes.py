from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from django_socket_status.lanes import (
    Lane,
    LaneFullError,
    NotInTimeError,
    aresult,
    result,
)
from tests.asgi_driver import wait_until
from tests.scripted_backend import Gate

pytestmark = pytest.mark.python

SECONDS = 10


def test_calls_are_done_in_order_on_one_thread_of_their_own():
    lane = Lane("lane", 10)
    futures = [
        lane.submit(lambda number=number: (number, threading.get_ident()))
        for number in range(5)
    ]
    results = [future.result(SECONDS) for future in futures]
    assert [number for number, _ in results] == [*range(5)]
    assert len({thread for _, thread in results}) == 1
    assert results[0][1] != threading.get_ident()


def test_what_a_call_raises_is_its_callers_and_nobody_elses():
    lane = Lane("lane", 10)
    error = RuntimeError("mine")

    def fail() -> None:
        raise error

    failed, fine = lane.submit(fail), lane.submit(lambda: "fine")
    assert failed.exception(SECONDS) is error
    assert fine.result(SECONDS) == "fine"


def test_call_that_nobody_waits_for_any_more_is_not_done():
    lane, gate, done = Lane("lane", 10), Gate(), []
    first = lane.submit(gate)
    second = lane.submit(lambda: done.append("second"))
    third = lane.submit(lambda: done.append("third"))
    assert second.cancel()
    gate.open()
    first.result(SECONDS)
    third.result(SECONDS)
    assert done == ["third"]


def test_lane_takes_as_many_as_it_was_made_for():
    lane, gate = Lane("lane", 2), Gate()
    lane.submit(gate)
    assert gate.arrived.wait(SECONDS)
    waiting = [lane.submit(lambda: "done") for _ in range(2)]
    with pytest.raises(LaneFullError):
        lane.submit(lambda: "too many")
    gate.open()
    assert [future.result(SECONDS) for future in waiting] == ["done", "done"]


def test_lane_tells_for_how_long_its_call_has_been_running():
    now = 100.0
    lane, gate = Lane("lane", 2, clock=lambda: now), Gate()
    assert lane.busy_seconds == 0
    future = lane.submit(gate)
    assert gate.arrived.wait(SECONDS)
    now = 103.0
    assert lane.busy_seconds == 3
    gate.open()
    future.result(SECONDS)
    assert lane.busy_seconds == 0


def test_reset_does_not_wait_for_a_call_that_hangs_and_ends_its_thread_after_it():
    lane, gate = Lane("that hangs", 2), Gate()
    hanging = lane.submit(gate)
    assert gate.arrived.wait(SECONDS)
    (thread,) = [it for it in threading.enumerate() if it.name == "that hangs"]
    lane.reset()
    assert lane.busy_seconds == 0
    assert lane.submit(lambda: "new").result(SECONDS) == "new"
    gate.open()
    assert hanging.result(SECONDS) is None
    wait_until(lambda: not thread.is_alive())
    assert lane.submit(lambda: "still").result(SECONDS) == "still"
    lane.reset()


def test_lane_without_a_thread_keeps_no_call_and_works_once_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lane, done = Lane("lane", 1), []

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="can't start"):
                lane.submit(lambda: done.append("never"))
    assert lane.submit(lambda: "there").result(SECONDS) == "there"
    assert done == []


def test_call_and_its_result_are_let_go_when_they_are_done():
    class Held:
        pass

    lane, held = Lane("lane", 2), Held()
    reference = weakref.ref(held)

    def call(held: Any = held) -> None:
        assert held is not None

    future = lane.submit(call)
    future.result(SECONDS)
    del held, call, future

    def is_gone() -> bool:
        gc.collect()
        return reference() is None

    wait_until(is_gone)


def test_caller_gives_up_alone_and_the_call_goes_on():
    lane = Lane("lane", 2)
    with Gate() as gate:
        future = lane.submit(gate)
        with pytest.raises(NotInTimeError, match=r"within 0\.01 seconds"):
            result(future, 0.01)
        with pytest.raises(NotInTimeError, match=r"within 0\.01 seconds"):
            asyncio.run(aresult(future, 0.01))
        assert not future.done()
    assert result(future, SECONDS) is None
    assert asyncio.run(aresult(future, SECONDS)) is None


def test_what_a_call_raises_is_raised_to_every_caller():
    lane, error = Lane("lane", 2), TimeoutError("mine")

    def fail() -> None:
        raise error

    future = lane.submit(fail)
    for wait in (result, lambda *how: asyncio.run(aresult(*how))):
        with pytest.raises(TimeoutError, match="mine") as caught:
            wait(future, SECONDS)
        assert caught.value is error
