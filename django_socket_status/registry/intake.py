"""The part of the registry that the sockets write to.

Sockets call it from any thread and on any event loop, so a call here never waits,
raises or grows without bound. Each operation on a collection is one that CPython
completes in one step; a lock is not needed. The reporter empties the collections with a
:class:`~.draining.Drain`.
"""

from __future__ import annotations

import collections
import contextlib
import operator
from collections.abc import Callable, Iterator
from typing import Any

from django_socket_status.asgi import Send
from django_socket_status.registry.counts import CountKey
from django_socket_status.registry.ends import (
    END_LIMIT,
    ENTRY_LIMIT,
    End,
    Overflow,
    QueuedEnd,
    described_by,
    plain_end,
)
from django_socket_status.registry.leaving import Departures
from django_socket_status.registry.lifecycle import REJECTED, LiveConnection, RawEnding

__all__ = ["NOTE_LIMIT", "Intake", "Note"]

#: The most notes that wait for the next drain. It is twice the limit of the event queue
#: (:data:`~django_socket_status.reporter.events.QUEUE_LIMIT`), so a drain after notes
#: were dropped also overflows that queue, which logs the warning.
NOTE_LIMIT = 20_000

#: A connection, and whether it ended (true) or opened (false).
Note = tuple[LiveConnection, bool]


#: So many of the ends that wait keep all that describes them: both lists may fill.
LISTED = 2 * ENTRY_LIMIT

_COUNTED = operator.attrgetter("counted_user", "number")
#: Runs an iterator to its end, in one step.
_exhaust = collections.deque[Any](maxlen=0).extend


