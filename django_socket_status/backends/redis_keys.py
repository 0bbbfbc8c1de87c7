"""The names of the keys: see :mod:`.redis_scripts` for what is in them."""

from __future__ import annotations

import dataclasses

__all__ = ["Keys"]


@dataclasses.dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a deployment.

    The prefix is in braces, which makes a Redis Cluster keep all of them in one slot:
    https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
    """

    prefix: str

    @property
    def start(self) -> str:
        """Return what every key begins with."""
        return f"{{{self.prefix}}}:"

    @property
    def index(self) -> str:
        """Return the key of the index of workers."""
        return f"{self.start}workers"

    @property
    def union(self) -> str:
        """Return the key of the number of users that took long to count."""
        return f"{self.start}users"

    def report(self, worker_id: str) -> str:
        """Return the key of what a worker reported last."""
        return f"{self.start}{worker_id}"

    def who(self, worker_id: str) -> str:
        """Return the key of what a worker says of itself."""
        return f"{self.start}{worker_id}:who"

    def detail(self, worker_id: str, generation: object, part: object) -> str:
        """Return the key of users, marks, or a bucket of a generation."""
        return f"{self.start}{worker_id}:{generation}:{part}"
