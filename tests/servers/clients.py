"""A WebSocket client that misbehaves: it leaves by RST or FIN, says nothing, or stays.

For well-behaved ones there is the ``websockets`` package.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
from types import TracebackType

TEXT, CLOSE, PING = 0x1, 0x8, 0x9
SECONDS = 15


class RawClient:
    """One connection, spoken by hand: RFC 6455, sections 4.1 and 5.2.

    It answers no ping and no close frame.

    Args:
        port: Where the server listens, on the loopback interface.
        path: What to ask for.
        wait: Whether to wait for the end of the handshake.
    """

    def __init__(self, port: int, path: str, *, wait: bool = True) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._buffer = b""
        self.status = 0
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        if wait:
            self.handshake()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def handshake(self) -> int:
        """Return the status of the server's answer: 101 if it accepts."""
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])
        return self.status

    def say(self, text: str) -> None:
        """Send a text message."""
        self._send(TEXT, text.encode())

    def close(self, code: int | None = None, reason: str = "") -> None:
        """Send a close frame, and keep the connection."""
        content = b"" if code is None else struct.pack("!H", code) + reason.encode()
        self._send(CLOSE, content)

    def hear(self) -> str:
        """Return the next text message."""
        kind, content = self._frame()
        while kind == PING:
            kind, content = self._frame()
        assert kind == TEXT, (kind, content)
        return content.decode()

    def ask(self, text: str) -> str:
        """Send a message and return what comes back."""
        self.say(text)
        return self.hear()

    def hear_end(self) -> int | None:
        """Return the code of the server's close frame; ``None`` if it just hangs up."""
        try:
            kind, content = self._frame()
            while kind != CLOSE:
                kind, content = self._frame()
        except ConnectionError:
            return None
        return struct.unpack("!H", content[:2])[0] if content else 0

    def finish(self) -> None:
        """Leave with a FIN and no close frame, as a process that ends does."""
        self._socket.close()

    def reset(self) -> None:
        """Leave with a RST, as a machine that crashed and came back does."""
        linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    def _send(self, kind: int, content: bytes) -> None:
        assert len(content) < 126
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(content))
        head = bytes((0x80 | kind, 0x80 | len(content)))
        self._socket.sendall(head + mask + masked)

    def _frame(self) -> tuple[int, bytes]:
        first, second = self._take(2)
        assert second < 126, "only short frames without a mask are read"
        return first & 0xF, self._take(second)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += self._more()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _more(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionResetError("the server hung up")
        return received
