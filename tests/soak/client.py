"""A WebSocket client that costs little: hundreds are open, and 100,000 come and go.

RFC 6455, sections 4.1 and 5.2, by hand on asyncio's protocols: a connection has no
task and no stream. It answers pings and close frames, and knows whether it is open.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

#: Of SO_LINGER: the end of the connection is a RST.
ABORT = struct.pack("ii", 1, 0)

#: A nonce, which must be new only where a proxy might cache answers.
KEY = "c29ja2V0LXN0YXR1cy1vaw=="


class Client(asyncio.Protocol):
    """One connection, to a worker on the loopback interface.

    Args:
        path: What to ask for.
        headers: Further lines of the handshake, each with its end.
    """

    def __init__(self, path: str, headers: str = "") -> None:
        self._path = path
        self._headers = headers
        self._buffer = b""
        self._asked: deque[asyncio.Future[str]] = deque()
        loop = asyncio.get_running_loop()
        #: The status of the answer to the handshake: 101 if accepted, 0 if none came.
        self.answered: asyncio.Future[int] = loop.create_future()
        #: Done when nothing more can come.
        self.ended: asyncio.Future[None] = loop.create_future()
        #: Why the server closed it, if it did.
        self.reason = ""
        #: Whether there is a WebSocket, as far as this side can know.
        self.is_open = False

    async def connect(self, port: int, seconds: float) -> int:
        """Return the status of the answer; 0 if there was none in time."""
        try:
            return await asyncio.wait_for(self._handshake(port), seconds)
        except (OSError, asyncio.TimeoutError):
            self.reset()
            return 0

    async def _handshake(self, port: int) -> int:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port)
        return await asyncio.shield(self.answered)

    # What the client does.

    def say(self, text: str) -> None:
        """Send a text message."""
        self._send(TEXT, text.encode())

    async def ask(self, text: str) -> str | None:
        """Send a message; return what comes back, ``None`` if it is the end."""
        if not self.is_open:
            return None
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self.say(text)
        await asyncio.wait((answer, self.ended), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None

    def close(self, code: int = 1000) -> None:
        """Leave as one should, by a close frame."""
        if self.is_open:
            self.is_open = False
            self._send(CLOSE, struct.pack("!H", code))

    def finish(self) -> None:
        """Leave with a FIN and no close frame, as a process that ends does."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Leave with a RST, as a machine that crashed and came back does."""
        self.is_open = False
        if self._transport is not None:
            there = self._transport.get_extra_info("socket")
            if there.fileno() >= 0:
                there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            self._transport.abort()

    # What asyncio calls.

    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
            f"{self._headers}\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.answered.done():
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._buffer = rest
            status = int(head.split(None, 2)[1])
            self.is_open = status == 101
            self.answered.set_result(status)
            if not self.is_open:
                return self.finish()
        while self._read_frame():
            pass
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._transport = None
        if not self.answered.done():
            self.answered.set_result(0)
        # A task that waited for it may have been cancelled, and the future with it.
        if not self.ended.done():
            self.ended.set_result(None)

    # Frames.

    def _read_frame(self) -> bool:
        """Take one whole frame from what has come; return whether there was one."""
        if len(self._buffer) < 2:
            return False
        kind, size, begin = self._buffer[0] & 0xF, self._buffer[1], 2
        assert size < 127, "only frames below 64 KiB without a mask are read"
        if size == 126:
            size, begin = int.from_bytes(self._buffer[2:4], "big"), 4
        if len(self._buffer) < begin + size:
            return False
        content = self._buffer[begin : begin + size]
        self._buffer = self._buffer[begin + size :]
        self._take(kind, content)
        return True

    def _take(self, kind: int, content: bytes) -> None:
        if kind == PING:
            self._send(PONG, content)
        elif kind == CLOSE:
            self.reason = content[2:].decode()
            self.close()
            self.finish()
        elif kind == TEXT and self._asked and content.startswith(b"?"):
            self._asked.popleft().set_result(content.decode())

    def _send(self, kind: int, content: bytes) -> None:
        # A mask of zeros is one, and leaves the content as it is.
        if self._transport is not None:
            head = bytes((0x80 | kind, 0x80 | len(content), 0, 0, 0, 0))
            self._transport.write(head + content)
