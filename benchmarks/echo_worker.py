"""A worker with many open sockets, and an echo on its event loop.

``python -m benchmarks.echo_worker URL COUNT`` prints the port of the echo when all of
its sockets are reported, and ends with its standard input. The sockets are what the
registry knows of real ones, without a server: the echo alone is driven.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from typing import Any, cast

import django
from django.test import override_settings

__all__ = ["open_sockets"]

REDIS = "django_socket_status.backends.redis.RedisBackend"

#: Sockets that open between two rests, in which the reporter does its part.
AT_ONCE = 500


class Echo(asyncio.Protocol):
    """Sends back whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self._transport.write(data)


def open_sockets(count: int) -> list[Any]:
    """Open sockets in the registry of this process, as tracking does it."""
    # Not before: they need the settings.
    from benchmarks.applications import TrackedEcho
    from benchmarks.drivers import make_scope
    from django_socket_status.registry.lifecycle import OPEN
    from django_socket_status.registry.registry import registry
    from django_socket_status.tracking.connection import Connection

    opened = []
    unused: Any = None
    for number in range(count):
        scope = make_scope("raw-mixin", number)
        connection = Connection()
        connection.begin(TrackedEcho, scope, unused, unused, None)
        connection.opened_at = time.time()
        connection.state = OPEN
        registry.intake.opened(connection)
        opened.append(connection)
        if number % AT_ONCE == 0:
            time.sleep(0.001)
    return opened


async def serve(url: str, count: int) -> None:
    """Open sockets, and echo until the standard input ends."""
    from benchmarks.contestants import settle

    loop = asyncio.get_running_loop()
    opened = await asyncio.to_thread(open_sockets, count)
    await asyncio.to_thread(settle)
    # As in a process that has been up for a while.
    gc.collect()
    gc.freeze()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    opened.clear()


def main(url: str, count: str) -> None:
    """Serve with the Redis backend."""
    status = {"BACKEND": REDIS, "OPTIONS": {"url": url}}
    with override_settings(SOCKET_STATUS=status):
        asyncio.run(serve(url, int(count)))


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
