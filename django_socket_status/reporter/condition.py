"""Finds out how this worker does, at each heartbeat, on the reporter's thread.

An event loop is known from the moment when a socket on it wakes the reporter. At each
heartbeat one callback goes to each loop; how long it waited is the loop's lag.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import os
import platform
import threading
import weakref
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TypeAlias

import django

from django_socket_status import __version__
from django_socket_status.activity.conditions import MAX_LOOPS, Condition
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.conf import get_settings
from django_socket_status.limits import bounded_text
from django_socket_status.reporter.running import run_by_loop
from django_socket_status.reporter.sync_thread import SyncThreadProbe

__all__ = ["MAX_RELEASE", "ConditionProbe", "LoopProbe", "release_name"]

#: Where platforms put the name of a release, if the setting does not say it: Sentry,
#: many build scripts, Heroku, Google Cloud Run.
RELEASE_VARIABLES = (
    "SENTRY_RELEASE",
    "GIT_SHA",
    "HEROKU_SLUG_COMMIT",
    "K_REVISION",
)
MAX_RELEASE = 64

logger = logging.getLogger("django_socket_status")

_Loops: TypeAlias = "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopProbe]"


def release_name() -> str:
    """Return what this code is called: the setting ``RELEASE``, or the environment."""
    names = (get_settings().release, *map(os.environ.get, RELEASE_VARIABLES))
    return bounded_text(next(filter(None, names), ""), MAX_RELEASE)


class LoopProbe:
    """Measures the lag of one event loop, with one callback at a time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]
    ) -> None:
        self._loop = weakref.ref(loop)
        self._clock = clock
        self._sent_at: float | None = None
        #: The thread in which the loop ran last.
        self._thread_id: int | None = None
        self._slow_seconds = math.inf
        self._is_logged = False
        self._runs: str | None = None
        self.lag_seconds = 0.0

    @property
    def is_slow(self) -> bool:
        """Return whether the last callback waited too long."""
        return self.lag_seconds >= self._slow_seconds

    @property
    def runs(self) -> str | None:
        """Return what the loop ran when a callback had waited too long."""
        return self._runs if self.is_slow else None

    def look(self, slow_seconds: float) -> bool:
        """Update the lag, and send the next callback; return whether the loop lives.

        Args:
            slow_seconds: From which lag on to name what the loop runs, and to log it,
                once for each episode.
        """
        loop, sent_at = self._loop(), self._sent_at
        if loop is None or loop.is_closed():
            return False
        self._slow_seconds = slow_seconds
        if not self.is_slow:
            self._is_logged, self._runs = False, None
        if sent_at is not None:
            self.lag_seconds = max(0.0, self._clock() - sent_at)
            if self.is_slow and not self._is_logged:
                self._name_and_log()
            return True
        self._sent_at = self._clock()
        try:
            loop.call_soon_threadsafe(self._arrive)
        except RuntimeError:
            # It was closed just now.
            return False
        return True

    def _name_and_log(self) -> None:
        runs = run_by_loop(self._thread_id)
        if self._sent_at is None:
            # The callback arrived meanwhile: this function may be another one.
            return
        self._is_logged, self._runs = True, runs
        logger.warning(
            "An event loop was late by %.1f s, because it runs %s. All WebSockets of "
            "this loop wait. Call what blocks with asyncio.to_thread() or "
            "sync_to_async().",
            self.lag_seconds,
            runs or "code that cannot be named",
        )

    def _arrive(self) -> None:
        """Note the lag. Runs on the project's event loop."""
        self._thread_id = threading.get_ident()
        if self._sent_at is not None:
            self.lag_seconds = max(0.0, self._clock() - self._sent_at)
            self._sent_at = None


class ConditionProbe:
    """Measures how this worker does.

    Everything but :meth:`note_loop` is for the reporter's thread.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget the loops and the thread, as in a forked child."""
        #: The loop on which the reporter was woken last.
        self._woken_on: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self._loops: _Loops = weakref.WeakKeyDictionary()
        self._sync_thread = SyncThreadProbe(self._clock)
        #: Whether this worker drains. What reports sets it.
        self.is_draining = False

    def note_loop(self) -> None:
        """Note the running event loop. On a socket's path: does not wait or raise."""
        try:
            self._woken_on = weakref.ref(asyncio.get_running_loop())
        except (RuntimeError, TypeError):
            # No loop runs in this thread, or it cannot be referred to weakly.
            return

    def look(self, slow_seconds: float) -> None:
        """Measure, and send the next probes. Some tens of microseconds.

        Args:
            slow_seconds: See :meth:`.LoopProbe.look` and :meth:`.SyncThreadProbe.look`.
        """
        loop = None if self._woken_on is None else self._woken_on()
        if loop is not None and len(self._loops) < MAX_LOOPS:
            self._loops.setdefault(loop, LoopProbe(loop, self._clock))
        for known, probe in tuple(self._loops.items()):
            if not probe.look(slow_seconds):
                del self._loops[known]
        self._sync_thread.look(slow_seconds)

    def condition(self) -> Condition:
        """Return what was measured last."""
        wait = self._sync_thread.wait_seconds
        loops = [*self._loops.values()]
        slowest = max(loops, key=lambda it: it.lag_seconds, default=None)
        return Condition(
            release=release_name(),
            versions=_versions(),
            loop_lag_seconds=[round(it.lag_seconds, 2) for it in loops],
            loop_runs=slowest.runs if slowest else None,
            sync_thread_wait_seconds=None if wait is None else round(wait, 2),
            sync_thread_queue=self._sync_thread.queue,
            sync_thread_runs=self._sync_thread.runs,
            is_draining=self.is_draining,
        )


@functools.cache
def _versions() -> dict[str, str]:
    """Return the versions; that of Channels is left out where it is not installed."""
    found = {
        "python": platform.python_version(),
        "django": django.__version__,
        "django_socket_status": __version__,
    }
    with contextlib.suppress(PackageNotFoundError):
        found["channels"] = bounded_text(version("channels"), MAX_RELEASE)
    return found
