"""Listeners of live push in one process, and a summary that a test writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.live.application import LiveStatus
from django_socket_status.live.hub import Hub
from tests.support.asgi_driver import (
    CONNECT,
    Server,
    disconnect,
    scope_of,
    turns,
    until,
)

PATH = "/ws/socket-status/"


class Status:
    """What the service answers, and how often it was asked."""

    def __init__(self) -> None:
        self.sockets = 0
        self.reads = 0
        self.error: Exception | None = None
        self.before: Callable[[], Any] | None = None

    async def __call__(self) -> dict[str, Any]:
        self.reads += 1
        if self.before is not None:
            await self.before()
        if self.error is not None:
            raise self.error
        return {"total_sockets": self.sockets, "timestamp": f"read {self.reads}"}

    def is_lost(self) -> None:
        self.error = StatusUnavailableError("the backend hangs")

    async def was_looked_at(self, times: int = 2) -> None:
        """Wait until the ticker read it again and sent it to all listeners."""
        wanted = self.reads + times
        await until(lambda: self.reads >= wanted)
        await turns()


class Visitor(Server):
    """A client of live push, as its server sees it."""

    def __init__(self, **scope: Any) -> None:
        super().__init__(CONNECT)
        self.scope = scope_of(PATH, **scope)
        self.takes = asyncio.Event()
        self.takes.set()
        self.given_up = 0

    async def send(self, message: Any) -> None:
        try:
            await self.takes.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        await super().send(message)

    def leave(self) -> None:
        self.put(disconnect())

    @property
    def heard(self) -> list[dict[str, Any]]:
        """What was said to it."""
        return [json.loads(it["text"]) for it in self.sent if "text" in it]

    @property
    def counts(self) -> list[int]:
        """The number of sockets in each summary that it was told."""
        return [it["summary"]["total_sockets"] for it in self.heard if "summary" in it]

    @property
    def closed_with(self) -> tuple[int, str] | None:
        """The code and reason of the close, if there was one."""
        for message in self.sent:
            if message["type"] == "websocket.close":
                assert message is self.sent[-1]
                return message["code"], message["reason"]
        return None

    async def is_told(self, sockets: int) -> None:
        await until(lambda: self.counts[-1:] == [sockets])

    async def is_closed(self) -> tuple[int, str]:
        await until(lambda: self.closed_with)
        assert self.closed_with is not None
        return self.closed_with


@contextlib.asynccontextmanager
async def listening(
    app: LiveStatus, *visitors: Visitor
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Serve visitors; in the end they leave, and the application ends by itself."""
    tasks = [
        asyncio.ensure_future(app(it.scope, it.receive, it.send)) for it in visitors
    ]
    try:
        yield tasks
    finally:
        for visitor in visitors:
            visitor.takes.set()
            visitor.leave()
        done, pending = await asyncio.wait(tasks, timeout=10)
        for task in pending:
            task.cancel()
    assert not pending
    for task in done:
        if not task.cancelled():
            task.result()


async def nothing_runs() -> None:
    """Wait until no task is left but the test's own."""
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


def hub_of(app: LiveStatus) -> Hub:
    return app.hubs[asyncio.get_running_loop()]


async def all_are_there(app: LiveStatus, count: int) -> None:
    await until(lambda: app.hubs and len(hub_of(app).listeners) == count)
