"""What this process knows: its own live connections, exactly.

The socket's path touches one set, with operations that CPython does in one step, so
that there is no lock to wait for: :meth:`Registry.opened` and its kind cost some tens
of nanoseconds, do no I/O, and may be called from any thread.

Everything else happens when the reporter drains what is new: connections are described
and counted by type and by user, and what changed since the last report is gathered. A
connection that opened and closed between two drains leaves no trace, unless somebody
wants to hear of each.

Who may do what rests on one order. The socket's path writes a connection's ``state``
first and looks at ``counted`` second; the reporter writes ``counted`` first and looks
at ``state`` second. So at least one of them sees the other, and a connection that
closes while it is being counted is never left behind. Only one of them takes a
connection out of the set of new ones, and that one tells of its end, once.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
from collections.abc import (
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from typing import Literal

from django_socket_status.bounds import MAX_TYPES
from django_socket_status.lives import (
    OPEN,
    Describe,
    Event,
    LiveConnection,
    end_of,
    life_of,
)
from django_socket_status.records import OpenedConnection

__all__ = ["Changes", "Registry", "registry"]

#: Connections that came and went between two drains and wait to be told of.
EVENT_LIMIT = 10_000

OTHER_TYPE = "other"


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


#: A connection, its type, and the user: ``None`` for nobody, ``True`` for somebody who
#: is not told by name.
Told = tuple[LiveConnection, str, str | Literal[True] | None]
#: Tells of each connection in turn what is counted.
Tally = Callable[[Iterable[LiveConnection]], Iterator[Told]]


@dataclasses.dataclass(slots=True)
class _Drain:
    """One drain: how to tell what a connection is, and what was found."""

    describe: Describe
    tally: Tally | None
    changes: Changes = dataclasses.field(default_factory=Changes)
    #: How many connections each user had, of those who have more or fewer now.
    users: dict[str, int] = dataclasses.field(default_factory=dict)


class Registry:
    """The live connections of this process, and what changed since the last drain.

    :meth:`drain`, :meth:`pieces` and the counts belong to one thread at a time: the
    reporter holds its own lock around them.
    """

    def __init__(self) -> None:
        #: What to call on a change while :attr:`quiet` is true; must not wait.
        self.wake: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Forget everything, as in a forked child: its parent's sockets are not its."""
        self.quiet = True
        #: Whether events are wanted: seen to at each wake and drain.
        self.listened = False
        #: Another object after each heartbeat.
        self.beat = object()
        #: Another object after each drain that found a change.
        self.version = object()
        self._draining = False
        # Written on the socket's path. Each holds a connection once at the most, and
        # only connections that are open or were counted: none grows without bound.
        self._fresh: set[LiveConnection] = set()
        self._ended: set[LiveConnection] = set()
        self._altered: set[LiveConnection] = set()
        self._unseen: collections.deque[LiveConnection] = collections.deque(
            maxlen=EVENT_LIMIT
        )
        # The reporter's.
        # A dictionary, for a set grows in longer leaps: up to 100 bytes a connection.
        self._counted: dict[LiveConnection, None] = {}
        self._numbers = itertools.count(1)
        self.counts: dict[str, int] = {}
        self.users: dict[str, int] = {}
        self.anonymous = 0

    # On the socket's path. Nothing here waits, raises, or grows without bound.

    def opened(self, connection: LiveConnection) -> None:
        """Add a connection whose state is ``OPEN``. O(1), from any thread."""
        self._fresh.add(connection)
        if self.quiet:
            self.wake()

    def closed(self, connection: LiveConnection) -> None:
        """Take away a connection whose state is no longer ``OPEN``. O(1)."""
        if connection.counted:
            self._ended.add(connection)
            if self.quiet:
                self.wake()
            if not self.listened:
                # Cheapest where it was just in use.
                connection.scope = None
            return
        try:
            self._fresh.remove(connection)
        except KeyError:
            # The reporter is about to count it, and will see that it is closed.
            return
        self.missed(connection)

    def missed(self, connection: LiveConnection) -> None:
        """Note the end of a connection that was not counted, or never opened. O(1)."""
        if self.quiet:
            self.wake()
        if self.listened:
            self._unseen.append(connection)
        else:
            connection.scope = None

    def altered(self, connection: LiveConnection) -> None:
        """Note that an open connection has another choice, or source. O(1)."""
        self._altered.add(connection)
        if self.quiet:
            self.wake()

    @property
    def is_dirty(self) -> bool:
        """Return whether there is something to drain, or a drain is going on.

        In this order: what has left the sets is being drained, and whoever then finds
        the drain over finds :attr:`version` changed as well.
        """
        waiting = bool(self._fresh or self._ended or self._altered)
        return waiting or self._draining

    # Off the socket's path, one thread at a time.

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
        self._settle_fresh(drain)
        self._settle_altered(drain)
        self._settle_ended(drain)
        while self._unseen:
            connection = self._unseen.popleft()
            connection.number = next(self._numbers)
            changes.events += life_of(connection, describe)
            connection.scope = None
        self._settle_users(drain)
        if not self._counted:
            # What is taken out of a dictionary does not make it smaller.
            self._counted, self.users = {}, {}
        if changes:
            self.version = object()
        self._draining = False
        return changes

    def recount(self, describe: Describe, tally: Tally | None = None) -> None:
        """Count everything anew, with or without users: O(connections).

        For another backend, before everything is reported to it.
        """
        drain = _Drain(describe, tally)
        self._count(self._uncounted(self._counted, drain), drain)

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
            if connection.counted:
                record = describe(connection)
                # In this order: who closes says so before it lets go of the scope.
                if connection.state == OPEN:
                    records.append(_as_counted(connection, record))
        return records, [user for user in users if user in self.users]

    def _start_over(self, drain: _Drain) -> None:
        """Count what is counted anew, after a drain that was interrupted."""
        self.counts, self.users, self.anonymous = {}, {}, 0
        self._count(self._counted, drain)

    def _settle_fresh(self, drain: _Drain) -> None:
        # A drain that is interrupted gives back the rest at once.
        with contextlib.closing(self._newly_open(drain)) as fresh:
            self._count(fresh, drain)

    def _newly_open(self, drain: _Drain) -> Generator[LiveConnection, None, None]:
        """Yield what is new, to be counted, unless it closed meanwhile: see the module.

        In :attr:`_counted` once it was counted: who asks for the next one has done so.
        """
        counted, numbers = self._counted, self._numbers
        for connection in _taken(self._fresh):
            if connection in counted:
                # By a drain that was interrupted right after it.
                continue
            connection.counted = True
            if connection.state == OPEN:
                connection.number = next(numbers)
                yield connection
                counted[connection] = None
                if self.listened:
                    drain.changes.events.append(_opening(connection, drain))
            else:
                connection.counted = False
                self._ended.discard(connection)
                self.missed(connection)

    def _settle_altered(self, drain: _Drain) -> None:
        altered = (it for it in _taken(self._altered) if it.state == OPEN)
        self._count(self._uncounted(altered, drain), drain)

    def _uncounted(
        self, connections: Iterable[LiveConnection], drain: _Drain
    ) -> Iterator[LiveConnection]:
        """Yield those that were counted, to be counted anew."""
        for connection in connections:
            if connection in self._counted:
                self._uncount(connection, drain)
                yield connection

    def _settle_ended(self, drain: _Drain) -> None:
        counted, changes = self._counted, drain.changes
        for connection in _taken(self._ended):
            if connection not in counted:
                # The registry was reset meanwhile, as in the child of a fork.
                continue
            self._uncount(connection, drain)
            del counted[connection]
            connection.counted = False
            if drain.tally is None:
                changes.opened.pop(connection.number, None)
                changes.closed.append(connection.number)
            if connection.scope is not None:
                if self.listened:
                    record = _as_counted(connection, drain.describe(connection))
                    changes.events.append(end_of(connection, record))
                connection.scope = None

    def _count(self, connections: Iterable[LiveConnection], drain: _Drain) -> None:
        """Count connections, one after the other as they come."""
        counts, changes, users = self.counts, drain.changes, drain.users
        told = drain.tally(connections) if drain.tally else _records(connections, drain)
        for connection, kind, user in told:
            changes.recounted = True
            if kind in counts:
                counts[kind] += 1
            elif len(counts) < MAX_TYPES:
                counts[kind] = 1
            else:
                kind = OTHER_TYPE
                counts[kind] = counts.get(kind, 0) + 1
            connection.counted_type = kind
            connection.counted_user = user
            if user is None:
                self.anonymous += 1
            elif user is not True:
                count = self.users.get(user, 0)
                self.users[user] = count + 1
                users.setdefault(user, count)

    def _uncount(self, connection: LiveConnection, drain: _Drain) -> None:
        drain.changes.recounted = True
        kind, counts = connection.counted_type, self.counts
        if counts[kind] > 1:
            counts[kind] -= 1
        else:
            del counts[kind]
        user = connection.counted_user
        if user is None:
            self.anonymous -= 1
        elif user is not True:
            count = self.users[user]
            drain.users.setdefault(user, count)
            if count > 1:
                self.users[user] = count - 1
            else:
                del self.users[user]

    def _settle_users(self, drain: _Drain) -> None:
        for user, count in drain.users.items():
            if not count and user in self.users:
                drain.changes.users_joined.append(user)
            elif count and user not in self.users:
                drain.changes.users_left.append(user)


