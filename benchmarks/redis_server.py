"""A Redis of the benchmarks' own, and what it tells of itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator

from tests.support.redis_servers.server import VARIABLE, RedisServer

__all__ = [
    "KEPT_COMMANDS",
    "REDIS",
    "WATCHING",
    "RedisServer",
    "cpu_us",
    "longest_ms",
    "started",
]

REDIS = "django_socket_status.backends.redis.RedisBackend"

#: So that every command is kept, and enough of the last ones to find the longest.
KEPT_COMMANDS = 20_000
WATCHING = (
    *("--slowlog-log-slower-than", "0"),
    *("--slowlog-max-len", str(KEPT_COMMANDS)),
    *("--latency-monitor-threshold", "1"),
)


@contextlib.contextmanager
def started(name: str, *options: str) -> Iterator[RedisServer | None]:
    """Run a server, or say that there is none to run.

    Args:
        name: The benchmark that needs it.
        *options: As on its command line.
    """
    programs = ("redis-server", "valkey-server")
    if not os.environ.get(VARIABLE) and not any(map(shutil.which, programs)):
        print(f"{name}: needs redis-server or valkey-server", file=sys.stderr)
        yield None
        return
    with RedisServer(*options) as server:
        yield server


def cpu_us(server: RedisServer) -> float:
    """Return the CPU time that a server has used, in microseconds."""
    found = server.admin.info("cpu")
    return float(found["used_cpu_user"] + found["used_cpu_sys"]) * 1e6


def longest_ms(server: RedisServer) -> float:
    """Return how long the longest command took since the last reset."""
    entries = server.admin.slowlog_get(KEPT_COMMANDS)
    asked = ("SLOWLOG", "CONFIG", "INFO", "LATENCY")
    told = [
        entry["duration"]
        for entry in entries
        if not str(entry["command"]).lstrip("b'").startswith(asked)
    ]
    return max(told, default=0) / 1000
