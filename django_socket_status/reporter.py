"""Reports what this process knows, in the background: when, and on which thread.

One daemon thread for each process, started by the first socket, never at import or in
``AppConfig.ready()``; a fork starts its own. It is a thread and no task so that an
event loop that is blocked does not cost the process its lease, and no backend is bound
to a loop.

The thread sleeps until something changes or the heartbeat is due, gathers for
``REPORT_INTERVAL_SECONDS``, and reports. What it says: :mod:`.reports`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable

from django_socket_status import backends, worker
from django_socket_status.conf import get_settings
from django_socket_status.events import somebody_listens
from django_socket_status.forks import after_fork
from django_socket_status.registry import Registry, registry
from django_socket_status.reports import NEVER, Reports

__all__ = ["Reporter", "reporter"]

#: The longest that the end of the process waits for the goodbye.
GOODBYE_SECONDS = 1.0


class Reporter(Reports):
    """Tells what :class:`~.reports.Reports` tells, from a thread of its own."""

    def __init__(
        self, registry: Registry, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._watches_process = False
        self._signal: queue.SimpleQueue[None] = queue.SimpleQueue()
        super().__init__(registry, clock=clock)
        registry.wake = self.wake

    def reset(self) -> None:
        """Start anew: another incarnation, no thread, nothing reported.

        A thread that was there ends, and says no goodbye.
        """
        before = self._signal
        self._events.reset()
        # A late report of the one before would continue what this one reports.
        worker.begin_anew()
        self._lock = threading.RLock()
        self._starting = threading.Lock()
        self._signal = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._beat_at = NEVER
        self._ended = threading.Event()
        super().reset()
        # Last, so that the thread that it wakes sees that it is not wanted any more.
        before.put(None)

    # On the socket's path.

    def wake(self) -> None:
        """See that the thread runs and looks soon. Does not wait and does not raise."""
        self._registry.quiet = False
        if self._ending.is_set():
            return
        self._registry.listened = somebody_listens()
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if self._thread is not None:
            self._signal.put(None)

    def _start(self) -> None:
        # While the interpreter ends, applications that are thrown away still close
        # their sockets; before Python 3.12, a thread started then never comes up.
        if sys.is_finalizing() or not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is not None and self._thread.is_alive():
                return
            thread = threading.Thread(
                target=self._run, name="django-socket-status-reporter", daemon=True
            )
            self._thread = thread
            thread.start()
        except RuntimeError as error:
            self._thread = None
            # Out of threads: the next change tries again.
            if "interpreter shutdown" not in str(error):
                self._registry.quiet = True
                self._note_failure(error)
        finally:
            self._starting.release()

    # In the reporter's thread.

    def _run(self) -> None:
        me, signal = threading.current_thread(), self._signal
        self._watch_process()
        try:
            while self._thread is me and not self._ending.is_set():
                self._sleep(signal)
                self._look(me)
        finally:
            # After a reset, all of this is another thread's.
            if self._thread is me:
                self._thread = None
                self._registry.quiet = True
                if self._ending.is_set():
                    self._end()

    def _look(self, me: threading.Thread) -> None:
        if self._thread is me:
            # What changes from here on wakes us again.
            self._registry.quiet = True
            self._beat()
            self.flush()

    def _end(self) -> None:
        # After a report that a reader has on its way, or it would undo the goodbye.
        if self._lock.acquire(timeout=GOODBYE_SECONDS):
            with contextlib.suppress(Exception):
                self._say_goodbye()
            self._lock.release()
        self._ended.set()

    def _sleep(self, signal: queue.SimpleQueue[None]) -> None:
        """Wait for a change or the next heartbeat, then gather for a moment."""
        with contextlib.suppress(queue.Empty):
            signal.get(timeout=self._seconds_to_heartbeat())
            self._ending.wait(get_settings().report_interval_seconds)
        # By nobody else, after a reset: then what is left here is nobody's.
        while not signal.empty():
            signal.get_nowait()

    def _beat(self) -> None:
        now = self._clock()
        if now >= self._beat_at + get_settings().heartbeat_seconds:
            self._beat_at = now
            self._registry.watch_again()

    # At the ends of the process.

    def _watch_process(self) -> None:
        if self._watches_process:
            return
        self._watches_process = True
        after_fork(self.start_anew_after_fork)
        atexit.register(self._at_exit, os.getpid())

    def start_anew_after_fork(self) -> None:
        """Let a forked child report its own sockets, as a worker of its own."""
        # Its own exit handler, which knows its own process.
        self._watches_process = False
        self._registry.reset()
        backends.forget_after_fork()
        self.reset()

    def _at_exit(self, pid: int) -> None:
        # A plain os.fork inherits exit handlers: a child is not its parent.
        if pid == os.getpid():
            self.stop()

    def stop(self, seconds: float = GOODBYE_SECONDS) -> bool:
        """Say goodbye and end the thread, in bounded time; the lease is for the rest.

        Returns:
            Whether it ended in time.
        """
        thread = self._thread
        if not self._ending.is_set() and (thread is None or not thread.is_alive()):
            return True
        self._ending.set()
        self._signal.put(None)
        return self._ended.wait(seconds)


#: The reporter of this process.
reporter = Reporter(registry)
