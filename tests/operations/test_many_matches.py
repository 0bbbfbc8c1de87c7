"""A disconnect of as many connections as a worker may have."""

from __future__ import annotations

import asyncio
import collections
from typing import Any

import pytest

from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status
from tests.support.asgi_driver import scope_of, until
from tests.support.closing_server import ClosingServer
from tests.support.tracked import echo, tracked

pytestmark = pytest.mark.slow

MATCHES, OTHERS = 10_000, 10


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_ten_thousand_matches_are_closed_and_no_other(
    store: str, tmp_path: Any
) -> None:
    options = {"path": str(tmp_path / "own")}
    given = {"BACKEND": SQLITE_BACKEND, "OPTIONS": options}
    if store == "memory":
        given = {"BACKEND": "django_socket_status.backends.memory.MemoryBackend"}
    kinds = {"chat": MATCHES, "call": OTHERS}
    servers = {kind: [ClosingServer() for _ in range(it)] for kind, it in kinds.items()}
    with isolated_socket_status(**given):
        tasks = []
        for kind, them in servers.items():
            app = tracked(echo, socket_status_type=kind)
            for server in them:
                coroutine = app(scope_of("/"), server.receive, server.send)
                tasks.append(asyncio.ensure_future(coroutine))
        await until(lambda: all(it.sent for it in servers["call"]))
        result = await SocketStatusService.adisconnect(type="chat", wait_seconds=60)
        assert (result.matched, result.closed) == (MATCHES, MATCHES), result
        assert result.complete
        assert result.codes == {4000: MATCHES}
        closes = collections.Counter(
            kind
            for kind, them in servers.items()
            for server in them
            for it in server.sent
            if it["type"] == "websocket.close"
        )
        assert closes == {"chat": MATCHES}
        reporter.flush()
        assert sum(registry.counts.values()) == OTHERS
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
