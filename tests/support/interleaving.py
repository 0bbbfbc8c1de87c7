"""Runs two functions on two threads, line by line, in an order that is chosen.

Python calls back before each line of some modules. From 3.12 on, ``sys.monitoring``
does so for these modules alone. ``sys.settrace`` takes longer than what is tested:
Python prepares every function again whenever it is switched.
"""

from __future__ import annotations

import _thread
import contextlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType, FrameType, ModuleType
from typing import Any

DEADLINE_SECONDS = 60.0

#: One that neither a debugger nor a profiler takes.
TOOL = 4


class _Turns:
    """Whose turn it is: never do both threads run.

    Plain locks: those of ``threading`` are slower.
    """

    def __init__(self) -> None:
        self._has_ended = True

    def begin(self, schedule: Iterable[int]) -> None:
        self._schedule = iter(schedule)
        self._lines = next(self._schedule, None)
        self._whose = 0
        self._gates = [_locked(), _locked()]
        self._is_over = _locked()
        self._has_ended = False
        self.first_was_interrupted = False
        self.errors: list[BaseException] = []

    def run_second(self, function: Callable[[], object]) -> None:
        self._gates[1].acquire()
        self.run(function)
        self._is_over.release()

    def run(self, function: Callable[[], object]) -> None:
        """Run one of the two functions, on its thread."""
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - the test's thread raises it
            self.errors.append(error)
        finally:
            # The other one runs to its end.
            self._has_ended = True
            self._whose = 1 - self._whose
            self._gates[self._whose].release()

    def step(self) -> None:
        """Let the other function run before this line, if that is due."""
        if self._has_ended or self._lines is None:
            return
        if self._lines:
            self._lines -= 1
            return
        self._lines = next(self._schedule, None)
        me, self._whose = self._whose, 1 - self._whose
        self.first_was_interrupted |= me == 0
        self._gates[self._whose].release()
        assert self._gates[me].acquire(timeout=DEADLINE_SECONDS)

    def wait(self) -> None:
        """Wait until the second function has ended; raise what one of them raised."""
        assert self._is_over.acquire(timeout=DEADLINE_SECONDS)
        for error in self.errors:
            raise error


def _locked() -> _thread.LockType:
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock


_turns = _Turns()


def interleave(
    schedule: Iterable[int],
    first: Callable[[], object],
    second: Callable[[], object],
) -> bool:
    """Run ``first`` and ``second``, one line of one of them at a time.

    Within :func:`interruptible`, which says at which lines.

    Returns:
        Whether ``first`` had to wait before it was done.

    Args:
        schedule: How many lines to run before the other one has its turn, ``first``
            to begin with. When it ends, whose turn it is runs to its end.
        first: A function. It runs on the calling thread.
        second: A function.
    """
    _turns.begin(schedule)
    _thread.start_new_thread(_turns.run_second, (second,))
    _turns.run(first)
    _turns.wait()
    return _turns.first_was_interrupted


@contextlib.contextmanager
def interruptible(*modules: ModuleType) -> Iterator[None]:
    """Let :func:`interleave` interrupt functions at the lines of some modules."""
    if sys.version_info >= (3, 12):
        watching = _monitored(modules)
    else:
        watching = _traced({str(module.__file__) for module in modules})
    with watching:
        yield


if sys.version_info >= (3, 12):

    @contextlib.contextmanager
    def _monitored(modules: Sequence[ModuleType]) -> Iterator[None]:
        monitoring = sys.monitoring
        line = monitoring.events.LINE
        monitoring.use_tool_id(TOOL, __name__)
        monitoring.register_callback(TOOL, line, lambda code, number: _turns.step())
        codes = {code for module in modules for code in _codes_of(module)}
        for code in codes:
            monitoring.set_local_events(TOOL, code, line)
        try:
            yield
        finally:
            for code in codes:
                monitoring.set_local_events(TOOL, code, 0)
            monitoring.free_tool_id(TOOL)


def _codes_of(module: ModuleType) -> Iterator[CodeType]:
    """Yield the code of every function and method that a module defines."""
    classes = [it for it in vars(module).values() if isinstance(it, type)]
    for space in (module, *classes):
        for value in tuple(vars(space).values()):
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            code = getattr(inspect.unwrap(function), "__code__", None)
            if code is not None and code.co_filename == module.__file__:
                yield from _nested(code)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


@contextlib.contextmanager
def _traced(files: set[str]) -> Iterator[None]:
    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        return trace_line if frame.f_code.co_filename in files else None

    def trace_line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            _turns.step()
        return trace_line

    run = _turns.run

    def run_traced(function: Callable[[], object]) -> None:
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            run(function)
        finally:
            sys.settrace(before)

    _turns.run = run_traced  # type: ignore[method-assign]
    try:
        yield
    finally:
        _turns.run = run  # type: ignore[method-assign]
