"""The part of the SQLite backend that keeps what is beside the open connections."""

from __future__ import annotations

import contextlib
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
from django_socket_status.backends.sqlite.activity import lost
from django_socket_status.backends.sqlite.activity.orders import (
    Orders,
    read_conditions,
)
from django_socket_status.backends.sqlite.activity.store import ActivityStore
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.backends.sqlite.errors import ReplacedError
from django_socket_status.backends.sqlite.session import Handle
from django_socket_status.backends.sqlite.workers import (
    is_young,
    named,
    retire,
    workers,
)
from django_socket_status.records import OpenedConnection

__all__ = ["SqliteActivity"]


class SqliteActivity(OptionalMethods):
    """Keeps activity in the status file and the activity file.

    Args:
        writer: For transactions on the status file.
        reader: For reading the status file.
        store: The activity file.
        orders: The commands to workers.
        clock: Seconds, as the leases are measured.
    """

    keeps: frozenset[Kept] = frozenset(
        {"totals", "endings", "rewrites", "history", "conditions", "commands"}
    )

    def __init__(
        self,
        writer: Handle,
        reader: Handle,
        store: ActivityStore,
        orders: Orders,
        clock: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._store = store
        self._orders = orders
        self._clock = clock

    def read_totals(self) -> StoredTotals | None:
        """Return all counters, from one consistent view of the activity file."""
        found = self._store.read_totals()
        if found is None:
            return None
        totals, tokens = found
        with self._reader.reading() as link:
            may_live = self._may_live(link, tokens)
        counts = [
            it._replace(is_live=(it.worker_id, it.count_number) in may_live)
            for it in totals.counts
        ]
        return totals._replace(counts=counts)

    def _may_live(
        self, link: Link | None, tokens: Mapping[tuple[str, int], str]
    ) -> set[tuple[str, int]]:
        """Return the counts whose worker is live.

        A worker that reported to another generation of the status file may not have
        reported to a young one yet.
        """
        if link is None:
            return set(tokens)
        found = workers(link, self._clock)
        if found.damaged:
            return set(tokens)
        live = {it.worker.worker_id for it in found.live.values()}
        young = is_young(link, self._clock)
        return {
            key
            for key, token in tokens.items()
            if key[0] in live or (young and token != link.generation.token)
        }

    def fold(
        self, counts: Sequence[StoredCount], base_before: str, base_after: str
    ) -> bool:
        """Fold counts of workers that are not live.

        The workers are removed from the status file first, so that a frozen one reports
        in full when it goes on. If it does so before the counters are folded, these
        differ from those that were read.
        """
        found = self._store.read_totals()
        ids = {count.worker_id for count in counts}
        if found is None or not self._retire(ids, found[1]):
            return False
        return self._store.fold(counts, base_before, base_after)

    def drop_totals(self, text: str) -> None:
        """Remove all counters if one of their texts is this one."""
        self._store.drop_totals(text)

    def _retire(self, ids: set[str], tokens: Mapping[tuple[str, int], str]) -> bool:
        """Remove workers from the status file; false if one of them is live."""
        with contextlib.suppress(ReplacedError):
            with self._writer.transaction(create=False) as link:
                if not ids.isdisjoint(key[0] for key in self._may_live(link, tokens)):
                    return False
                for worker_id in ids:
                    retire(link.database, worker_id)
            return True
        return False

    def lost_connections(
        self, worker_id: str, limit: int
    ) -> Sequence[OpenedConnection]:
        """Return the newest connections that a worker held when its lease ended."""
        with self._reader.reading() as link:
            if link is not None:
                found = workers(link, self._clock)
                if worker_id in {it.worker.worker_id for it in found.live.values()}:
                    return ()
                for key, dead in named(link, found.dead).items():
                    if dead == worker_id:
                        return lost.read_newest(link.database, key)[:limit]
        text = self._store.read_lost(worker_id)
        return () if text is None else lost.from_text(text)[:limit]

    def keep_ended(self, ended: Ended, entries: Entries) -> None:
        """Keep ended connections that no report carries."""
        self._store.keep_ended(ended, entries)

    def read_ended(self, ended: Ended) -> Sequence[Entries]:
        """Return the kept entries, newest report first."""
        return self._store.read_ended(ended)

    def rewrite_ended(
        self, ended: Ended, rewrite: Callable[[str], Rewritten | None]
    ) -> int:
        """Replace texts of ended connections in one transaction."""
        return self._store.rewrite_ended(ended, rewrite)

    def write_buckets(self, buckets: Sequence[Bucket], carry: str) -> None:
        """Keep buckets of the history, and a text for the next sampler."""
        self._store.write_buckets(buckets, carry)

    def read_buckets(self, rings: Mapping[str, int]) -> Sequence[Bucket]:
        """Return the buckets of rings, each from a number on."""
        return self._store.read_buckets(rings)

    def read_conditions(self) -> Mapping[str, str]:
        """Return what live workers said last of their condition."""
        with self._reader.reading() as link:
            if link is None:
                return {}
            live = workers(link, self._clock).live
            ids = {key: it.worker.worker_id for key, it in live.items()}
            return read_conditions(link.database, ids)

    def give_command(self, command: Command) -> None:
        """Keep a command for workers."""
        with self._writer.transaction() as link:
            self._orders.give(link, command)

    def read_commands(self) -> Sequence[CommandState]:
        """Return the commands of the last 24 hours with their results."""
        with self._reader.reading() as link:
            return () if link is None else self._orders.read_commands(link.database)
