"""The names of the keys in Redis, and what each key holds.

==================================  ====================================================
``{prefix}:workers``                the index of workers, a sorted set: worker id, by
                                    the end of its lease in milliseconds of the server's
                                    clock. Below zero it holds since when the index
                                    exists, and since when workers report again after
                                    none could
``{prefix}:<id>``                   the report: ``sequence:generation:users:at:counts``
``{prefix}:<id>:who``               hash: ``w`` identity, ``p`` types and endpoints,
                                    ``c`` condition
``{prefix}:<id>:<g>:users``         set of user ids; many users are in several sets
                                    ``...:users:<part>``, each of which also holds a
                                    byte that is no user: see :mod:`.user_shards`
``{prefix}:<id>:<g>:marks``         hash: number of a bucket to its index, see
                                    :class:`.buckets.BucketIndex`
``{prefix}:<id>:<g>:oldest``        hash: when the oldest connection of each bucket
                                    opened, 64 buckets in one value. Workers of older
                                    versions write none, and read no longer index
``{prefix}:<id>:<g>:<bucket>``      hash: number of a connection to its record
``{prefix}:users``                  hash: the number of different users, if it takes
                                    long to count
``{prefix}:endpoints``              string: when the reporting worker loaded its code, a
                                    colon, and the URLs that serve WebSockets; kept for
                                    30 days; see :mod:`.endpoints`
``{prefix}:until``                  string: when a worker reported last, and when that
                                    lease ends: ``at:until``; outlives the index
``{prefix}:totals``                 hash: the counters of all workers, see
                                    ``lua/totals.lua``
``{prefix}:closed``,                hash: number to a text of ended connections, see
``{prefix}:rejected``               ``lua/ended.lua``
``{prefix}:ring:<name>``            sorted set: the buckets of a ring of the history, by
                                    their numbers
``{prefix}:told``                   hash: ``sampled`` when a worker was told last to
                                    sample, ``command`` the number of the last command
``{prefix}:carry``                  string: what the last sampler left, framed
``{prefix}:commands``               sorted set: commands by their numbers, see
                                    ``lua/give_command.lua``
``{prefix}:results:<command>``      hash: worker id to the result of a command; there
                                    for as long as the command
==================================  ====================================================

A generation ``<g>`` is named by the sequence number of the full report that began it,
and ``.<n>`` if users are in several sets. Readers ignore older generations. Every key
ends by itself: those after ``until`` 8 days after they were written last, and results
with their command.
"""

from __future__ import annotations

import dataclasses

from django_socket_status.activity.stored import Ended

__all__ = ["Keys"]


@dataclasses.dataclass(frozen=True, slots=True)
class Keys:
    """The names of all keys of a deployment.

    The prefix is in braces, so a Redis Cluster keeps all keys in one slot:
    https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
    """

    prefix: str

    @property
    def start(self) -> str:
        """Return the text that every key begins with."""
        return f"{{{self.prefix}}}:"

    @property
    def index(self) -> str:
        """Return the key of the index of workers."""
        return f"{self.start}workers"

    @property
    def union(self) -> str:
        """Return the key of the number of different users, if it took long to count."""
        return f"{self.start}users"

    @property
    def endpoints(self) -> str:
        """Return the key of the URLs that serve WebSockets."""
        return f"{self.start}endpoints"

    @property
    def until(self) -> str:
        """Return the key of when a worker reported last. It outlives the index."""
        return f"{self.start}until"

    @property
    def totals(self) -> str:
        """Return the key of the counters of all workers."""
        return f"{self.start}totals"

    @property
    def told(self) -> str:
        """Return the key of what was told last: to sample, and which command."""
        return f"{self.start}told"

    @property
    def carry(self) -> str:
        """Return the key of what the last sampler left for the next one."""
        return f"{self.start}carry"

    @property
    def commands(self) -> str:
        """Return the key of the commands to workers."""
        return f"{self.start}commands"

    def results(self, command_id: str) -> str:
        """Return the key of the results of a command."""
        return f"{self.start}results:{command_id}"

    def ended(self, ended: Ended) -> str:
        """Return the key of a list of ended connections."""
        return f"{self.start}{ended}"

    def ring(self, name: str) -> str:
        """Return the key of a ring of the history."""
        return f"{self.start}ring:{name}"

    def report(self, worker_id: str) -> str:
        """Return the key of what a worker reported last."""
        return f"{self.start}{worker_id}"

    def who(self, worker_id: str) -> str:
        """Return the key of the facts about a worker."""
        return f"{self.start}{worker_id}:who"

    def detail(self, worker_id: str, generation: object, part: object) -> str:
        """Return the key of users, indexes, ages, or a bucket of a generation."""
        return f"{self.start}{worker_id}:{generation}:{part}"
