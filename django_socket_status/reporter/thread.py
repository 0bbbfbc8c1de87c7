"""The reporter: the background thread that reports this process to the backend.

Each process has one daemon thread. The first WebSocket starts it, never an import or
``AppConfig.ready()``; a forked child starts another one. It is a thread and not a task,
so a blocked event loop does not cost the process its lease, and no backend depends on a
loop.

The thread sleeps until something changes or the heartbeat is due, waits another
``REPORT_INTERVAL_SECONDS`` for more changes, and reports with its :mod:`.sender`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable

from django_socket_status import backends
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.concurrency.forks import after_fork
from django_socket_status.concurrency.threads import daemon_thread
from django_socket_status.conf import get_settings
from django_socket_status.records import Snapshot
from django_socket_status.registry.causes import is_restart
from django_socket_status.registry.registry import Registry, registry
from django_socket_status.reporter.sender import NEVER, Sender

__all__ = ["Reporter", "reporter"]

#: The longest that the end of the process waits for the goodbye.
GOODBYE_SECONDS = 1.0
#: How often a thread that waits for more changes looks whether the server stops.
LOOK_SECONDS = 0.02
#: How long it then waits for the other connections to end.
STOP_SECONDS = 0.04


class Reporter:
    """Reports one registry from a background thread.

    Args:
        registry: What to report.
        clock: Seconds that never go back; for tests.
    """

    def __init__(
        self, registry: Registry, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self.registry = registry
        #: What the sockets write to.
        self.intake = registry.intake
        self.sender = Sender(registry, clock=clock)
        self.condition = self.sender.condition
        self._clock = clock
        self._watches_process = False
        self._set_up()
        self.intake.wake = self.wake

    def reset(self) -> None:
        """Begin as another worker: no thread, nothing reported.

        The old thread ends and says no goodbye.
        """
        before = self._signal
        self._set_up()
        self.sender.reset()
        # Last: the old thread that this wakes must see that it is not wanted any more.
        before.put(None)

    def _set_up(self) -> None:
        self._starting = threading.RLock()
        self._signal: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._beat_at = NEVER
        #: Set after the goodbye.
        self._ended = threading.Event()

    @property
    def failure(self) -> Exception | None:
        """Return why the last report failed; ``None`` if it did not."""
        return self.sender.failure

    @property
    def reported_version(self) -> object:
        """Return the version of the registry that the last report carried."""
        return self.sender.reported_version

    def flush(self, lock_timeout: float = -1) -> bool:
        """Report now, from the calling thread: see :meth:`.Sender.flush`."""
        return self.sender.flush(lock_timeout)

    def own_snapshot(self, lock_timeout: float) -> Snapshot | None:
        """Return the status of this process: see :meth:`.Sender.own_snapshot`."""
        return self.sender.own_snapshot(lock_timeout)

    # On the socket's path.

    def serve_listeners(self) -> None:
        """Report from now on, so that a drain reaches listeners of live push.

        They are not counted. Does not wait and does not raise.
        """
        if not self.sender.is_listened_to or self._thread is None:
            self.sender.is_listened_to = True
            self.wake()

    def wake(self) -> None:
        """Make the thread run and report soon. Does not wait and does not raise."""
        intake = self.intake
        try:
            intake.quiet = False
            if self.sender.ending.is_set():
                return
            intake.listened = self.sender.wants_events()
            self.condition.note_loop()
            if self._thread is None or not self._thread.is_alive():
                self._start()
            if self._thread is not None:
                self._signal.put(None)
        except BaseException:
            # The thread may not have been woken, so the next change has to try again.
            intake.quiet = True
            raise

    def _start(self) -> None:
        # Sockets still close while the interpreter shuts down. Before Python 3.12, a
        # thread started then never runs.
        if sys.is_finalizing():
            return
        try:
            # ``with``: an exception right after ``acquire()`` would leave it locked.
            with self._starting:
                if self._thread is not None and self._thread.is_alive():
                    return
                self.sender.orders.drains.arrive()
                thread = daemon_thread("django-socket-status-reporter", self._run)
                self._thread = thread
                thread.start()
        except RuntimeError as error:
            self._thread = None
            # The system has no thread left: the next change tries again.
            if "interpreter shutdown" not in str(error):
                self.intake.quiet = True
                self.sender.note_failure(error)

    # In the reporter's thread.

    def _run(self) -> None:
        me, signal = threading.current_thread(), self._signal
        self._watch_process()
        try:
            while self._thread is me and not self.sender.ending.is_set():
                self._sleep(signal)
                self._look(me)
        finally:
            # After a reset, the attributes belong to another thread.
            if self._thread is me:
                self._thread = None
                self.intake.quiet = True
                if self.sender.ending.is_set():
                    self._end()

    def _look(self, me: threading.Thread) -> None:
        if self._thread is me:
            # A change from here on wakes this thread again.
            self.intake.quiet = True
            self._beat()
            self.sender.flush(can_sample=True)
            self.sender.sample()

    def _end(self) -> None:
        self.sender.say_goodbye(lock_timeout=GOODBYE_SECONDS)
        self._ended.set()

    def _sleep(self, signal: queue.SimpleQueue[None]) -> None:
        """Wait for a change or the next heartbeat, then a moment for more changes."""
        with contextlib.suppress(queue.Empty):
            signal.get(timeout=self.sender.seconds_to_heartbeat())
            self._wait_for_more(get_settings().report_interval_seconds)
        # One report answers all signals so far. No other thread reads this queue.
        while not signal.empty():
            signal.get_nowait()

    def _wait_for_more(self, seconds: float) -> None:
        """Wait, but not where the server seems to stop.

        Uvicorn ends itself with the signal a tenth of a second after it began to close
        its connections.
        """
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            if is_restart(self.intake.last_ending):
                # The cause of one is known when the others have ended, too.
                self.sender.ending.wait(min(left, STOP_SECONDS))
                return
            if self.sender.ending.wait(min(left, LOOK_SECONDS)):
                return

    def _beat(self) -> None:
        now = self._clock()
        if now >= self._beat_at + get_settings().heartbeat_seconds:
            self._beat_at = now
            self.registry.watch_again()
            self.condition.look(get_settings().slow_seconds)

    # At the ends of the process.

    def _watch_process(self) -> None:
        if self._watches_process:
            return
        self._watches_process = True
        after_fork(self.restart_after_fork)
        atexit.register(self._at_exit, os.getpid())

    def restart_after_fork(self) -> None:
        """Let a forked child report its own sockets, as another worker."""
        # The parent's exit handler does nothing in the child: register another.
        self._watches_process = False
        self.registry.reset()
        backends.forget_after_fork()
        self.reset()

    def _at_exit(self, pid: int) -> None:
        # A child of a plain ``os.fork`` inherits the exit handlers of its parent.
        if pid == os.getpid():
            self.stop()

    def stop(self, seconds: float = GOODBYE_SECONDS) -> bool:
        """Say goodbye and end the thread.

        If the time does not suffice, the worker's lease removes it from the backend.

        Args:
            seconds: The longest time to wait.

        Returns:
            Whether the thread ended in time.
        """
        thread = self._thread
        if not self.sender.ending.is_set() and (
            thread is None or not thread.is_alive()
        ):
            return True
        self.sender.ending.set()
        self._signal.put(None)
        return self._ended.wait(seconds)


#: The reporter of this process.
reporter = Reporter(registry)
after_fork(reporter.restart_after_fork)
