"""Who competes: the bare application, the floor, and ours through both doors."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from typing import Any, cast

from benchmarks.applications import (
    Echo,
    EchoConsumer,
    Floor,
    PassThrough,
    TrackedEcho,
    TrackedEchoConsumer,
)
from benchmarks.drivers import Driver, OverChannels, Raw
from benchmarks.settings import DIRECTORY
from django_socket_status.asgi import Application
from django_socket_status.conf import get_settings
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status

__all__ = [
    "AGAIN",
    "BARE",
    "FIRST",
    "FLOOR",
    "MIDDLEWARE",
    "MIXIN",
    "PASS_THROUGH",
    "Base",
    "Contestant",
    "bases",
    "contestants",
    "settle",
]

BARE, AGAIN, PASS_THROUGH, FLOOR = "bare", "bare again", "pass-through", "floor"
MIDDLEWARE, MIXIN = "middleware", "mixin"

#: Connections that come before those that are measured.
FIRST = 2

BACKENDS = {
    "memory": "django_socket_status.backends.memory.MemoryBackend",
    "sqlite": "django_socket_status.backends.sqlite.SqliteBackend",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Base:
    """What is tracked, and how it is driven."""

    name: str
    driver: Driver
    #: The application itself.
    bare: Application
    #: The same with our mixin.
    mixed: Application


def bases() -> tuple[Base, Base]:
    """Return the ten-line application, and Channels."""
    return (
        Base("raw", Raw(), Echo.as_asgi(), TrackedEcho.as_asgi()),
        Base(
            "channels",
            OverChannels(),
            EchoConsumer.as_asgi(),
            TrackedEchoConsumer.as_asgi(),
        ),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A way to track."""

    name: str
    app: Application
    #: Which backend ours reports to: one of ``BACKENDS``, or the path of a class.
    backend: str = "memory"

    @contextlib.contextmanager
    def measured(self, **given: Any) -> Iterator[None]:
        """Start from nothing, and end with nothing left behind.

        The same around everybody: settings that are overridden are slower to read, and
        Channels reads one for each connection.

        Args:
            **given: What else ``SOCKET_STATUS`` holds.
        """
        # Its own: two processes of ``instructions`` must not wait for each other.
        status = DIRECTORY / f"status-{os.getpid()}"
        options = {"path": status} if self.backend == "sqlite" else {}
        backend = BACKENDS.get(self.backend, self.backend)
        with isolated_socket_status(BACKEND=backend, OPTIONS=options, **given):
            yield

    def warm_up(self, driver: Driver) -> None:
        """Drive the first connections, and see that ours records what it should.

        They start the reporter, open its file and walk the routes. A contestant that
        does not do its work is fast.
        """
        pages = []

        def look() -> None:
            settle()
            pages.append(SocketStatusService.get_connections())

        driver.hold(self.app, FIRST, look)
        while_open, after = pages
        told = [it for it in while_open if it.user_id and it.endpoint and it.labels]
        if len(after) or len(told) != (FIRST if self.is_ours else 0):
            raise RuntimeError(f"{self.name} records {while_open}, and then {after}")

    @property
    def is_ours(self) -> bool:
        """Return whether this is one of our doors."""
        return self.name.startswith((MIDDLEWARE, MIXIN))


def contestants(base: Base, *backends: str) -> list[Contestant]:
    """Return everybody who competes on a base; ours once for each backend."""
    others: dict[str, Application] = {
        BARE: _with_a_class_of_its_own(base.bare),
        AGAIN: _with_a_class_of_its_own(base.bare),
        PASS_THROUGH: PassThrough(_with_a_class_of_its_own(base.bare)),
        FLOOR: Floor(_with_a_class_of_its_own(base.bare)),
    }
    doors: dict[str, Application] = {
        MIDDLEWARE: SocketStatusMiddleware(base.bare),
        MIXIN: base.mixed,
    }
    return [
        *(Contestant(name=name, app=app) for name, app in others.items()),
        *(
            Contestant(name=f"{door}, {backend}", app=app, backend=backend)
            for backend in backends
            for door, app in doors.items()
        ),
    ]


def _with_a_class_of_its_own(app: Any) -> Application:
    """Return the same application, of another class.

    What CPython has learned of a class serves it alone, and the mixin has its own.
    """
    cls = app.consumer_class
    return cast(Application, type(cls.__name__, (cls,), {}).as_asgi())


def settle() -> None:
    """Wait until the reporter has reported all there is.

    Everybody waits: time passes, and caches grow cold, also where nothing is reported.
    """
    _pause()
    while registry.is_dirty:
        _pause()
    # It holds its lock until the backend has the report.
    reporter.flush()


def _pause() -> None:
    time.sleep(get_settings().report_interval_seconds * 1.2)
