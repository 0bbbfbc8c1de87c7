"""The live connections of this process, counted by type and by user.

Sockets write to the :class:`~.intake.Intake`. The reporter, or a reader of this
process, calls :meth:`Registry.drain`, which counts what is there and returns what
changed. A connection that opened and closed between two drains is never counted. If
events are wanted, the sockets also queue a note of each opening and each end.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence

from django_socket_status.activity.totals import Totals
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.causes import Causes
from django_socket_status.registry.changes import Changes
from django_socket_status.registry.counts import Counts
from django_socket_status.registry.draining import Drain, GetCountKeys
from django_socket_status.registry.intake import Intake
from django_socket_status.registry.lifecycle import (
    OPEN,
    Describe,
    EventSource,
    LiveConnection,
    as_counted,
    source_of,
)
from django_socket_status.registry.lockfree import drain_set
from django_socket_status.registry.tally import Tally

__all__ = ["Changes", "Registry", "registry"]


class Registry:
    """The live connections of this process, and what changed since the last drain.

    Everything but :attr:`intake` and the properties is for one thread at a time: the
    reporter holds its lock around the calls.
    """

    def __init__(self) -> None:
        #: What the sockets write to: one object until the process ends.
        self.intake = Intake()
        self.reset()

    def reset(self) -> None:
        """Forget everything. A forked child has none of its parent's sockets."""
        self.intake.reset()
        #: Decides why connections ended.
        self.causes = Causes()
        #: Another object after each drain that found a change.
        self.version = object()
        #: True during a drain, and after one that an exception interrupted.
        self._draining = False
        self._numbers = itertools.count(1)
        #: What happened since the process began.
        self.tally = Tally()
        #: Another object whenever all connections are counted again.
        self._counts = Counts(self.tally.type_of)

    @property
    def is_dirty(self) -> bool:
        """Return whether a drain is needed or running.

        The order matters: a connection that has left the intake is being drained. When
        that drain is over, :attr:`version` has changed.
        """
        return self.intake.has_changes or self._draining

    @property
    def is_draining(self) -> bool:
        """Return whether a drain is running, or an exception interrupted the last."""
        return self._draining

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of counted connections by type."""
        return self._counts.by_type

    @property
    def users(self) -> Mapping[str, int]:
        """Return the number of counted connections by user. With details only."""
        return self._counts.by_user

    @property
    def anonymous(self) -> int:
        """Return the number of counted connections without a user."""
        return self._counts.anonymous

    def connections_of(self, user_id: str) -> Sequence[LiveConnection] | None:
        """Return the connections of a user, of which some may have ended. O(1).

        ``None`` if only a scan finds them: the user has many, or users are not known.
        """
        counts = self._counts
        return None if counts.has_unknown_users else counts.by_user.find(user_id)

    def totals(self) -> Totals:
        """Return what happened since the process began. O(types)."""
        return self.tally.totals(self._counts)

    def newest_numbers(self, limit: int) -> list[int]:
        """Return the numbers of the newest counted connections. O(connections)."""
        return heapq.nlargest(limit, [it.number for it in [*self.intake.counted]])

    def watch_again(self) -> None:
        """Observe the next message of each connection. O(connections that sent)."""
        with drain_set(self.intake.unwatched) as taken:
            for connection in taken:
                connection.passes = None
            taken.clear()

    def drain(
        self,
        describe: Describe,
        count_keys: GetCountKeys | None = None,
        event_source: EventSource = source_of,
    ) -> Changes:
        """Return what changed since the last call, and count it. O(changes).

        Args:
            describe: Returns the record of a connection; must not raise.
            count_keys: Returns what to count, for a backend that wants no details: the
                changes then carry neither connections nor users.
            event_source: Returns the sender of a connection's signals; must not raise.
        """
        was_interrupted = self._draining
        self._draining = True
        if was_interrupted:
            self._counts = Counts(self.tally.type_of)
        drain = self._new_drain(describe, count_keys)
        if was_interrupted:
            drain.count_all()
        changes = drain.run(event_source)
        if not self.counts:
            # A dictionary that is emptied keeps the memory that it has grown by.
            self.intake.counted = {}
            self._counts.shrink()
        if changes:
            self.version = object()
        self._draining = False
        return changes

    def recount(
        self, describe: Describe, count_keys: GetCountKeys | None = None
    ) -> None:
        """Count all connections again, with or without users. O(connections).

        For a change of the backend, before everything is reported to the new one.
        """
        self._draining = True
        self._counts = Counts(self.tally.type_of)
        self._new_drain(describe, count_keys).count_all()
        # The full report that follows names every user.
        self._counts.changed_users()
        self._draining = False

    def _new_drain(self, describe: Describe, count_keys: GetCountKeys | None) -> Drain:
        return Drain(
            *(self.intake, self._counts, self.tally, self.causes, self._numbers),
            describe,
            count_keys,
        )

    def pieces(
        self, size: int
    ) -> Iterator[tuple[Sequence[LiveConnection], Sequence[str]]]:
        """Yield the counted connections and users, at most ``size`` of each at a time.

        Drains may happen between two pieces. Before you send a piece, drop with
        :meth:`still_counted` what has left since.
        """
        connections = iter([*self.intake.counted])
        users = iter([*self.users])
        while True:
            some = tuple(itertools.islice(connections, size))
            names = tuple(itertools.islice(users, size))
            if not some and not names:
                return
            yield some, names

    def still_counted(
        self,
        describe: Describe,
        connections: Sequence[LiveConnection],
        users: Sequence[str],
    ) -> tuple[list[OpenedConnection], list[str]]:
        """Return the records and users of a piece that are counted now."""
        records = []
        for connection in connections:
            if connection.state == OPEN:
                record = describe(connection)
                key = self.intake.counted.get(connection)
                # Read the state again after the scope was read: a closing socket first
                # changes its state, then drops its scope.
                if connection.state == OPEN and key is not None:
                    records.append(as_counted(connection, key, record))
        return records, [user for user in users if user in self.users]


#: The registry of this process.
registry = Registry()
