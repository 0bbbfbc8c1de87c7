"""A server that closes a WebSocket when it is told to, as real ones do."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.asgi_driver import CONNECT, Server, disconnect, turns


class ClosingServer(Server):
    """Tells the application that it has closed, as servers do.

    Args:
        blocked: Whether ``send`` blocks once the handshake is over.
        silent: Whether the application is told nothing.
        error: What ``send`` raises for a close.
        early: Whether the application is told before ``send`` returns.
    """

    def __init__(
        self,
        *,
        blocked: bool = False,
        silent: bool = False,
        error: Exception | None = None,
        early: bool = False,
    ) -> None:
        super().__init__(CONNECT)
        self.blocked, self.silent = blocked, silent
        self.error, self.early = error, early
        self.opened = asyncio.Event()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            if self.error is not None:
                raise self.error
            if self.early:
                self.put(disconnect(1005))
                await turns(5)
            if self.blocked:
                await self.opened.wait()
        await super().send(message)
        if message["type"] == "websocket.close" and not self.silent | self.early:
            self.put(disconnect(message["code"]))
