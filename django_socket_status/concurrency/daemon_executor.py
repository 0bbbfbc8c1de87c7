"""A daemon thread that runs calls in order, for callers that must not wait.

``ThreadPoolExecutor`` is not used because the interpreter joins its threads at exit: a
backend that hangs would keep the host's process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.concurrency.threads import daemon_thread

__all__ = [
    "Call",
    "CallTimeoutError",
    "DaemonExecutor",
    "QueueFullError",
    "aresult",
    "result",
]

T = TypeVar("T")


class QueueFullError(Exception):
    """Raised when the queue of a :class:`DaemonExecutor` is full."""


class CallTimeoutError(TimeoutError):
    """Raised when a caller stops waiting; the call itself goes on."""


class Call(Generic[T]):
    """A call of a :class:`DaemonExecutor`, and what it returned or raised.

    It has no lock, unlike ``Future``. A signal handler may wait for a call while the
    thread that it interrupted is anywhere in this class, and the executor's thread must
    not wait for that thread.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function: Callable[[], T] | None = function
        self._waiters: deque[Callable[[], None]] = deque()
        self._value: T | None = None
        self._error: Exception | None = None
        #: When it began to run, by the executor's clock.
        self.began_at: float | None = None
        #: Whether it returned or raised.
        self.is_done = False

    def cancel(self) -> None:
        """Do not run it if it has not begun; it is never done then."""
        self._function = None

    def run(self, clock: Callable[[], float]) -> None:
        """Run it, unless it is cancelled, and wake the callers that wait."""
        # Taken, so that what the function refers to is not kept with the outcome.
        function, self._function = self._function, None
        if function is None:
            return
        self.began_at = clock()
        try:
            self._value = function()
        except Exception as error:  # noqa: BLE001 - the caller gets it
            self._error = error
        self.is_done = True
        self._wake()

    def when_done(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once when it is done, from any thread. It must not raise."""
        self._waiters.append(wake)
        if self.is_done:
            self._wake()

    def outcome(self) -> T:
        """Return what it returned, or raise what it raised. Only when it is done."""
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def _wake(self) -> None:
        # The executor and a caller may both be here: each waiter is taken once.
        with contextlib.suppress(IndexError):
            while True:
                self._waiters.popleft()()


class DaemonExecutor:
    """Runs calls in order on one daemon thread, which the first call starts.

    Args:
        name: The thread's name.
        size: How many calls may wait.
        clock: Seconds that never go back; for tests.
    """

    def __init__(
        self, name: str, size: int, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._name = name
        self._size = size
        self._clock = clock
        #: Empty until the first use: gunicorn may load the project before it forks, and
        #: gevent replaces locks and queues after that.
        self._made: dict[str, _Work] = {}

    def reset(self) -> None:
        """Use a new queue and a new thread, as a forked child must.

        The thread that was there still runs the calls that already wait.
        """
        before, self._made = self._made, {}
        for work in before.values():
            work.calls.put(None)

    @property
    def _work(self) -> _Work:
        # setdefault is atomic: threads that race for the first use get the same.
        return self._made.get("work") or self._made.setdefault("work", _Work())

    @property
    def busy_seconds(self) -> float:
        """Return for how many seconds the current call has run; 0 if none runs."""
        call = self._work.current
        if call is None or call.began_at is None or call.is_done:
            return 0.0
        return max(0.0, self._clock() - call.began_at)

    def submit(self, function: Callable[[], T]) -> Call[T]:
        """Queue a call and return it. Does not wait.

        Raises:
            QueueFullError: ``size`` calls wait already.
            RuntimeError: the interpreter is ending, or is out of threads.
        """
        call = Call(function)
        work = self._work
        with work.lock:
            if work.calls.qsize() >= self._size:
                raise QueueFullError("too many others wait already")
            # Start the thread first: if that fails, no call may stay in the queue.
            self._ensure_thread(work)
            work.calls.put(call)
        return call

    def _ensure_thread(self, work: _Work) -> None:
        if work.thread is None or not work.thread.is_alive():
            thread = daemon_thread(self._name, work.run, self._clock)
            thread.start()
            work.thread = thread


class _Work:
    """The queue of calls and the thread that runs them, until the next reset."""

    def __init__(self) -> None:
        # Reentrant: a signal handler may submit a call while its thread does.
        self.lock = threading.RLock()
        self.calls: queue.SimpleQueue[Call[Any] | None] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None
        self.current: Call[Any] | None = None

    def run(self, clock: Callable[[], float]) -> None:
        while (call := self.calls.get()) is not None:
            self.current = call
            call.run(clock)
            # Free its result now, and not when the next call comes.
            self.current = None
            del call


def result(call: Call[T], seconds: float) -> T:
    """Return what a call returns, or raise what it raises.

    Several callers may wait for one call. Each has its timeout.

    Raises:
        CallTimeoutError: the call has not ended after this many seconds.
    """
    gate = threading.Lock()
    gate.acquire()
    call.when_done(gate.release)
    gate.acquire(timeout=seconds)
    return _outcome(call, seconds)


async def aresult(call: Call[T], seconds: float) -> T:
    """Return what a call returns, as :func:`result` does, for asynchronous callers."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def wake() -> None:
        # The loop may be closed before the call ends.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, done)

    call.when_done(wake)
    await asyncio.wait({done}, timeout=seconds)
    return _outcome(call, seconds)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _outcome(call: Call[T], seconds: float) -> T:
    if not call.is_done:
        raise CallTimeoutError(f"there was no answer within {seconds:g} seconds")
    return call.outcome()
