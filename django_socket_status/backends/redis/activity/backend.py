"""The part of the backend that keeps activity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from django_socket_status.activity.stored import (
    Bucket,
    Command,
    CommandState,
    Ended,
    Entries,
    Kept,
    Rewritten,
    StoredCount,
    StoredTotals,
)
from django_socket_status.backends.optional import OptionalMethods
from django_socket_status.backends.redis.activity import (
    commands,
    conditions,
    endings,
    history,
    lost,
    rewriting,
)
from django_socket_status.backends.redis.activity import counts as totals
from django_socket_status.backends.redis.activity.place import Place
from django_socket_status.records import OpenedConnection

__all__ = ["RedisActivity", "kept"]


def kept(*, details: bool) -> frozenset[Kept]:
    """Return what is kept; ended connections only with details."""
    everything: frozenset[Kept] = frozenset(
        {"totals", "endings", "rewrites", "history", "conditions", "commands"}
    )
    return everything if details else everything - {"endings"}


class RedisActivity(OptionalMethods):
    """Keeps activity in Redis.

    Args:
        place: Where to keep it.
        details: Whether connections are kept, and so ended ones.
    """

    def __init__(self, place: Place, *, details: bool) -> None:
        self.keeps = kept(details=details)
        self._place = place

    def read_totals(self) -> StoredTotals | None:
        """Return all counters, in one round trip: O(workers)."""
        return totals.read_totals(self._place)

    def fold(
        self, counts: Sequence[StoredCount], base_before: str, base_after: str
    ) -> bool:
        """Replace the base, and remove counts, in one round trip."""
        return totals.fold(self._place, counts, base_before, base_after)

    def drop_totals(self, text: str) -> None:
        """Remove all counters if one of them is this text, in two round trips."""
        totals.drop_totals(self._place, text)

    def lost_connections(
        self, worker_id: str, limit: int
    ) -> Sequence[OpenedConnection]:
        """Return the newest connections of a dead worker, in three round trips.

        For six leases after its last report, and at least 25 seconds after its lease.
        """
        if "endings" not in self.keeps:
            return ()
        return lost.lost_connections(self._place, worker_id, limit)

    def keep_ended(self, ended: Ended, entries: Entries) -> None:
        """Keep ended connections, in one round trip."""
        if "endings" in self.keeps:
            endings.keep_ended(self._place, ended, entries)

    def read_ended(self, ended: Ended) -> Sequence[Entries]:
        """Return the kept entries, in two round trips."""
        if "endings" not in self.keeps:
            return ()
        return endings.read_ended(self._place, ended)

    def rewrite_ended(
        self, ended: Ended, rewrite: Callable[[str], Rewritten | None]
    ) -> int:
        """Replace texts, also those that were kept while there were details.

        Reads all in three round trips, and writes about 128 KiB in each of the others.
        """
        return rewriting.rewrite_ended(self._place, ended, rewrite)

    def write_buckets(self, buckets: Sequence[Bucket], carry: str) -> None:
        """Keep buckets and a text, in one round trip for each hundred of them."""
        history.write_buckets(self._place, buckets, carry)

    def read_buckets(self, rings: Mapping[str, int]) -> Sequence[Bucket]:
        """Return the buckets of rings, in one round trip."""
        return history.read_buckets(self._place, rings)

    def read_conditions(self) -> Mapping[str, str]:
        """Return the conditions of live workers, in two round trips."""
        return conditions.read_conditions(self._place)

    def give_command(self, command: Command) -> None:
        """Keep a command, in one round trip. One whose id is known is kept once."""
        commands.give_command(self._place, command)

    def read_commands(self) -> Sequence[CommandState]:
        """Return the commands and their results, in two round trips."""
        return commands.read_commands(self._place)
