"""Two processes of one server, which share a store, and what their clients see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from django_socket_status.control.results import DisconnectResult
from django_socket_status.services import SocketStatusService
from tests.servers.servers import SECONDS, Site, serving

REDIS = "django_socket_status.backends.redis.RedisBackend"


class Pair:
    """Two processes of one server, which share a store."""

    def __init__(self, sites: list[Site]) -> None:
        self.sites = sites
        self.service: type[SocketStatusService]

    def open(self, stack: ExitStack, path: str) -> list[ClientConnection]:
        """Open a socket on each worker."""
        return [stack.enter_context(site.open(path)) for site in self.sites]

    def settle(self, sockets: int) -> None:
        for site in self.sites:
            site.eventually_holds(sockets)

    def disconnect(self, **given: Any) -> DisconnectResult:
        return self.service.disconnect(wait_seconds=20.0, **given)


@contextlib.contextmanager
def pair(
    server: str,
    directory: Path,
    environment: dict[str, str] | None = None,
    **socket_status: Any,
) -> Iterator[Pair]:
    """Start two workers."""
    status = {"OPTIONS": {"path": str(directory / "status")}, **socket_status}
    with ExitStack() as stack:
        sites = [
            stack.enter_context(
                serving(
                    server,
                    directory / name,
                    socket_status=status,
                    quiet=False,
                    environment=environment,
                )
            )
            for name in ("one", "two")
        ]
        both = Pair(sites)
        both.service = stack.enter_context(sites[0].reader())
        yield both


def end_of(client: ClientConnection) -> tuple[int, str]:
    """Return the close frame that a client gets."""
    try:
        while True:
            client.recv(SECONDS)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return closed.rcvd.code, closed.rcvd.reason
