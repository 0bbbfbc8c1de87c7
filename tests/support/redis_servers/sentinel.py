"""A master with a replica, and Sentinels that put the one in the place of the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import redis

from tests.support.redis_servers.server import RedisServer, wait_until

SERVICE = "main"

#: After which a master is taken for down: where none is, and where one is to be.
PATIENT_MS = 60_000
FAILOVER_MS = 300

#: A replica is there at once, not after it waited for others.
QUICK = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")


def config_of(port: int, quorum: int, down_after_ms: int = PATIENT_MS) -> str:
    """Return how a Sentinel watches a master."""
    return f"""\
sentinel monitor {SERVICE} 127.0.0.1 {port} {quorum}
sentinel down-after-milliseconds {SERVICE} {down_after_ms}
sentinel failover-timeout {SERVICE} 1500
"""


class Sentinels:
    """The servers of one service, and who watches them."""

    def __init__(
        self, master: RedisServer, replica: RedisServer, watchers: list[RedisServer]
    ) -> None:
        #: At first; see :meth:`current_port`.
        self.master = master
        self.replica = replica
        self.watchers = watchers
        wait_until(self.is_watched, lambda: self.watchers[0].log)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Return where the Sentinels listen."""
        return [("127.0.0.1", watcher.port) for watcher in self.watchers]

    def is_watched(self) -> bool:
        """Return whether every Sentinel knows the replica and the other Sentinels."""
        return all(self._knows_all(watcher) for watcher in self.watchers)

    def _knows_all(self, watcher: RedisServer) -> bool:
        state = state_of(watcher)
        others = len(self.watchers) - 1
        return (state["num-slaves"], state["num-other-sentinels"]) == (1, others)

    def current_port(self) -> int:
        """Return where the first Sentinel says that the master is."""
        return int(state_of(self.watchers[0])["port"])

    def wait_for_failover(self) -> float:
        """Wait until the replica is the master; return how many seconds it took."""
        return wait_until(self._is_failed_over, lambda: self.watchers[0].log)

    def _is_failed_over(self) -> bool:
        if self.current_port() != self.replica.port:
            return False
        return self.replica.admin.info("replication")["role"] == "master"


def state_of(watcher: RedisServer) -> dict[str, Any]:
    """Return what a Sentinel knows of the master."""
    # One version of the client has a method for it that always raises.
    return watcher.admin.execute_command("SENTINEL MASTER", SERVICE)


@contextlib.contextmanager
def sentinels(
    watchers: int = 1, *options: str, down_after_ms: int = PATIENT_MS
) -> Iterator[Sentinels]:
    """Run a master, its replica and so many Sentinels until the end of the block."""
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(RedisServer(*QUICK, *options))
        following = ("--replicaof", "127.0.0.1", str(master.port))
        replica = stack.enter_context(RedisServer(*QUICK, *options, *following))
        wait_until(lambda: is_following(replica), lambda: replica.log)
        config = config_of(master.port, watchers // 2 + 1, down_after_ms)
        yield Sentinels(
            master,
            replica,
            [
                stack.enter_context(RedisServer("--sentinel", config=config))
                for _ in range(watchers)
            ],
        )


def is_following(replica: RedisServer) -> bool:
    """Return whether a replica has all that its master has."""
    with contextlib.suppress(redis.RedisError):
        return replica.admin.info("replication")["master_link_status"] == "up"
    return False
