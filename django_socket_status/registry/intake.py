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
from collections.abc import Callable
from typing import Any

from django_socket_status.asgi import Send
from django_socket_status.registry.cells import drop_void, replace, take
from django_socket_status.registry.counts import CountKey
from django_socket_status.registry.ends import (
    END_LIMIT,
    ENDING,
    ENTRY_LIMIT,
    Overflow,
    QueuedEnd,
    described_by,
    plain_end,
)
from django_socket_status.registry.leaving import Departures
from django_socket_status.registry.lifecycle import (
    REJECTED,
    Cell,
    LiveConnection,
    RawEnding,
)
from django_socket_status.registry.lockfree import drain_deque

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

    A connection that no drain has counted waits in a cell: see :mod:`.cells`. No
    collection grows without bound: at most :data:`~.ends.END_LIMIT` ends wait.
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
        #: Cells of connections that opened or were rejected since the last drain.
        self.fresh: collections.deque[Cell] = collections.deque()
        #: About how many ends wait: threads may count one for two.
        self.queued = 0
        #: About how many cells in :attr:`fresh` have nothing in them.
        self.voids = 0
        #: How the last connection ended whose end no drain has taken.
        self.last_ending: RawEnding | None = None
        #: Closed, and to be uncounted by the drain.
        self.ended: set[LiveConnection] = set()
        #: Open, with changed labels or a changed source.
        self.altered: set[LiveConnection] = set()
        #: What stays of those that were in :attr:`counted`.
        self.ends: collections.deque[QueuedEnd] = collections.deque()
        #: Ends of connections that no drain has counted, above the limit.
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

    def opened(self, connection: LiveConnection) -> None:
        """Queue a connection whose state is ``OPEN``. O(1), from any thread."""
        cell = connection.waiting = [connection]
        if self.listened:
            # Before the cell: a drain that finds the connection must find its note.
            self.notes.append((connection, False))
        self.fresh.append(cell)
        if self.quiet:
            self.wake()

    def closed(self, connection: LiveConnection) -> None:
        """Queue the end of a connection whose state is no longer ``OPEN``. O(1)."""
        if self.quiet:
            # Sets ``listened``.
            self.wake()
        listened = self.listened
        if listened:
            self.notes.append((connection, True))
        self.last_ending = connection.ending
        self.queued = queued = self.queued + 1
        cell = connection.waiting
        try:
            if cell is None:
                self.leave(connection, queued <= LISTED)
            elif queued > END_LIMIT:
                self._overflow(connection, cell)
            else:
                cell[0] = plain_end(connection, listened, queued <= LISTED)
                if connection.state == REJECTED:
                    self.fresh.append(cell)
            if not listened:
                connection.scope = None
        except KeyError:
            # A drain holds the connection to count it again.
            self.ended.add(connection)
        except IndexError:
            # A drain took the connection out, and finds that it has ended.
            self._free(connection)
        if self.quiet:
            # The reporter looked between the first lines and here.
            self.wake()

    def take(self, into: list[Any]) -> None:
        """Take out what waits, into a list. For one thread at a time. O(n)."""
        self.queued = self.voids = 0
        self.last_ending = None
        # Those of counted ones ended first.
        drain_deque(self.ends, into)
        take(self.fresh, into)

    def leave(self, connection: LiveConnection, is_listed: bool) -> None:
        """Queue the end of a counted connection, so the object can be freed at once.

        Raises:
            KeyError: it is not in :attr:`counted`.
        """
        # One step removes and queues. An exception between two would lose the end.
        removal = map(self.counted.pop, (connection,))
        end = plain_end(connection, self.listened, is_listed)
        # After the removal no drain changes its user and number any more.
        counted = map(_COUNTED, (connection,))
        self.ends.extend(zip(removal, (end,), counted))  # noqa: B905

    def _overflow(self, connection: LiveConnection, cell: Cell) -> None:
        ending, is_rejected = connection.ending, connection.state == REJECTED
        counter = self.overflow.counter(ending, is_rejected=is_rejected)
        removal = map(cell.__setitem__, (0,), (None,))
        _exhaust(zip(removal, counter))  # noqa: B905
        if not is_rejected:
            handshake_at = connection.counted_user
            self.overflow.add_times(handshake_at, connection.opened_at, ending[1])
        self.voids += 1
        if self.voids > END_LIMIT:
            self.voids = 0
            drop_void(self.fresh)

    def settle(self, connection: LiveConnection) -> None:
        """Record an end that an exception has interrupted. O(1)."""
        self.unwatched.discard(connection)
        cell = connection.waiting
        content = [] if cell is None else [*cell]
        if cell is None or content in ([], [connection]):
            self.closed(connection)
            return
        if connection.state == REJECTED:
            # A drain that has it already finds the cell empty.
            self.fresh.append(cell)
        self._free(connection)
        self.wake()

    def _free(self, connection: LiveConnection) -> None:
        """Drop what leads from a scope back to itself, and keep what describes it."""
        if not self.listened:
            connection.scope = described_by(connection.scope)

    def withdraw(self, connection: LiveConnection) -> bool:
        """Remove a connection that was added, and whose accept did not go out.

        Returns:
            False if a drain counts it.
        """
        if not replace(connection, None):
            return False
        self._remove_note(connection, False)
        return True

    def reopened(self, connection: LiveConnection) -> None:
        """Add a connection again whose close did not go out."""
        self._remove_note(connection, True)
        self._return(connection)
        self.ended.discard(connection)
        if connection not in self.counted and not replace(connection, connection):
            # It needs a new number: a report may already carry the end of this one.
            connection.number = 0
            self.opened(connection)

    def readmitted(self, connection: LiveConnection) -> None:
        """Undo the rejection of a handshake that did not go out."""
        self._remove_note(connection, True)
        replace(connection, None)

    def _return(self, connection: LiveConnection) -> None:
        """Put back a counted connection whose end no drain has taken.

        O(ends), after an exception only.
        """
        for queued in tuple(self.ends):
            key, end, _ = queued
            if end[ENDING] is connection.ending:
                removal = map(self.ends.remove, (queued,))
                back = map(self.counted.__setitem__, (connection,), (key,))
                # A drain may be quicker. One step, as in :meth:`leave`.
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
