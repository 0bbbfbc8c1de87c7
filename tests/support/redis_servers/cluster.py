"""A Redis Cluster of masters, without replicas."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from redis.crc import key_slot

from tests.support.redis_servers.server import RedisServer, wait_until

SLOTS = 16_384

OPTIONS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "500")


class Cluster:
    """Masters that know of each other and share the slots.

    Args:
        nodes: Servers with ``OPTIONS``, started.
    """

    def __init__(self, nodes: list[RedisServer]) -> None:
        self.nodes = nodes
        self._introduce()
        wait_until(self.is_whole, lambda: self.nodes[0].log)
        self._moved: dict[int, RedisServer] = {}

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def _introduce(self) -> None:
        share = -(-SLOTS // len(self.nodes))
        for number, node in enumerate(self.nodes):
            slots = range(number * share, min(SLOTS, (number + 1) * share))
            node.admin.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.admin.execute_command("CLUSTER", "ADDSLOTS", *slots)
        for node in self.nodes[1:]:
            command = ("CLUSTER", "MEET", "127.0.0.1", node.port)
            self.nodes[0].admin.execute_command(*command)

    def is_whole(self) -> bool:
        """Return whether every node says that all slots are served."""
        return all(state_of(node) == ("ok", len(self.nodes)) for node in self.nodes)

    def serving(self, key: str) -> RedisServer:
        """Return the master of a key."""
        slot = key_slot(key.encode())
        share = -(-SLOTS // len(self.nodes))
        return self._moved.get(slot, self.nodes[slot // share])

    def not_serving(self, key: str) -> RedisServer:
        """Return a master that has nothing to do with a key."""
        return next(node for node in self.nodes if node is not self.serving(key))

    def move(self, key: str) -> None:
        """Move a key and what shares its slot to another master, while it is used."""
        slot, old, new = (
            key_slot(key.encode()),
            self.serving(key),
            self.not_serving(key),
        )
        ids = {it: it.admin.execute_command("CLUSTER", "MYID") for it in (old, new)}
        tell(new, slot, "IMPORTING", ids[old])
        tell(old, slot, "MIGRATING", ids[new])
        command = ("CLUSTER", "GETKEYSINSLOT", slot, 100)
        while keys := old.admin.execute_command(*command):
            old.admin.migrate("127.0.0.1", new.port, keys, 0, 20_000)
        for node in (new, old, *self.nodes):
            tell(node, slot, "NODE", ids[new])
        self._moved[slot] = new


def tell(node: RedisServer, slot: int, *words: str) -> None:
    """Tell a node what is to become of a slot."""
    node.admin.execute_command("CLUSTER", "SETSLOT", slot, *words)


def state_of(node: RedisServer) -> tuple[str, int]:
    """Return what a node says of the Cluster, and how many nodes it knows."""
    # The client makes a dictionary of it, in some of its versions.
    found = node.admin.execute_command("CLUSTER INFO")
    if isinstance(found, bytes | str):
        text = found.decode() if isinstance(found, bytes) else found
        found = dict(line.split(":", 1) for line in text.split())
    return found["cluster_state"], int(found["cluster_known_nodes"])


@contextlib.contextmanager
def cluster(masters: int = 3, *options: str) -> Iterator[Cluster]:
    """Run so many masters until the end of the block."""
    with contextlib.ExitStack() as stack:
        yield Cluster(
            [
                stack.enter_context(RedisServer(*OPTIONS, *options))
                for _ in range(masters)
            ]
        )


@contextlib.contextmanager
def patient_cluster() -> Iterator[Cluster]:
    """Run three masters; a slow one is not taken for down where none is."""
    with cluster() as nodes:
        # Not from the start: they would be slow to know of each other.
        for node in nodes.nodes:
            node.admin.config_set("cluster-node-timeout", 15_000)
        wait_until(nodes.is_whole, lambda: nodes.nodes[0].log)
        yield nodes
