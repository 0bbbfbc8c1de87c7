"""What several tests of the Redis backend do and look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django_socket_status.backends.redis import RedisBackend
from django_socket_status.testing import FakeWorker
from tests.support.redis_servers.server import RedisServer


def keys_of(server: RedisServer, prefix: str) -> list[str]:
    """Return every key of a deployment."""
    return sorted(server.admin.scan_iter(match=f"{{{prefix}}}:*", count=1000))


def delete(server: RedisServer, prefix: str, end: str) -> None:
    """Delete the one key that ends with some text."""
    (key,) = [key for key in keys_of(server, prefix) if key.endswith(end)]
    assert server.admin.delete(key) == 1


def tell(backend: RedisBackend, worker: FakeWorker, *opened: Any, **given: Any) -> bool:
    """Report as a worker does; return whether the change was enough."""
    if backend.report(worker.change(*opened, **given)):
        return True
    assert backend.report(worker.full())
    return False


def ids_of(backend: RedisBackend) -> set[str]:
    return {status.worker.worker_id for status in backend.read().workers}


def calls_of(server: RedisServer) -> dict[str, int]:
    """Return how often each command was called since the server was started."""
    found = server.admin.info("commandstats")
    return {
        name.removeprefix("cmdstat_"): stats["calls"] for name, stats in found.items()
    }


@contextmanager
def recorded(server: RedisServer) -> Iterator[list[list[str]]]:
    """Return the commands that come over TCP during the block, in order.

    So those of backends, and not what scripts call, nor what a test itself sends.
    """
    sent: list[list[str]] = []
    with server.client() as client, client.monitor() as monitor:
        yield sent
        server.admin.echo("the end of the block")
        for command in monitor.listen():
            words = command["command"].split(" ")
            if "the end of the block" in command["command"]:
                return
            if command["client_type"] == "tcp":
                sent.append([words[0].upper(), *words[1:]])
