"""Measures how long a caller waits for the thread that ``sync_to_async`` shares.

asgiref runs thread-sensitive sync code, such as sync consumers and queries, in one
thread of the process. A slow call there delays every other one, and no event loop shows
it. The attributes of asgiref and of ``ThreadPoolExecutor`` that are read here are
private: where one is missing, nothing is measured.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from asgiref.sync import SyncToAsync

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.reporter.running import joined, running

__all__ = ["SyncThreadProbe", "is_sync_thread"]

logger = logging.getLogger("django_socket_status")

#: The module that calls what the thread runs.
HANDLER = "asgiref.sync"
#: The packages between asgiref's handler and the code of the project.
BETWEEN = ("asgiref", "channels", "contextlib", "functools")


class SyncThreadProbe:
    """Submits one empty call at a time, and measures when it runs.

    For one thread at a time: the reporter's.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        #: The call that was submitted last, and when.
        self._probe: tuple[Future[float], float] | None = None
        self._is_slow = False
        self.wait_seconds: float | None = None
        self.queue: int | None = None
        #: The function that the thread runs, while the wait is too long.
        self.runs: str | None = None

    def look(self, slow_seconds: float) -> None:
        """Update the wait and the queue; name the function that makes others wait.

        Args:
            slow_seconds: From which wait on to name it, and to log it, once for each
                episode.
        """
        try:
            self._look()
        except (AttributeError, TypeError, RuntimeError):
            # Another asgiref, or the executor was shut down.
            self._probe = self.wait_seconds = self.queue = None
        if self.wait_seconds is None or self.wait_seconds < slow_seconds:
            self._is_slow, self.runs = False, None
            return
        self.runs = running_in(_thread_of(SyncToAsync.single_thread_executor))
        if not self._is_slow:
            self._is_slow = True
            self._log()

    def _look(self) -> None:
        executor = SyncToAsync.single_thread_executor
        if _thread_of(executor) is None:
            # The first call would start the thread.
            self._probe = self.wait_seconds = self.queue = None
            return
        now = self._clock()
        future, sent_at = self._probe or (None, now)
        if future is not None and not future.done():
            self.wait_seconds = max(0.0, now - sent_at)
            self.queue = max(0, executor._work_queue.qsize() - 1)
            return
        self.wait_seconds = (
            max(0.0, future.result() - sent_at)
            if future is not None and not future.cancelled()
            else 0.0
        )
        self.queue = executor._work_queue.qsize()
        self._probe = executor.submit(self._clock), now

    def _log(self) -> None:
        logger.warning(
            "Sync consumers and other thread-sensitive sync code have waited %.1f s "
            "for their one thread, which runs %s. Make that call shorter, or run it "
            "with sync_to_async(..., thread_sensitive=False).",
            self.wait_seconds,
            self.runs or "code that cannot be named",
        )


def _thread_of(executor: ThreadPoolExecutor) -> threading.Thread | None:
    """Return the thread of the executor if it runs; none does in a forked child."""
    alive = (thread for thread in executor._threads if thread.is_alive())
    return next(alive, None)


def is_sync_thread() -> bool:
    """Return whether this is the thread that sync consumers share."""
    shared = _thread_of(SyncToAsync.single_thread_executor)
    return shared is threading.current_thread()


def running_in(thread: threading.Thread | None) -> str | None:
    """Return the name of the function that asgiref's handler has called in a thread.

    If that is Channels' code, the name of the project's function that it calls follows.
    ``None`` if it cannot be named.
    """
    called = running(None if thread is None else thread.ident)
    handler = [n for n, it in enumerate(called) if it.module == HANDLER]
    first = handler[0] if handler else len(called)
    above = [it for it in called[first:] if it.module != HANDLER]
    own = [it for it in above if it.package not in BETWEEN]
    return joined([*above[:1], *own[:1]])