def _taken(connections: set[LiveConnection]) -> Iterator[LiveConnection]:
    """Yield and remove what is in a set that other threads write to, and no more.

    Removed one by one, so that it was either us or somebody else who removed it.
    """
    taken: list[LiveConnection] = []
    try:
        with contextlib.suppress(KeyError):
            # Keeps what it has when a pop finds nothing any more.
            taken.extend(map(set.pop, itertools.repeat(connections, len(connections))))
        # In a new table, of the size of what is left: a pop gives no memory back.
        connections.intersection_update(connections)
        while taken:
            yield taken[-1]
            taken.pop()
    finally:
        # Whoever drains may be interrupted: neither the rest is lost nor the one that
        # it was at.
        connections.update(taken)


def _records(connections: Iterable[LiveConnection], drain: _Drain) -> Iterator[Told]:
    """Tell of connections in full, and report them as they were counted then."""
    for connection in connections:
        record = drain.describe(connection)
        yield connection, record.type, record.user_id
        kind = connection.counted_type
        if record.type is not kind:
            record = record._replace(type=kind)
        drain.changes.opened[record.number] = record


def _as_counted(
    connection: LiveConnection, record: OpenedConnection
) -> OpenedConnection:
    """Return a record under the type and the user that its connection is counted as."""
    kind, user = connection.counted_type, connection.counted_user
    if user is True:
        user = record.user_id
    if record.type == kind and record.user_id == user:
        return record
    return record._replace(type=kind, user_id=user)


def _opening(connection: LiveConnection, drain: _Drain) -> Event:
    record = drain.changes.opened.get(connection.number)
    if record is None:
        # Counted without details.
        record = _as_counted(connection, drain.describe(connection))
    return Event(kind="opened", connection=record, source=connection.source)


#: The registry of this process.
registry = Registry()
