"""Runs a subcommand that does something, beside an event loop with open sockets."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from django.core.management.base import OutputWrapper

from django_socket_status.cli.output import Output
from tests.cli.test_output import Screen
from tests.support.asgi_driver import accepted
from tests.support.closing_server import ClosingServer
from tests.support.tracked import echo, tracked


class Shell:
    """Runs a subcommand in a thread.

    Args:
        act: The subcommand.
        plain: Options that it always has.
    """

    def __init__(self, act: Callable[..., int], plain: Mapping[str, Any]) -> None:
        self._act = act
        self._plain = plain
        self.stdout, self.stderr = io.StringIO(), Screen()
        self.output = Output(
            OutputWrapper(self.stdout), OutputWrapper(self.stderr), environment={}
        )

    async def act(self, **options: Any) -> int:
        return await asyncio.to_thread(self.act_here, **options)

    def act_here(self, **options: Any) -> int:
        return self._act({**self._plain, **options}, self.output)

    @property
    def lines(self) -> list[str]:
        return self.stdout.getvalue().splitlines()


@contextlib.asynccontextmanager
async def two_calls(**server: Any) -> AsyncIterator[list[ClosingServer]]:
    servers = [ClosingServer(**server) for _ in range(2)]
    async with (
        accepted(tracked(echo), servers[0]),
        accepted(tracked(echo), servers[1]),
    ):
        yield servers


def closes(server: ClosingServer) -> list[tuple[int, str]]:
    return [
        (it["code"], it["reason"])
        for it in server.sent
        if it["type"] == "websocket.close"
    ]
