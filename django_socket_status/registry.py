"""What this process knows: its own live connections, exactly.

The sockets leave what is new in :mod:`.socket_side`. Everything else happens when the
reporter drains that: connections are described and counted by type and by user, and
what changed since the last report is gathered. A connection that opened and closed
between two drains leaves no trace, unless somebody wants to hear of each.

Who may do what rests on one order. The socket's path writes a connection's ``state``
first and looks at ``counted`` second; the reporter writes ``counted`` first and looks
at ``state`` second. So at least one of them sees the other, and a connection that
closes while it is being counted is never left behind. Only one of them takes a
connection out of the set of new ones, and that one tells of its end, once.

The same goes for what was counted: who closes takes it out, and leaves behind what it
was counted as, so that the connection itself is free at once, where its memory was just
in use. What the reporter holds, to count it anew, cannot be taken out: that waits in
the set of those that ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)

from django_socket_status.counting import Cell, Counts
from django_socket_status.lives import (
    OPEN,
    Describe,
    Event,
    LiveConnection,
    as_counted,
    end_of,
    life_of,
    opening_of,
    watched,
)
from django_socket_status.records import OpenedConnection
from django_socket_status.socket_side import SocketSide
from django_socket_status.taking import emptied, taken_out

__all__ = ["Changes", "Registry", "registry"]


@dataclasses.dataclass(slots=True)
class Changes:
    """What happened since the last drain, coalesced."""

    opened: dict[int, OpenedConnection] = dataclasses.field(default_factory=dict)
    closed: list[int] = dataclasses.field(default_factory=list)
    users_joined: list[str] = dataclasses.field(default_factory=list)
    users_left: list[str] = dataclasses.field(default_factory=list)
    events: list[Event] = dataclasses.field(default_factory=list)
    recounted: bool = False
    """Whether a count may have changed: all there is to know without details."""

    def __bool__(self) -> bool:
        return self.recounted


#: Tells of connections what is counted: the cell of each.
Tally = Callable[[Sequence[LiveConnection], Counts], list[Cell]]


@dataclasses.dataclass(slots=True)
class _Drain:
    """One drain: how to tell what a connection is, and what was found."""

    describe: Describe
    tally: Tally | None
    changes: Changes = dataclasses.field(default_factory=Changes)


class Registry(SocketSide):
    """The live connections of this process, and what changed since the last drain.

    :meth:`drain`, :meth:`pieces` and the counts belong to one thread at a time: the
    reporter holds its own lock around them.
    """

    def reset(self) -> None:
        """Forget everything, as in a forked child: its parent's sockets are not its."""
        super().reset()
        #: Another object after each drain that found a change.
        self.version = object()
        self._draining = False
        self._numbers = itertools.count(1)
        #: Another object whenever all is counted anew.
        self._counts = Counts()

    @property
    def is_dirty(self) -> bool:
        """Return whether there is something to drain, or a drain is going on.

        In this order: what has left the sets is being drained, and whoever then finds
        the drain over finds :attr:`version` changed as well.
        """
        return bool(
            self._fresh
            or self._ended
            or self._altered
            or self._left
            or self._gone
            or self._draining
        )

    @property
    def counts(self) -> dict[str, int]:
        """Return how many connections were counted, by type."""
        return self._counts.by_type

    @property
    def users(self) -> dict[str, int]:
        """Return how many connections were counted, by user: with details only."""
        return self._counts.by_user

    @property
    def anonymous(self) -> int:
        """Return how many connections of nobody were counted."""
        return self._counts.anonymous

    def watch_again(self) -> None:
        """Let the next message of each connection be watched. O(those that sent)."""
        with taken_out(self.unwatched) as taken:
            for connection in taken:
                connection.passes = watched
            taken.clear()

    def drain(self, describe: Describe, tally: Tally | None = None) -> Changes:
        """Return what changed since the last call, and count it. O(changes).

        Args:
            describe: Makes the record of a connection; must not raise.
            tally: Tells what is counted, for a backend that wants no details: the
                changes then carry neither connections nor users.
        """
        drain = _Drain(describe, tally)
        changes = drain.changes
        if self._draining:
            self._start_over(drain)
        self._draining = True
        if self._fresh:
            self._settle_fresh(drain)
        if self._altered:
            self._settle_altered(drain)
        if self._ended:
            self._settle_ended(drain)
        if self._left:
            self._settle_left(drain)
        if self._gone:
            self._settle_gone(drain)
        while self._unseen:
            connection = self._unseen.popleft()
            connection.number = next(self._numbers)
            changes.events += life_of(connection, describe)
            connection.scope = None
        changes.users_joined, changes.users_left = self._counts.changed_users()
        if not self.counts:
            # Neither does a dictionary give back memory that it has grown by.
            self._counted = {}
            self._counts.shrink()
        if changes:
            self.version = object()
        self._draining = False
        return changes

    def recount(self, describe: Describe, tally: Tally | None = None) -> None:
        """Count everything anew, with or without users: O(connections).

        For another backend, before everything is reported to it.
        """
        self._draining = True
        self._start_over(_Drain(describe, tally))
        # Of everything, and nobody is to be told of that.
        self._counts.changed_users()
        self._draining = False

    def pieces(
        self, size: int
    ) -> Iterator[tuple[Sequence[LiveConnection], Sequence[str]]]:
        """Yield the counted connections and users in pieces of at most ``size``.

        Drains may happen between two of them: :meth:`still_counted` leaves out, when a
        piece is about to be sent, what has left by then.
        """
        connections = iter(tuple(self._counted))
        users = iter(tuple(self.users))
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
                cell = self._counted.get(connection)
                # In this order: who closes says so before it lets go of the scope.
                if connection.state == OPEN and cell is not None:
                    records.append(as_counted(connection, cell, record))
        return records, [user for user in users if user in self.users]

    def _start_over(self, drain: _Drain) -> None:
        """Count everything anew, as after a drain that was interrupted."""
        drain.changes.recounted = True
        self._counts = Counts()
        with self._held(self._counted) as held:
            self._count_again(held, drain)

    @contextlib.contextmanager
    def _held(
        self, connections: Iterable[LiveConnection]
    ) -> Iterator[dict[LiveConnection, Cell]]:
        """Hold those that are counted, each with its cell, and then let go of them."""
        asked = tuple(connections)
        found: list[Cell | None] = []
        held: dict[LiveConnection, Cell] = {}
        try:
            # In one step, as far as an interruption can tell.
            found.extend(map(self._counted.pop, asked, itertools.repeat(None)))
            for connection, cell in zip(asked, found, strict=True):
                if cell is not None:
                    held[connection] = cell
            yield held
        finally:
            for connection, cell in zip(asked, found, strict=False):
                if cell is not None:
                    self._counted[connection] = held.get(connection, cell)

    def _settle_fresh(self, drain: _Drain) -> None:
        numbers, counted = self._numbers, self._counted
        with taken_out(self._fresh, but_not=counted) as taken:
            for connection in taken:
                connection.counted = True
            # In this order: see the module.
            fresh = [it for it in taken if it.state == OPEN]
            for connection in fresh:
                connection.number = next(numbers)
            cells = self._count(fresh, drain)
            counted.update(zip(fresh, cells, strict=True))
            # Those that closed meanwhile are left, if there are any.
            taken[:] = set(taken).difference(fresh) if len(fresh) < len(taken) else ()
            while taken:
                connection = taken.pop()
                connection.counted = False
                self._ended.discard(connection)
                self.missed(connection)
        if self.listened:
            told, events = drain.changes.opened, drain.changes.events
            for connection, cell in zip(fresh, cells, strict=True):
                record = told.get(connection.number)
                if record is None:
                    # Counted without details.
                    record = as_counted(connection, cell, drain.describe(connection))
                events.append(opening_of(connection, record))

    def _settle_altered(self, drain: _Drain) -> None:
        with (
            taken_out(self._altered) as taken,
            self._held(it for it in taken if it.state == OPEN) as held,
        ):
            if held:
                self._uncount(held, drain)
                self._count_again(held, drain)
            taken.clear()

    def _settle_ended(self, drain: _Drain) -> None:
        ended: dict[LiveConnection, Cell] = {}
        with taken_out(self._ended) as taken:
            for connection in taken:
                cell = self._counted.pop(connection, None)
                # Unless it is from before a reset, as in the child of a fork.
                if cell is not None:
                    ended[connection] = cell
            if ended:
                self._uncount(ended, drain)
            taken.clear()
        self._tell_closed([it.number for it in ended], drain)
        for connection, cell in ended.items():
            if connection.scope is not None:
                if self.listened:
                    record = as_counted(connection, cell, drain.describe(connection))
                    drain.changes.events.append(end_of(connection, record))
                connection.scope = None

    def _settle_left(self, drain: _Drain) -> None:
        left = [it for it in emptied(self._left) if it[0].counts is self._counts]
        if left:
            drain.changes.recounted = True
            cells, users, numbers = zip(*left, strict=True)
            self._counts.take(cells)
            self._counts.take_users(users)
            self._tell_closed(numbers, drain)

    def _settle_gone(self, drain: _Drain) -> None:
        drain.changes.recounted = True
        self._counts.take(emptied(self._gone))

    def _tell_closed(self, numbers: Sequence[int], drain: _Drain) -> None:
        if drain.tally is None:
            changes = drain.changes
            changes.closed += numbers
            for number in numbers if changes.opened else ():
                changes.opened.pop(number, None)

    def _count(
        self, connections: Sequence[LiveConnection], drain: _Drain
    ) -> list[Cell]:
        """Count connections, and return the cell of each."""
        if connections:
            drain.changes.recounted = True
        counts = self._counts
        if drain.tally is not None:
            return counts.add(drain.tally(connections, counts))
        records = [drain.describe(it) for it in connections]
        kinds = [it.type for it in records]
        cell_of = {kind: counts.cells(kind).by_user for kind in set(kinds)}
        cells = counts.add([cell_of[it] for it in kinds])
        counts.add_users([it.user_id for it in records])
        opened = drain.changes.opened
        for connection, cell, record in zip(connections, cells, records, strict=True):
            connection.counted_user = record.user_id
            # As it was counted.
            if record.type != cell.type:
                record = record._replace(type=cell.type)
            opened[record.number] = record
        return cells

    def _count_again(self, held: dict[LiveConnection, Cell], drain: _Drain) -> None:
        connections = tuple(held)
        held.update(zip(connections, self._count(connections, drain), strict=True))

    def _uncount(self, counted: Mapping[LiveConnection, Cell], drain: _Drain) -> None:
        drain.changes.recounted = True
        self._counts.take(counted.values())
        self._counts.take_users(
            [it.counted_user for it, cell in counted.items() if cell.signed_in is None]
        )


#: The registry of this process.
registry = Registry()
