"""Reads the status of the deployment, for everybody in this process at once.

A read happens on a thread of its own, so that no caller waits longer than it wants to,
whatever the backend does, and no event loop waits at all. One read answers everybody
who asked before it began, and for ``CACHE_SECONDS`` everybody after, unless a socket of
this very process opened or closed since.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from django_socket_status.backends import get_backend
from django_socket_status.backends.base import BaseBackend
from django_socket_status.conf import SETTING, get_settings
from django_socket_status.exceptions import (
    BackendError,
    BackendUnusableError,
    StatusUnavailableError,
)
from django_socket_status.forks import after_fork
from django_socket_status.lanes import Lane, NotInTimeError, aresult, result
from django_socket_status.readings import Known, Reading, with_own
from django_socket_status.registry import Registry, registry
from django_socket_status.reporter import Reporter, reporter

__all__ = ["StatusReader", "status_reader"]

logger = logging.getLogger("django_socket_status")

T = TypeVar("T")

#: The longest that a caller waits for the backend. Less than the second that is
#: promised, since whoever asked has something to do as well.
READ_SECONDS = 0.8
#: How long a read waits for a report of this process that is on its way.
FLUSH_SECONDS = 0.25
#: Questions other than the summary that may wait for an answer.
QUESTIONS = 64


class StatusReader:
    """Reads the current backend for this process.

    Safe from any thread and any event loop.

    Args:
        registry: What this process knows.
        reporter: Who reports it.
        read_seconds: The longest that a caller waits.
        clock: Seconds that never go back; for tests.
    """

    def __init__(
        self,
        registry: Registry,
        reporter: Reporter,
        *,
        read_seconds: float = READ_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._reporter = reporter
        self.read_seconds = read_seconds
        self._clock = clock
        self._summaries = Lane("django-socket-status-reader", 1, clock=clock)
        self._questions = Lane("django-socket-status-questions", QUESTIONS, clock=clock)
        self._known = Known()

    def reset(self) -> None:
        """Start anew, as in a forked child or when the backend is another one."""
        self._summaries.reset()
        self._questions.reset()
        self._known = Known()

    def read(self) -> Reading:
        """Return the status; waits less than a second.

        Raises:
            StatusUnavailableError: there is no answer to stand for.
        """
        known = self._known
        reading = self._kept(known)
        if reading is not None:
            return reading
        try:
            return result(self._queue(known), self.read_seconds)
        except Exception as error:  # noqa: BLE001 - a backend is somebody's code
            return self._fallback(known, error)

    async def aread(self) -> Reading:
        """Return the status, as :meth:`read`, without holding up the event loop."""
        known = self._known
        reading = self._kept(known)
        if reading is not None:
            return reading
        try:
            return await aresult(self._queue(known), self.read_seconds)
        except Exception as error:  # noqa: BLE001 - a backend is somebody's code
            return self._fallback(known, error)

    def ask(self, question: Callable[[BaseBackend], T]) -> T:
        """Return the backend's answer to a question; waits less than a second.

        Raises:
            StatusUnavailableError: there is none in time.
        """
        try:
            future = self._submit(question)
            try:
                return result(future, self.read_seconds)
            finally:
                # If it still waits for its turn, nobody waits for it.
                future.cancel()
        except Exception as error:
            raise _unavailable(error) from error

    async def aask(self, question: Callable[[BaseBackend], T]) -> T:
        """Return the backend's answer, as :meth:`ask`."""
        try:
            future = self._submit(question)
            try:
                return await aresult(future, self.read_seconds)
            finally:
                future.cancel()
        except Exception as error:
            raise _unavailable(error) from error

    def holds_user(self, user_id: str) -> bool:
        """Return whether this very process is sure to hold a connection of a user."""
        return not self._registry.is_dirty and user_id in self._registry.users

    def own_users(self) -> frozenset[str]:
        """Return the users of this process that are not in the backend's answers."""
        # The tuple is made in one step: the reporter may be changing the dictionary.
        return frozenset(tuple(self._registry.users) if self._is_unreported else ())

    def verify_reported(self) -> None:
        """See that the backend knows what this process holds.

        Raises:
            BackendError: it does not.
        """
        if self._is_unreported:
            raise BackendError(
                "what this process itself holds cannot be reported "
                f"({_reason(self._reporter.failure)})"
            )

    @property
    def _is_unreported(self) -> bool:
        return self._reporter.failure is not None and bool(self._registry.counts)

    def _fresh(self, known: Known) -> Reading | None:
        """Return the last reading while it is one to give to the next caller too."""
        last = known.last
        if (
            last is None
            or self._registry.is_dirty
            or last.version is not self._registry.version
            or self._clock() >= last.read_at + get_settings().cache_seconds
        ):
            return None
        return last

    def _kept(self, known: Known) -> Reading | None:
        """Return what is there without a read; ``None`` when it is time for one.

        After one that failed: in a heartbeat, as for reports, unless nothing is kept.
        """
        reading = self._fresh(known)
        # Whoever reads at this moment may change it.
        failed = known.failed
        if reading is not None or failed is None:
            return reading
        failed_at, error = failed
        settings = get_settings()
        seconds = settings.heartbeat_seconds if settings.cache_seconds else 0
        if self._clock() >= failed_at + seconds:
            return None
        return self._fallback(known, error)

    def _queue(self, known: Known) -> Future[Reading]:
        """Return the future of a read that has not begun."""
        with known.lock:
            self._verify_running(self._summaries)
            if known.queued is None:
                after_fork(self.reset)
                known.queued = self._summaries.submit(
                    functools.partial(self._read, known)
                )
            return known.queued

    def _submit(self, question: Callable[[BaseBackend], T]) -> Future[T]:
        def answer() -> T:
            self._reporter.flush(FLUSH_SECONDS)
            return question(get_backend())

        self._verify_running(self._questions)
        after_fork(self.reset)
        return self._questions.submit(answer)

    def _verify_running(self, lane: Lane) -> None:
        """Let nobody wait for a backend that others wait for in vain already."""
        if lane.busy_seconds >= self.read_seconds:
            raise NotInTimeError(
                f"there was no answer within {self.read_seconds:g} seconds"
            )

    def _read(self, known: Known) -> Reading:
        with known.lock:
            known.queued = None
        # A crowd that came during the read before this one may have its answer.
        try:
            reading = self._fresh(known) or self._read_backend()
        except Exception as error:
            # Not where what this process has by the next time is an answer.
            if not isinstance(error, BackendUnusableError | ImproperlyConfigured):
                known.failed = self._clock(), error
            raise
        with known.lock:
            known.last, known.failed = reading, None
            ended, known.failing = known.failing, False
        if ended:
            logger.info("WebSocket status can be read again.")
        return reading

    def _read_backend(self) -> Reading:
        read_at = self._clock()
        try:
            backend = get_backend()
            is_reported = self._reporter.flush(FLUSH_SECONDS)
            version = self._reporter.reported_version
            snapshot = backend.read()
        except (BackendUnusableError, ImproperlyConfigured):
            own = self._read_own(read_at)
            if own is None:
                raise
            return own
        failure = self._reporter.failure
        if isinstance(failure, BackendUnusableError | ImproperlyConfigured):
            own = self._read_own(read_at)
            if own is not None:
                return own
        complete = snapshot.complete and all(it.complete for it in snapshot.workers)
        stale = not complete or not is_reported
        if failure is not None:
            stale, version = True, self._registry.version
        if failure is not None or not complete:
            # What this process knows is not, or may not be, in what was read.
            mine = self._reporter.own_snapshot(FLUSH_SECONDS)
            snapshot = snapshot if mine is None else with_own(snapshot, mine)
        return Reading(
            snapshot=snapshot,
            coverage=backend.coverage,
            read_at=read_at,
            taken_at=time.time(),
            stale=stale,
            whole=not stale,
            version=version,
        )

    def _read_own(self, read_at: float) -> Reading | None:
        """Return what this process alone knows, if it ever had a socket."""
        version = self._registry.version
        own = self._reporter.own_snapshot(FLUSH_SECONDS)
        if own is None:
            return None
        return Reading(
            snapshot=own,
            coverage="process",
            read_at=read_at,
            taken_at=time.time(),
            whole=False,
            version=version,
        )

    def _fallback(self, known: Known, error: Exception) -> Reading:
        """Return the last good reading, marked stale, while it is young enough."""
        with known.lock:
            began, known.failing = not known.failing, True
            last = known.last
            if last is not None and not last.stale:
                # One object for everybody, so that it is written out once.
                last = dataclasses.replace(last, stale=True, whole=False)
                known.last = last
        if began:
            logger.warning("WebSocket status cannot be read: %s", _reason(error))
        if last is not None:
            age = self._clock() - last.read_at
            if age < get_settings().stale_seconds:
                return last
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> StatusUnavailableError:
    return StatusUnavailableError(
        f"The status of the sockets is not known: {_reason(error)}"
    )


def _reason(error: Exception | None) -> str:
    return str(error) or type(error).__name__


#: The reader of this process.
status_reader = StatusReader(registry, reporter)


def _drop(*, setting: str, **kwargs: object) -> None:
    if setting == SETTING:
        status_reader.reset()


setting_changed.connect(_drop, dispatch_uid="django_socket_status.status")
