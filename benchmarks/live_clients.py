"""Clients that cost little: they count the messages they hear, and read none."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from typing import cast

__all__ = ["Client", "ask", "open_clients"]

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
#: Opened at a time.
TOGETHER = 50


class Client(asyncio.Protocol):
    """One WebSocket: RFC 6455, sections 4.1 and 5.2."""

    def __init__(self, path: str) -> None:
        self.heard = 0
        loop = asyncio.get_running_loop()
        self.opened = loop.create_future()
        self.closed = loop.create_future()
        #: When the close frame of the server came, by ``time.monotonic()``.
        self.closed_at: float | None = None
        self._says_goodbye = False
        self._path = path
        self._buffer = b""
        self._wanted = 0
        self._enough: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Count messages, answer pings."""
        self._buffer += data
        if not self.opened.done():
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self._buffer = rest
            self.opened.set_result(head.split(None, 2)[1] == b"101")
        while (frame := self._frame()) is not None:
            kind, content = frame
            if kind == TEXT:
                self.heard += 1
            elif kind == PING:
                self._send(PONG, content)
            elif kind == CLOSE and self.closed_at is None:
                self.closed_at = time.monotonic()
                if not self._says_goodbye:
                    self._send(CLOSE, content[:2])
        if self._enough and self.heard >= self._wanted and not self._enough.done():
            self._enough.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        self.closed.set_result(None)

    async def has_heard(self, messages: int) -> None:
        """Wait until it has heard so many messages."""
        if self.heard < messages:
            self._wanted = messages
            self._enough = asyncio.get_running_loop().create_future()
            await self._enough

    def close(self) -> None:
        """Say goodbye; the server hangs up."""
        self._says_goodbye = True
        self._send(CLOSE, b"\x03\xe8")

    def _send(self, kind: int, content: bytes) -> None:
        # A mask of zeros leaves the content as it is.
        head = bytes((0x80 | kind, 0x80 | len(content)))
        self._transport.write(head + bytes(4) + content)

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, size = 2, buffer[1]
        if size == 126:
            start, size = 4, int.from_bytes(buffer[2:4], "big")
        if len(buffer) < start + size:
            return None
        self._buffer = buffer[start + size :]
        return buffer[0] & 0xF, buffer[start : start + size]


async def open_clients(port: int, path: str, count: int) -> list[Client]:
    """Open connections to a path, and wait until all of them are accepted."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    while len(clients) < count:
        made = await asyncio.gather(
            *(
                loop.create_connection(lambda: Client(path), "127.0.0.1", port)
                for _ in range(min(TOGETHER, count - len(clients)))
            )
        )
        clients += [client for _, client in made]
        assert all(await asyncio.gather(*(client.opened for _, client in made)))
    return clients


async def ask(
    port: int, path: str, *, etag: str = "", times: int = 1
) -> dict[str, str]:
    """Ask for a page, again and again over one connection.

    Returns:
        The headers of the last answer, and its ``status``.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    known = f"If-None-Match: {etag}\r\n" if etag else ""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{known}\r\n".encode()
    answer: dict[str, str] = {}
    for _ in range(times):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        answer = {name.lower(): value.strip() for name, _, value in pairs}
        answer["status"] = status.split()[1]
        await reader.readexactly(int(answer.get("content-length", 0)))
    writer.close()
    await writer.wait_closed()
    return answer
