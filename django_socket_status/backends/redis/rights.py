"""Finds the commands that the backend needs, but that Redis does not let it run.

An access control list may deny any single command, and ``rename-command`` may hide it.
So each command is run once, on a key of a type for which it does nothing or fails. A
test compares :data:`PROBES` with the commands that a server was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django_socket_status.backends.redis.client import RedisClient, digest
from django_socket_status.backends.redis.keys import Keys

__all__ = ["PROBES", "missing_commands"]

#: Milliseconds after which the key of the check expires, if it cannot be removed.
PROBE_MS = 1000

#: The arguments of each command after the key. The key holds a string, so commands for
#: other types fail and change nothing. The first command makes the key.
PROBES: dict[str, tuple[Any, ...]] = {
    "SET": ("1", "PX", PROBE_MS),
    "SETRANGE": (0, ""),
    "GET": (),
    "MGET": (),
    "EXISTS": (),
    "PEXPIRE": (PROBE_MS,),
    "HSET": ("field", "1"),
    "HGET": ("field",),
    "HMGET": ("field",),
    "HGETALL": (),
    "HDEL": ("field",),
    "SADD": ("member",),
    "SREM": ("member",),
    "SISMEMBER": ("member",),
    "SSCAN": (0,),
    "SUNION": (),
    "ZADD": ("XX", 1, "member"),
    "ZREM": ("member",),
    "ZCOUNT": (0, 1),
    "ZSCORE": ("member",),
    "ZRANGEBYSCORE": (0, 1),
    "ZREMRANGEBYSCORE": (0, 1),
    "UNLINK": (),
}

SCRIPT = "return 1"


def missing_commands(client: RedisClient, keys: Keys) -> list[str]:
    """Return the commands that are denied or unknown, in upper case, sorted.

    Raises:
        BackendError: Redis cannot be reached.
    """
    key = f"{keys.start}check"
    names = list(PROBES)
    commands = [(name, key, *PROBES[name]) for name in names]
    commands += [("EVAL", SCRIPT, 1, key), ("EVALSHA", digest(SCRIPT), 1, key)]
    found = client.allowed(commands)
    names += ["EVAL", "EVALSHA"]
    missing = {
        name for name, is_there in zip(names, found, strict=True) if not is_there
    }
    missing.update(_missing_of_server(client, key))
    return sorted(missing)


def _missing_of_server(client: RedisClient, key: str) -> Iterator[str]:
    """Yield the commands without a key that are missing on the server of a key."""
    of_server: Sequence[Sequence[str]] = (("TIME",), ("SCRIPT EXISTS", digest(SCRIPT)))
    for command in of_server:
        if not client.allowed_on_server_of(key, *command):
            yield command[0]
