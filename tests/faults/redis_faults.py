"""What can happen to a Redis, and on the way to it, and how it ends."""

from __future__ import annotations

import dataclasses

from tests.support.redis_servers.proxy import Network, Proxy
from tests.support.redis_servers.server import RedisServer

PREFIX = "socket_status"


class Fault:
    """A fault that lasts until it is repaired."""

    #: How the server is started.
    options: tuple[str, ...] = ()

    def begin(self, server: RedisServer, proxy: Proxy) -> None:
        raise NotImplementedError

    def end(self, server: RedisServer, proxy: Proxy) -> None:
        """Mend it; what happened in a moment leaves nothing to mend."""


class Killed(Fault):
    """It comes back empty."""

    def begin(self, server: RedisServer, proxy: Proxy) -> None:
        server.kill()

    def end(self, server: RedisServer, proxy: Proxy) -> None:
        server.start()


class KilledWithMemory(Killed):
    """It comes back with all that it wrote to its log."""

    options = ("--appendonly", "yes", "--appendfsync", "always")


class Frozen(Fault):
    def begin(self, server: RedisServer, proxy: Proxy) -> None:
        server.freeze()

    def end(self, server: RedisServer, proxy: Proxy) -> None:
        server.thaw()


@dataclasses.dataclass(frozen=True)
class Said(Fault):
    """An administrator's commands, and those that take them back."""

    first: tuple[str, ...]
    last: tuple[str, ...] = ()
    #: Whether clients have to connect again, as they do some day anyway.
    reconnects: bool = False

    def begin(self, server: RedisServer, proxy: Proxy) -> None:
        for command in self.first:
            server.admin.execute_command(*command.split(" "))
        if self.reconnects:
            disconnect_everybody(server)

    def end(self, server: RedisServer, proxy: Proxy) -> None:
        for command in self.last:
            server.admin.execute_command(*command.split(" "))


@dataclasses.dataclass(frozen=True)
class Deleted(Fault):
    """Every key of a kind is gone, as when Redis evicts it."""

    pattern: str

    def begin(self, server: RedisServer, proxy: Proxy) -> None:
        keys = server.admin.keys(f"{{{PREFIX}}}:{self.pattern}")
        assert keys
        server.admin.delete(*keys)


class Evicted(Fault):
    """Redis evicts reports, because other data fills its memory."""

    def begin(self, server: RedisServer, proxy: Proxy) -> None:
        admin = server.admin
        admin.config_set("maxmemory-policy", "allkeys-lru")
        admin.config_set("maxmemory", admin.info("memory")["used_memory"] + 500_000)
        for number in range(2000):
            admin.set(f"other:{number}", "x" * 1000)

    def end(self, server: RedisServer, proxy: Proxy) -> None:
        server.admin.config_set("maxmemory", 0)


@dataclasses.dataclass(frozen=True)
class Failing(Fault):
    """The network fails."""

    network: Network

    def begin(self, server: RedisServer, proxy: Proxy) -> None:
        proxy.network = self.network

    def end(self, server: RedisServer, proxy: Proxy) -> None:
        proxy.network = Network.WORKS


def disconnect_everybody(server: RedisServer) -> None:
    """Close every connection but the administrator's."""
    server.admin.client_kill_filter(_type="normal", skipme=True)


#: How a key is told from the others: by its end.
KINDS = {
    "index": "workers",
    "reports": "[0-9a-f]" * 16,
    "identities": "*:who",
    "users": "*:users*",
    "marks": "*:marks",
    "connections": "*:[0-9]*:[0-9]*",
}

#: What is kept of the past.
PAST = {"totals": "totals", "closed list": "closed", "history": "ring:*"}

FAULTS: dict[str, Fault] = {
    "killed, comes back empty": Killed(),
    "killed, comes back with its log": KilledWithMemory(),
    "frozen": Frozen(),
    "FLUSHALL": Said(("FLUSHALL",)),
    **{f"{kind} deleted": Deleted(pattern) for kind, pattern in KINDS.items()},
    "SCRIPT FLUSH": Said(("SCRIPT FLUSH",)),
    "FLUSHALL and SCRIPT FLUSH": Said(("FLUSHALL", "SCRIPT FLUSH")),
    "CLIENT KILL": Said((), reconnects=True),
    "READONLY": Said(("REPLICAOF 127.0.0.1 1",), ("REPLICAOF NO ONE",)),
    "out of memory": Said(("CONFIG SET maxmemory 1",), ("CONFIG SET maxmemory 0",)),
    "evicted": Evicted(),
    "maxclients": Said(
        ("CONFIG SET maxclients 1",), ("CONFIG SET maxclients 1000",), reconnects=True
    ),
    "requirepass": Said(
        ("CONFIG SET requirepass secret",),
        ("ACL SETUSER default nopass",),
        reconnects=True,
    ),
    "ACL without scripts": Said(
        ("ACL SETUSER default -@scripting",), ("ACL SETUSER default +@all",)
    ),
    "ACL without writes": Said(
        ("ACL SETUSER default -@write",), ("ACL SETUSER default +@all",)
    ),
    **{
        f"network {network.value}": Failing(network)
        for network in Network
        if network is not Network.WORKS
    },
}
