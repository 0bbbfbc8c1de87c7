"""Isolates tests from each other: settings, threads and open connections."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.test import override_settings
from django.test.utils import TestContextDecorator

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.conf import SETTING
from django_socket_status.endpoints import loaded
from django_socket_status.live import authorization
from django_socket_status.operations import audit
from django_socket_status.operations.revoking import revoker
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.status.reader import status_reader

__all__ = ["isolated_socket_status", "reset_socket_status"]

F = TypeVar("F", bound=Callable[..., Any])

#: How long :func:`reset_socket_status` waits for threads.
SETTLE_SECONDS = 10.0

MEMORY_BACKEND = "django_socket_status.backends.memory.MemoryBackend"


class isolated_socket_status(TestContextDecorator):
    """Run a test with its own settings, and without connections of other tests.

    A context manager, also for ``async with``, and a decorator. It decorates functions
    (plain, ``async``, and generators such as fixtures) and subclasses of
    ``unittest.TestCase``, whose tests are then isolated one by one.

    Args:
        **settings: The keys of ``SOCKET_STATUS``. ``BACKEND`` is the ``memory`` backend
            by default.

    Raises:
        TypeError: it decorates a class of another kind, or a plain function that
            returned a coroutine or a generator. Such a result would run after the
            isolation has ended.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._settings = {"BACKEND": MEMORY_BACKEND, **settings}
        #: The innermost is last, since a decorated function may call itself.
        self._overrides: list[override_settings] = []

    def enable(self) -> None:
        """Begin: forget all earlier connections, and apply the settings."""
        reset_socket_status()
        override = override_settings(**{SETTING: self._settings})
        override.enable()
        self._overrides.append(override)

    def disable(self) -> None:
        """End: forget all connections, and restore the settings."""
        try:
            reset_socket_status()
        finally:
            try:
                self._overrides.pop().disable()
            finally:
                loaded.reset()

    async def __aenter__(self) -> None:
        self.enable()

    async def __aexit__(self, *error: object) -> None:
        self.disable()

    def decorate_callable(self, func: F) -> F:
        """Return a function of the same kind that runs isolated as a whole."""
        return cast(F, self._decorated(func))

    def _decorated(self, func: Callable[..., Any]) -> Callable[..., Any]:
        if iscoroutinefunction(func):
            return self._decorate_coroutine(func)
        if inspect.isasyncgenfunction(func):
            return self._decorate_async_generator(func)
        if inspect.isgeneratorfunction(func):
            return self._decorate_generator(func)

        @functools.wraps(func)
        def isolated(*args: Any, **kwargs: Any) -> Any:
            with self:
                result = func(*args, **kwargs)
                _refuse_unfinished(result)
                return result

        return isolated

    def _decorate_coroutine(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        async def isolated(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await func(*args, **kwargs)

        return isolated

    def _decorate_generator(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def isolated(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with self:
                yield from func(*args, **kwargs)

        return isolated

    def _decorate_async_generator(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        async def isolated(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with self:
                async with contextlib.aclosing(func(*args, **kwargs)) as items:
                    async for item in items:
                        yield item

        return isolated


def _refuse_unfinished(result: object) -> None:
    if inspect.iscoroutine(result):
        result.close()
    elif not (inspect.isgenerator(result) or inspect.isasyncgen(result)):
        return
    raise TypeError(
        f"isolated_socket_status() decorates a plain function that returned a "
        f"{type(result).__name__}, which would run after the isolation. Decorate the "
        "async or generator function itself."
    )


def reset_socket_status() -> None:
    """Say goodbye, end every thread of this package, and forget every connection.

    Waits for the threads, so that none of them acts in the next test. Gives up on a
    backend or a receiver that hangs after :data:`SETTLE_SECONDS`.
    """
    due = monotonic() + SETTLE_SECONDS
    threads = own_threads()
    reporter.stop(SETTLE_SECONDS)
    reporter.reset()
    status_reader.reset()
    authorization.reset()
    audit.reset()
    revoker.reset()
    for thread in threads:
        thread.join(max(0.0, due - monotonic()))
    # Again, since the threads may have started a reporter until they ended.
    reporter.stop(SETTLE_SECONDS)
    reporter.reset()
    registry.reset()
    loaded.reset()


def own_threads() -> list[threading.Thread]:
    """Return the threads of this package without the current one."""
    me = threading.current_thread()
    found = (it for it in threading.enumerate() if it is not me)
    return [it for it in found if it.name.startswith("django-socket-status-")]
