"""WebSockets that a test opens, on Channels' communicator."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from channels.routing import get_default_application
from channels.testing import WebsocketCommunicator

from django_socket_status.asgi import Application, Message
from django_socket_status.concurrency.clock import monotonic

__all__ = ["SECONDS", "Socket", "open_socket"]

#: The longest wait for the application. A passing test waits for milliseconds.
SECONDS = 30.0

#: Headers that a browser sends, and that validators of hosts and origins read. Django's
#: test runners allow this host.
HEADERS = {"host": "testserver", "origin": "http://testserver"}


class _Sent(asyncio.Queue[Message]):
    """Messages of the application; each close is answered with a disconnect."""

    def __init__(self, received: asyncio.Queue[Message]) -> None:
        super().__init__()
        self._received = received

    async def put(self, message: Message) -> None:
        await super().put(message)
        if message["type"] == "websocket.close":
            self._received.put_nowait(_disconnect(message.get("code", 1000)))


class Socket(WebsocketCommunicator):  # type: ignore[misc]
    """A WebSocket, as a client sees it: Channels' communicator, more patient.

    Args:
        app: The ASGI application.
        path: The path, with a query string if there is one.
        headers: Headers of the handshake.
        subprotocols: The subprotocols that the client offers.
    """

    def __init__(
        self,
        app: Application,
        path: str,
        headers: Mapping[str, str],
        subprotocols: Sequence[str],
    ) -> None:
        super().__init__(app, path, _encoded(headers), list(subprotocols))
        self.scope.update(client=["127.0.0.1", 40000], server=["testserver", 80])
        self.path = path
        #: Whether the application accepted the handshake.
        self.accepted = False
        #: The subprotocol that the application chose.
        self.subprotocol: str | None = None
        #: The code with which the application rejected the handshake.
        self.close_code: int | None = None
        self._output_queue = _Sent(self.input_queue)
        self._is_lost = False
        #: What the application raised, once the test has seen it.
        self._seen: BaseException | None = None

    async def handshake(self) -> None:
        """Ask the application to accept."""
        accepted, answer = await self.connect(SECONDS)
        self.accepted = accepted
        if accepted:
            self.subprotocol = answer
        else:
            self.close_code = answer

    async def receive_output(self, timeout: float = SECONDS) -> Message:
        """Return the next message of the application.

        Raises:
            TimeoutError: there is none.
            Exception: the application raised it.
        """
        if self._is_lost:
            raise ConnectionResetError("The worker of this WebSocket was killed.")
        getter = asyncio.ensure_future(self.output_queue.get())
        # Channels' communicator waits on after the application has ended.
        await asyncio.wait(
            {getter, self.future}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if getter.done():
            message: Message = getter.result()
            return message
        getter.cancel()
        if self.future.done() and not self.future.cancelled():
            self._seen = self.future.exception()
            self.future.result()
        raise TimeoutError(f"The application of {self.path} sends nothing.")

    async def receive_from(self, timeout: float = SECONDS) -> str | bytes:
        """Return the next frame that the application sends."""
        frame: str | bytes = await super().receive_from(timeout)
        return frame

    async def receive_json_from(self, timeout: float = SECONDS) -> Any:
        """Return the next frame that the application sends, decoded from JSON."""
        return json.loads(await self.receive_from(timeout))

    async def receive_nothing(
        self, timeout: float = 0.1, interval: float = 0.01
    ) -> bool:
        """Return whether the application sends nothing for a while."""
        give_up_at = monotonic() + timeout
        while monotonic() < give_up_at:
            if not self.output_queue.empty():
                return False
            await asyncio.sleep(interval)
        return bool(self.output_queue.empty())

    async def send_input(self, message: Message) -> None:
        """Send the application a message."""
        if self._is_lost:
            raise ConnectionResetError("The worker of this WebSocket was killed.")
        await super().send_input(message)

    async def lose(self) -> None:
        """End the application as the end of its process does: without a message."""
        self._is_lost = True
        self.future.cancel()
        await asyncio.wait([self.future])

    async def end(self, code: int = 1000) -> None:
        """Disconnect the client, and wait until the application has ended.

        Raises:
            TimeoutError: the application has not ended; it is cancelled.
            Exception: the application raised it, and the test has not seen it.
        """
        if not self.future.done():
            self.input_queue.put_nowait(_disconnect(code))
            await asyncio.wait([self.future], timeout=SECONDS)
        if not self.future.done():
            self.future.cancel()
            await asyncio.wait([self.future], timeout=SECONDS)
            raise TimeoutError(
                f"The application of {self.path} has not ended {SECONDS:g} seconds "
                "after its client left. It was cancelled."
            )
        error = None if self.future.cancelled() else self.future.exception()
        if error is not None and error is not self._seen:
            raise error


@contextlib.asynccontextmanager
async def open_socket(
    target: str | Application,
    *,
    path: str,
    user: object,
    headers: Mapping[str, str],
    subprotocols: Sequence[str],
    may_be_rejected: bool,
) -> AsyncIterator[Socket]:
    """Open a WebSocket, and close it in any case; see :meth:`.SocketStatusKit.open`."""
    if isinstance(target, str):
        app, path = get_default_application(), target
    else:
        app = target
    socket = Socket(app, path, {**HEADERS, **headers}, subprotocols)
    if user is not None:
        socket.scope["user"] = user
    try:
        await socket.handshake()
        if not (socket.accepted or may_be_rejected):
            raise AssertionError(
                f"{path} was rejected with code {socket.close_code}. Pass "
                "may_be_rejected=True if that is what you test."
            )
        yield socket
    except BaseException:
        # The first error is the cause, so an error of the end is dropped.
        with contextlib.suppress(Exception):
            await socket.end()
        raise
    await socket.end()


def _disconnect(code: int) -> Message:
    return {"type": "websocket.disconnect", "code": code, "reason": ""}


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in headers.items()
    ]
