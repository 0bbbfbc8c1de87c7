"""The test kit: opens sockets, says what is open, and orders faults."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any
from unittest import mock

from django.conf import settings

from django_socket_status.asgi import Application
from django_socket_status.backends import get_backend
from django_socket_status.conf import SETTING, get_settings
from django_socket_status.operations import audit
from django_socket_status.signals import disconnect_requested
from django_socket_status.status import reader
from django_socket_status.testing import faults
from django_socket_status.testing.assertions import Assertions
from django_socket_status.testing.backend import KitBackend
from django_socket_status.testing.fakes import Clock
from django_socket_status.testing.isolation import isolated_socket_status

if TYPE_CHECKING:
    from django_socket_status.testing.sockets import Socket

__all__ = ["AskedDisconnect", "SocketStatusKit"]

#: The longest wait for threads. A passing test waits for milliseconds.
SECONDS = 30.0

BACKEND = "django_socket_status.testing.backend.KitBackend"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AskedDisconnect:
    """One call of ``SocketStatusService.disconnect()``."""

    selector: Mapping[str, Any]
    """What was selected, such as ``{"user_id": "7"}``."""
    code: int
    """The close code."""
    reason: str
    """The close reason."""
    requested_by: str
    """Who asked for it, as the caller says."""
    dry_run: bool
    """Whether nothing was to be closed."""


class SocketStatusKit(Assertions, AbstractContextManager["SocketStatusKit"]):
    """The status of one test, in memory, with a clock that stands still.

    A context manager. At its end, a WebSocket that is still open is an error.

    Args:
        allow_open: Whether sockets may still be open at the end.
        **settings: Keys of ``SOCKET_STATUS``, over those of the project.
    """

    def __init__(self, *, allow_open: bool = False, **settings: Any) -> None:
        self.allow_open = allow_open
        #: What was asked of ``disconnect()`` and ``adisconnect()``, oldest first.
        self.disconnects: list[AskedDisconnect] = []
        self._settings = settings
        self._clock = Clock()
        #: By how many seconds the clock of readers is ahead of that of the leases.
        self._ahead = 0.0
        self._sockets: set[Socket] = set()
        self._keeps_databases = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> SocketStatusKit:
        with contextlib.ExitStack() as stack:
            patch = mock.patch.object
            given = dict(getattr(settings, SETTING, {}))
            options = {"BACKEND": BACKEND, "OPTIONS": {"clock": self._clock}}
            stack.enter_context(patch(reader.status_reader, "_clock", self._now))
            stack.enter_context(
                isolated_socket_status(**{**given, **options, **self._settings})
            )
            stack.enter_context(patch(reader.status_reader, "read_seconds", SECONDS))
            stack.enter_context(patch(reader, "FLUSH_SECONDS", SECONDS))
            stack.enter_context(patch(audit, "RECEIVER_SECONDS", SECONDS))
            disconnect_requested.connect(self._note_disconnect)
            stack.callback(disconnect_requested.disconnect, self._note_disconnect)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, error: type[BaseException] | None, *more: object) -> None:
        with self._stack:
            if error is None and not self.allow_open:
                self.verify_closed()

    def _now(self) -> float:
        return self._clock.now + self._ahead

    def _note_disconnect(self, sender: object, **facts: Any) -> None:
        names = [field.name for field in dataclasses.fields(AskedDisconnect)]
        self.disconnects.append(AskedDisconnect(**{it: facts[it] for it in names}))

    def open(
        self,
        target: str | Application,
        *,
        path: str = "/",
        user: object = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        may_be_rejected: bool = False,
    ) -> AbstractAsyncContextManager[Socket]:
        """Return a WebSocket for ``async with``, which closes it in any case.

        It is Channels' ``WebsocketCommunicator``, so Daphne has to be installed.

        Args:
            target: A path, which ``ASGI_APPLICATION`` serves, or an ASGI application.
            path: The path, if ``target`` is an application.
            user: Who is logged in: the user of the scope.
            headers: Headers beside ``Host`` and ``Origin``.
            subprotocols: The subprotocols that the client offers.
            may_be_rejected: Whether the application may reject the handshake; look at
                ``accepted`` and ``close_code`` then.

        Raises:
            RuntimeError: no event loop runs.
            AssertionError: the handshake was rejected; from ``async with``.
        """
        _verify_loop()
        return self._open(
            target,
            path=path,
            user=user,
            headers=headers or {},
            subprotocols=subprotocols,
            may_be_rejected=may_be_rejected,
        )

    @contextlib.asynccontextmanager
    async def _open(
        self, target: str | Application, **how: Any
    ) -> AsyncIterator[Socket]:
        # Channels' communicator imports Daphne, which a project may not have.
        from django_socket_status.testing.sockets import open_socket

        self._keep_databases_open()
        async with open_socket(target, **how) as socket:
            self._sockets.add(socket)
            # The clock stands still, so no report is due. Samples and lists need one.
            faults.report_now()
            try:
                yield socket
            finally:
                self._sockets.discard(socket)

    def _keep_databases_open(self) -> None:
        """Let no consumer close the database connection of the test."""
        if not self._keeps_databases:
            self._keeps_databases = True
            patch = mock.patch("channels.db.close_old_connections", lambda: None)
            self._stack.enter_context(patch)

    async def settle(self) -> None:
        """Wait until the receivers of the signals have seen all that happened.

        Raises:
            TimeoutError: a receiver hangs.
        """
        faults.report_now()
        if not await asyncio.to_thread(faults.finish_events, SECONDS):
            raise TimeoutError(
                f"A receiver of the socket signals has not returned for {SECONDS:g} "
                "seconds."
            )

    @property
    def backend(self) -> KitBackend:
        """Return the backend of the test.

        Raises:
            TypeError: the test has set another ``BACKEND``.
        """
        backend = get_backend()
        if not isinstance(backend, KitBackend):
            raise TypeError(
                f"Faults and time need the backend of the test kit, {BACKEND}; "
                f"SOCKET_STATUS['BACKEND'] is {get_settings().backend!r}."
            )
        return backend

    async def kill_worker(self) -> None:
        """Kill this worker, as ``kill -9`` would: its sockets and reports end.

        Its connections are in the answers until :meth:`advance` has let its lease end.
        Sockets that you open later belong to another worker.
        """
        _ = self.backend
        faults.forget_worker()
        self._pass()
        for socket in tuple(self._sockets):
            await socket.lose()

    @contextlib.contextmanager
    def freeze_worker(self) -> Iterator[None]:
        """Hold back the reports of this worker while the block runs.

        Its sockets stay open. Open and close none in the block.
        """
        with faults.frozen(self.backend):
            yield
        self._pass()

    @contextlib.contextmanager
    def backend_down(self) -> Iterator[None]:
        """Make each call of the backend fail while the block runs."""
        with faults.backend_is_down(self.backend):
            self._pass()
            yield
        self._pass()

    def flush(self) -> None:
        """Empty the backend, as a flush of Redis does.

        This worker reports everything again after the next second of :meth:`advance`.
        """
        faults.flush_backend(self.backend)
        self._pass()

    def advance(self, seconds: float) -> None:
        """Let time pass for leases, lists and history. This worker goes on reporting.

        No other clock moves. Use time-machine or freezegun for that of your project.
        """
        faults.advance(self.backend, seconds)
        self._pass()

    def _pass(self) -> None:
        """Advance the clock of readers past what they cache: answers and failures."""
        settings = get_settings()
        self._ahead += max(settings.cache_seconds, settings.heartbeat_seconds)


def _verify_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "A WebSocket needs an event loop, and this test is a plain function. Write "
            "it as `async def`, and open the socket with `async with`."
        ) from None
