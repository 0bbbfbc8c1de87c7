"""A daemon thread that does one call after another for those who must not wait.

``ThreadPoolExecutor`` is not used because the interpreter joins its threads at exit: a
backend that hangs would keep the host's process from ending.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["Lane", "LaneFullError", "NotInTimeError", "aresult", "result"]

T = TypeVar("T")

_Calls = queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class LaneFullError(Exception):
    """Raised when as many calls wait as a lane takes."""


class NotInTimeError(Exception):
    """Raised to a caller who does not wait any longer; the call goes on."""


class Lane:
    """Run calls in order on one daemon thread, started by the first of them.

    Args:
        name: The thread's name.
        size: How many calls may wait.
        clock: Seconds that never go back; for tests.
    """

    def __init__(
        self, name: str, size: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._size = size
        self._clock = clock
        self._work = _Work()

    def reset(self) -> None:
        """Start anew, as in a forked child, which has no thread of its parent's.

        What waits is still done, by the thread that was there.
        """
        before, self._work = self._work, _Work()
        before.calls.put(None)

    @property
    def busy_seconds(self) -> float:
        """Return how long the call that runs now has been running; 0 without one."""
        began_at = self._work.began_at
        return 0.0 if began_at is None else max(0.0, self._clock() - began_at)

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Return the future of a call. Does not wait.

        Raises:
            LaneFullError: too many calls wait already.
            RuntimeError: the interpreter is ending, or is out of threads.
        """
        future: Future[T] = Future()
        work = self._work
        with work.lock:
            if work.calls.qsize() >= self._size:
                raise LaneFullError("too many others wait already")
            # The thread comes first: without one, nothing may be left waiting.
            self._ensure_thread(work)
            work.calls.put((future, call))
        return future

    def _ensure_thread(self, work: _Work) -> None:
        if work.thread is None or not work.thread.is_alive():
            thread = threading.Thread(
                target=work.run, args=[self._clock], name=self._name, daemon=True
            )
            thread.start()
            work.thread = thread


class _Work:
    """The calls of a lane, and the thread that does them, until the next reset."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: _Calls = queue.SimpleQueue()
        self.thread: threading.Thread | None = None
        self.began_at: float | None = None

    def run(self, clock: Callable[[], float]) -> None:
        while (item := self.calls.get()) is not None:
            future, call = item
            if future.set_running_or_notify_cancel():
                self.began_at = clock()
                self._do(future, call)
            # Whatever the call held on to goes now, and not with the next one.
            del item, future, call

    def _do(self, future: Future[Any], call: Callable[[], Any]) -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - it is the caller's
            self.began_at = None
            future.set_exception(error)
        else:
            self.began_at = None
            future.set_result(result)
        finally:
            self.began_at = None


def result(future: Future[T], seconds: float) -> T:
    """Return what a call returns, or raise what it raises.

    Several callers may wait for one future, and give up alone.

    Raises:
        NotInTimeError: it takes longer than ``seconds``.
    """
    concurrent.futures.wait([future], seconds)
    return _outcome(future, seconds)


async def aresult(future: Future[T], seconds: float) -> T:
    """Return what a call returns, as :func:`result`."""
    # Neither wait_for nor wrap_future: they would cancel a future that others wait for
    # as well, and the loop may be closed before the answer comes.
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def wake(_: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, done)

    future.add_done_callback(wake)
    await asyncio.wait({done}, timeout=seconds)
    return _outcome(future, seconds)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _outcome(future: Future[T], seconds: float) -> T:
    if not future.done():
        raise NotInTimeError(f"there was no answer within {seconds:g} seconds")
    return future.result()
