"""Runs two functions on two threads, line by line, in an order that is chosen."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import FrameType, ModuleType
from typing import Any

DEADLINE_SECONDS = 60.0


class _Turns:
    def __init__(self, schedule: Iterable[int], files: set[str]) -> None:
        self._schedule = iter(schedule)
        self._files = files
        self._lines = next(self._schedule, None)
        self._gates = [threading.Semaphore(0), threading.Semaphore(0)]
        self._done = [False, False]
        self.first_was_interrupted = False
        self.errors: list[BaseException] = []

    def start(self) -> None:
        self._gates[0].release()

    def run(self, me: int, function: Callable[[], object]) -> None:
        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            return trace_line if frame.f_code.co_filename in self._files else None

        def trace_line(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                self._step(me)
            return trace_line

        self._gates[me].acquire()
        sys.settrace(trace)
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - the test's thread raises it
            self.errors.append(error)
        finally:
            sys.settrace(None)
            self._done[me] = True
            self._gates[1 - me].release()

    def _step(self, me: int) -> None:
        if self._lines is None or self._done[1 - me]:
            return
        if self._lines:
            self._lines -= 1
            return
        self._lines = next(self._schedule, None)
        self.first_was_interrupted |= me == 0
        self._gates[1 - me].release()
        self._gates[me].acquire()


def interleave(
    schedule: Iterable[int],
    first: Callable[[], object],
    second: Callable[[], object],
    *modules: ModuleType,
) -> bool:
    """Run ``first`` and ``second``, one line of one of them at a time.

    Returns:
        Whether ``first`` had to wait before it was done.

    Args:
        schedule: How many lines to run before the other one has its turn, ``first``
            to begin with. When it ends, whose turn it is runs to its end.
        first: A function.
        second: A function.
        modules: In whose lines the two may be interrupted.
    """
    turns = _Turns(schedule, {str(module.__file__) for module in modules})
    threads = [
        threading.Thread(target=turns.run, args=item, daemon=True)
        for item in enumerate((first, second))
    ]
    for thread in threads:
        thread.start()
    turns.start()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()
    for error in turns.errors:
        raise error
    return turns.first_was_interrupted