class Intake:
    """Records what happens to connections, in some tens of nanoseconds per call.

    Every collection holds a connection at most once, and only connections that are open
    or were counted. So none grows without bound.
    """

    def __init__(self) -> None:
        #: Called on a change while :attr:`quiet` is true. Must not wait.
        self.wake: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Forget every connection."""
        #: Whether the next change has to wake the reporter.
        self.quiet = True
        #: Whether events are wanted. The reporter sets it at each wake and drain.
        self.listened = False
        #: Connections whose messages pass unobserved until the next heartbeat.
        self.unwatched: set[LiveConnection] = set()
        #: Opened, and not counted yet; or rejected, with an end that is not queued yet.
        self.fresh: set[LiveConnection] = set()
        #: Closed, and to be uncounted by the drain.
        self.ended: set[LiveConnection] = set()
        #: Open, with changed labels or a changed source.
        self.altered: set[LiveConnection] = set()
        #: Ended, and neither in :attr:`fresh` nor in :attr:`counted` any more.
        self.ends: collections.deque[QueuedEnd] = collections.deque()
        #: Those of the ends that found :attr:`ends` full.
        self.overflow = Overflow()
        #: What happened, oldest first; written only while events are wanted.
        self.notes: collections.deque[Note] = collections.deque(maxlen=NOTE_LIMIT)
        #: Those that this package closes now.
        self.departures = Departures()
        #: The key under which the reporter counted each open connection.
        self.counted: dict[LiveConnection, CountKey] = {}

    @property
    def has_changes(self) -> bool:
        """Whether the next drain has something to count or to uncount."""
        return bool(self.fresh or self.ended or self.altered or self.ends)

    @property
    def last_ending(self) -> RawEnding | None:
        """How the last connection ended whose end no drain has taken."""
        try:
            return End.of(self.ends[-1]).ending
        except IndexError:
            return None

    def refusing(self, connection: LiveConnection) -> None:
        """Add a connection whose handshake is about to end without an accept. O(1).

        :attr:`fresh` holds it until its end is queued. So an exception in between
        neither loses the end nor repeats it.
        """
        self.fresh.add(connection)

    def opened(self, connection: LiveConnection) -> None:
        """Add a connection whose state is ``OPEN``. O(1), from any thread."""
        if self.listened:
            # Before the set: a drain that finds the connection must find its note.
            self.notes.append((connection, False))
        self.fresh.add(connection)
        if self.quiet:
            self.wake()

    def closed(self, connection: LiveConnection) -> None:
        """Remove a connection whose state is no longer ``OPEN``. O(1).

        May be called again after an exception interrupted it.
        """
        if self.quiet:
            # Sets ``listened``.
            self.wake()
        if self.listened:
            self.notes.append((connection, True))
        if not connection.counted:
            if not self.drop(connection) and not self.listened:
                # A drain is about to count it, and then sees that it is closed. Or an
                # exception came after its end was queued. Its scope leads back to it.
                connection.scope = described_by(connection.scope)
        elif not self.leave(connection):
            # A drain holds the connection to count it again.
            self.ended.add(connection)
        if self.quiet:
            # The reporter looked between the first lines and here.
            self.wake()

    def drop(self, connection: LiveConnection) -> bool:
        """Queue the end of a connection that was accepted, and that no drain counted.

        Returns:
            False if it is not in :attr:`fresh`.
        """
        ends, listened = self.ends, self.listened
        # One step removes and queues. An exception between two would lose the end.
        removal = map(self.fresh.remove, (connection,))
        try:
            if len(ends) < END_LIMIT:
                end = plain_end(connection, listened, len(ends) < LISTED)
                ends.extend(zip(removal, (end,)))  # noqa: B905
            else:
                self._overflow(connection, removal)
        except KeyError:
            return False
        if not listened:
            connection.scope = None
        return True

    def leave(self, connection: LiveConnection) -> bool:
        """Queue the end of a counted connection, so the object can be freed at once.

        Returns:
            False if it is not in :attr:`counted`.
        """
        listened = self.listened
        removal = map(self.counted.pop, (connection,))
        end = plain_end(connection, listened, len(self.ends) < LISTED)
        # After the removal no drain changes its user and number any more.
        counted = map(_COUNTED, (connection,))
        try:
            self.ends.extend(zip(removal, (end,), counted))  # noqa: B905
        except KeyError:
            return False
        if not listened:
            connection.scope = None
        return True

    def _overflow(
        self, connection: LiveConnection, removal: Iterator[CountKey | None]
    ) -> None:
        ending, is_rejected = connection.ending, connection.state == REJECTED
        counter = self.overflow.counter(ending, is_rejected=is_rejected)
        _exhaust(zip(removal, counter))  # noqa: B905
        if not is_rejected:
            handshake_at = connection.counted_user
            self.overflow.add_times(handshake_at, connection.opened_at, ending[1])

    def settle(self, connection: LiveConnection) -> None:
        """Record an end that an exception has interrupted. O(1)."""
        self.unwatched.discard(connection)
        self.closed(connection)

    def withdraw(self, connection: LiveConnection) -> None:
        """Remove a connection that was added, and whose accept did not go out."""
        self.fresh.discard(connection)
        self._remove_note(connection, False)

    def reopened(self, connection: LiveConnection) -> None:
        """Add a connection again whose close did not go out."""
        self._take_back(connection)
        self.ended.discard(connection)
        if connection not in self.counted and connection not in self.fresh:
            # It needs a new number: a report may already carry the end of this one.
            connection.number = 0
            connection.counted = False
            self.opened(connection)

    def readmitted(self, connection: LiveConnection) -> None:
        """Undo :meth:`refusing`: the rejection of a handshake did not go out."""
        self._take_back(connection)
        self.fresh.discard(connection)

    def _take_back(self, connection: LiveConnection) -> None:
        """Put a connection back whose end no drain has taken.

        O(ends), after an exception only.
        """
        self._remove_note(connection, True)
        for queued in tuple(self.ends):
            end = End.of(queued)
            if end.ending is connection.ending:
                removal = map(self.ends.remove, (queued,))
                if end.key is None:
                    back = map(self.fresh.add, (connection,))
                else:
                    back = map(self.counted.__setitem__, (connection,), (end.key,))
                # A drain may be quicker. One step, as in :meth:`_queue`.
                with contextlib.suppress(ValueError):
                    _exhaust(zip(removal, back, strict=False))

    def _remove_note(self, connection: LiveConnection, is_over: bool) -> None:
        """Remove a note that no drain has taken. O(notes), after an exception only."""
        with contextlib.suppress(ValueError):
            self.notes.remove((connection, is_over))

    def let_pass(self, connection: LiveConnection, send: Send) -> None:
        """Let messages of an open connection pass until the next heartbeat. O(1)."""
        # Before the set: a heartbeat in between would not reset ``passes``.
        connection.passes = send
        self.unwatched.add(connection)

    def altered_labels(self, connection: LiveConnection) -> None:
        """Record that the labels of an open connection changed. O(1)."""
        self.altered.add(connection)
        if self.quiet:
            self.wake()
