"""Reads the status of the deployment, once for all callers in this process.

The backend is read on separate threads: a caller waits at most ``read_seconds`` even if
the backend hangs, and an event loop never blocks. One read answers all callers that
called before it began. Its result also answers the callers of the next
``CACHE_SECONDS``, unless a socket of this process opens or closes.

There are four threads, so that a slow question does not delay a quick one: one reads
the summary, one answers quick questions, one searches, one encodes long answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import TypeVar

from django.core.signals import setting_changed

from django_socket_status.backends import get_backend
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.concurrency.daemon_executor import (
    Call,
    CallTimeoutError,
    DaemonExecutor,
    QueueFullError,
    aresult,
    result,
)
from django_socket_status.concurrency.forks import after_fork
from django_socket_status.conf import SETTING
from django_socket_status.exceptions import BackendError, StatusUnavailableError
from django_socket_status.registry.registry import Registry, registry
from django_socket_status.reporter.thread import Reporter, reporter
from django_socket_status.status.deployment import UNUSABLE_ERRORS, DeploymentSource
from django_socket_status.status.read_cache import ReadCache, reason_of, unavailable
from django_socket_status.status.reading import Reading

__all__ = ["StatusReader", "status_reader"]

T = TypeVar("T")

#: The longest that a caller waits for the backend: less than the promised second, so
#: that the caller has time for its own work.
READ_SECONDS = 0.8
#: How long a read waits for a report of this process that is being written.
FLUSH_SECONDS = 0.25
#: The most questions that wait on one thread.
QUESTIONS = 64
#: The names of the four threads.
THREADS = (
    "django-socket-status-reader",
    "django-socket-status-questions",
    "django-socket-status-searches",
    "django-socket-status-encodings",
)


class StatusReader:
    """Reads the current backend for this process.

    Safe from any thread and any event loop.

    Args:
        registry: The open connections of this process.
        reporter: Reports them.
        read_seconds: The longest that a caller waits.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        registry: Registry,
        reporter: Reporter,
        *,
        read_seconds: float = READ_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._registry = registry
        self._reporter = reporter
        self.read_seconds = read_seconds
        self._clock = clock
        self._executors = [
            DaemonExecutor(name, QUESTIONS, clock=clock) for name in THREADS
        ]
        self._summaries, self._questions, self._searches, self._encodings = (
            self._executors
        )
        self._source = DeploymentSource(registry, reporter)
        self._cache = self._new_cache()

    def reset(self) -> None:
        """Forget all readings and threads, as after a fork or a change of settings."""
        for executor in self._executors:
            executor.reset()
        self._cache = self._new_cache()

    def read(self) -> Reading:
        """Return the current reading; waits less than a second.

        If the backend cannot be read, returns the last reading, marked stale.

        Raises:
            StatusUnavailableError: the last reading is older than ``STALE_SECONDS``.
        """
        cache = self._cache
        reading = cache.without_read()
        if reading is not None:
            return reading
        try:
            return result(self._queue(cache), self.read_seconds)
        except Exception as error:  # noqa: BLE001 - a third party's backend
            return cache.fallback(error)

    async def aread(self) -> Reading:
        """Return the current reading, as :meth:`read`, without blocking the loop."""
        cache = self._cache
        reading = cache.without_read()
        if reading is not None:
            return reading
        try:
            return await aresult(self._queue(cache), self.read_seconds)
        except Exception as error:  # noqa: BLE001 - a third party's backend
            return cache.fallback(error)

    def latest(self) -> Reading | None:
        """Return the last reading without waiting, and begin a read if one is due.

        For sync code on an event loop. The reading is marked stale if a socket of this
        process opened or closed since. ``None`` if it is older than ``STALE_SECONDS``.
        """
        cache = self._cache
        try:
            reading = cache.without_read()
            if reading is not None:
                return reading
            # Before a read is queued: its thread resets this when the read succeeds.
            failed = cache.failed
            failure = failed and failed[1]
            try:
                self._queue(cache)
            except Exception as error:  # noqa: BLE001 - no thread, or a read hangs
                failure = error
            return cache.latest() if failure is None else cache.fallback(failure)
        except StatusUnavailableError:
            return None

    def ask(
        self,
        question: Callable[[BaseBackend], T],
        *,
        searches: bool = False,
        used_seconds: float = 0.0,
    ) -> T:
        """Return the backend's answer to a question; waits less than a second.

        Args:
            question: Called with the backend.
            searches: Whether the time of the answer grows with the number of
                connections or users. Such questions have a separate thread, so that
                quick ones do not wait for them.
            used_seconds: How long the caller has waited for another answer already.

        Raises:
            StatusUnavailableError: the backend fails or does not answer in time.
        """
        with self._asking(question, searches=searches) as call:
            return result(call, max(0.0, self.read_seconds - used_seconds))

    async def aask(
        self,
        question: Callable[[BaseBackend], T],
        *,
        searches: bool = False,
        used_seconds: float = 0.0,
    ) -> T:
        """Return the backend's answer, as :meth:`ask`."""
        with self._asking(question, searches=searches) as call:
            return await aresult(call, max(0.0, self.read_seconds - used_seconds))

    async def aencode(self, encode: Callable[[], T]) -> T:
        """Return what a function returns that computes for long, off the event loop.

        Raises:
            StatusUnavailableError: no result in the time of a read, or no thread.
        """
        try:
            return await aresult(self._encodings.submit(encode), self.read_seconds)
        except (CallTimeoutError, QueueFullError, RuntimeError) as error:
            raise unavailable(error) from error

    def holds_user(self, user_id: str) -> bool:
        """Return whether this process holds a user's connection; false if in doubt."""
        return not self._registry.is_dirty and user_id in self._registry.users

    def own_users(self) -> frozenset[str]:
        """Return the users of this process if it cannot report them to the backend."""
        # A list of it is atomic: the reporter's thread may change the dictionary.
        return frozenset([*self._registry.users] if self._is_unreported else ())

    def remember_unknown_type(self, kind: str) -> bool:
        """Remember an unknown type; return whether to log it: once, 100 in all."""
        return self._cache.remember_unknown_type(kind)

    def verify_reported(self) -> None:
        """Verify that the connections of this process are reported.

        Raises:
            BackendError: reporting fails.
        """
        if self._is_unreported:
            raise BackendError(
                "what this process itself holds cannot be reported "
                f"({reason_of(self._reporter.failure)})"
            )

    @property
    def _is_unreported(self) -> bool:
        return self._reporter.failure is not None and bool(self._registry.counts)

    def _queue(self, cache: ReadCache) -> Call[Reading]:
        """Return a read that has not begun."""
        with cache.lock:
            self._verify_not_stuck(self._summaries)
            queued = cache.queued
            if queued is None or queued.began_at is not None:
                read = functools.partial(self._read, cache)
                queued = cache.queued = self._summaries.submit(read)
            return queued

    def _submit(
        self, question: Callable[[BaseBackend], T], *, searches: bool
    ) -> Call[T]:
        executor = self._searches if searches else self._questions

        def answer() -> T:
            self._reporter.flush(FLUSH_SECONDS)
            return question(get_backend())

        self._verify_not_stuck(executor)
        return executor.submit(answer)

    @contextlib.contextmanager
    def _asking(
        self, question: Callable[[BaseBackend], T], *, searches: bool
    ) -> Iterator[Call[T]]:
        """Yield the call that answers a question, for a caller that waits for it."""
        try:
            call = self._submit(question, searches=searches)
            try:
                yield call
            finally:
                # If the question still waits in the queue, its caller gave up: drop it.
                call.cancel()
        except Exception as error:
            raise unavailable(error) from error

    def _verify_not_stuck(self, executor: DaemonExecutor) -> None:
        """Fail at once if a call has been running longer than a caller waits."""
        if executor.busy_seconds >= self.read_seconds:
            raise CallTimeoutError(
                f"there was no answer within {self.read_seconds:g} seconds"
            )

    def _read(self, cache: ReadCache) -> Reading:
        # These callers came while another read ran, and its result may be current.
        try:
            reading = cache.fresh() or self._read_all(cache)
        except Exception as error:
            # Else this process answers for itself as soon as it has a socket.
            if not isinstance(error, UNUSABLE_ERRORS):
                cache.keep_failure(error)
            raise
        cache.keep(reading)
        return reading

    def _read_all(self, cache: ReadCache) -> Reading:
        reading = self._source.read(self._clock(), FLUSH_SECONDS)
        served = cache.endpoints.look(get_backend, reading.read_at)
        return dataclasses.replace(reading, served=served)

    def _new_cache(self) -> ReadCache:
        return ReadCache(self._registry, self._clock)


#: The reader of this process.
status_reader = StatusReader(registry, reporter)
after_fork(status_reader.reset)


def _drop(*, setting: str, **kwargs: object) -> None:
    if setting in (SETTING, "ASGI_APPLICATION"):
        status_reader.reset()


setting_changed.connect(_drop, dispatch_uid="django_socket_status.status")
