"""Counts what the sockets put into the intake, and gathers what a report has to say.

The socket's path takes no lock. One order keeps it and the drain consistent: a socket
writes ``state`` first and reads ``waiting`` second; a drain writes ``waiting`` first
and reads ``state`` second. So at least one of the two sees the other's write, and a
connection that closes while it is being counted is always uncounted.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.records import OpenedConnection
from django_socket_status.registry.causes import Causes
from django_socket_status.registry.cells import sort_out
from django_socket_status.registry.changes import Changes
from django_socket_status.registry.counts import CountKey, Counts
from django_socket_status.registry.ends import (
    ENDING,
    KEY,
    End,
    PlainEnd,
    QueuedEnd,
    plain_end,
    plain_ends,
)
from django_socket_status.registry.intake import Intake
from django_socket_status.registry.lifecycle import (
    OPEN,
    Describe,
    EventSource,
    LiveConnection,
    as_counted,
    user_of,
)
from django_socket_status.registry.lockfree import drain_deque, drain_set, hold
from django_socket_status.registry.notes import lifecycle_events, take_notes
from django_socket_status.registry.tally import Tally

__all__ = ["Drain", "GetCountKeys"]

#: Returns the count key of each connection, for a backend that wants no details.
GetCountKeys = Callable[[Sequence[LiveConnection], Counts], list[CountKey]]


class Drain:
    """One drain: empties the intake, updates the counts, fills :attr:`changes`.

    Where a socket puts its connection, and what the drain does with it:

    ============  ===========  ===================  ====================================
    ``state``     ``waiting``  collection           drain
    ============  ===========  ===================  ====================================
    OPEN          its cell     ``fresh``            counts it, sets ``waiting`` to None
    OPEN          None         ``altered``          uncounts it, counts it again
    CLOSED        its cell     ``fresh``            adds its end to the totals
    CLOSED        None         ``ends``             the same, and uncounts its key
    CLOSED        None         ``ended``, while a   queues its end in ``ends``
                               drain recounts it
    REJECTED      its cell     ``fresh``            adds its end to the totals
    ============  ===========  ===================  ====================================

    An end is a tuple: see :class:`.End`. The drain makes that of a connection that ends
    while it is taken from ``fresh``. A rejected connection that a drain counted
    before its accept failed is treated as a closed one. While events are wanted, each
    opening and each end is also in ``notes``. The tally keeps the batch of ends until
    they are counted, so that an exception loses none and counts none twice.

    Args:
        intake: Where the sockets put their connections.
        counts: The counts to update.
        tally: The totals to add to.
        causes: Decides why a connection ended.
        numbers: Gives each connection its number.
        describe: Returns the record of a connection; must not raise.
        count_keys: Returns what to count, for a backend that wants no details: the
            changes then carry neither connections nor users.
    """

    def __init__(
        self,
        intake: Intake,
        counts: Counts,
        tally: Tally,
        causes: Causes,
        numbers: Iterator[int],
        describe: Describe,
        count_keys: GetCountKeys | None,
    ) -> None:
        self.changes = Changes()
        self._intake = intake
        self._counts = counts
        self._tally = tally
        self._causes = causes
        self._numbers = numbers
        self._describe = describe
        self._count_keys = count_keys
        #: Counted for the first time, while events are wanted.
        self._met: list[LiveConnection] = []
        #: Uncounted by this drain, with the keys of before.
        self._uncounted: dict[LiveConnection, CountKey] = {}

    def run(self, event_source: EventSource) -> Changes:
        """Empty the intake and return what changed. O(changes)."""
        intake, batch = self._intake, self._tally.batch()
        intake.take(batch)
        if batch:
            self._settle_fresh(batch)
        if intake.altered:
            self._settle_altered()
        if intake.ended:
            self._settle_ended()
        ends = self._uncount_ends(batch)
        self._causes.notice([it[ENDING] for it in ends])
        self._gather_events(event_source)
        self._add_to_tally(ends)
        changes = self.changes
        changes.users_joined, changes.users_left = self._counts.changed_users()
        return changes

    def count_all(self) -> None:
        """Count all counted connections again, into new counts. O(connections)."""
        self.changes.recounted = True
        with hold(self._intake.counted, self._intake.counted) as held:
            self._count_again(held)

    def _settle_fresh(self, batch: list[Any]) -> None:
        """Count the open connections of the batch, and leave only ends in it."""
        intake, numbers = self._intake, self._numbers
        fresh, closed = sort_out(batch, intake.counted)
        # After an exception, an undone close has queued a counted one again.
        intake.ended.update(it for it in closed if it in intake.counted)
        late = [it for it in closed if it not in intake.counted]
        ends = [plain_end(it, intake.listened, is_listed=True) for it in late]
        uncounted = fresh
        try:
            batch[:] = [*(it for it in batch if type(it) is tuple), *ends]
            if intake.listened:
                self._met = [it for it in fresh if not it.number]
            else:
                for connection in late:
                    connection.scope = None
            self._add_accepts(fresh)
            for connection in fresh:
                connection.number = connection.number or next(numbers)
            if fresh:
                self.changes.note_counted(fresh)
            keys = self._count(fresh)
            intake.counted.update(zip(fresh, keys, strict=True))
            uncounted = []
        finally:
            # For the next drain, after an exception. ``waiting`` stays None: one that
            # ends before is also added to ``ended``, where it is ignored.
            intake.fresh.extend([[it] for it in uncounted if it not in intake.counted])

    def _add_accepts(self, fresh: Sequence[LiveConnection]) -> None:
        # Before a drain gives it a number, ``counted_user`` is the handshake's time.
        waits = [
            it.opened_at - it.counted_user
            for it in fresh
            if not it.number and isinstance(it.counted_user, float)
        ]
        if waits:
            self._tally.add_accepts(waits)

    def _settle_altered(self) -> None:
        with (
            drain_set(self._intake.altered) as altered,
            hold(
                self._intake.counted, (it for it in altered if it.state == OPEN)
            ) as held,
        ):
            if held:
                self._uncount(held)
                self._count_again(held)
            altered.clear()

    def _settle_ended(self) -> None:
        with drain_set(self._intake.ended) as ended:
            while ended:
                # Its end is in the batch already, or this process was forked.
                with contextlib.suppress(KeyError):
                    self._intake.leave(ended[-1], is_listed=True)
                if not self._intake.listened:
                    ended[-1].scope = None
                ended.pop()

    def _uncount_ends(self, batch: list[QueuedEnd]) -> list[PlainEnd]:
        """Return all ends; uncount the connections of those that were counted open."""
        ends = plain_ends(drain_deque(self._intake.ends, batch))
        closed = [End(*it) for it in ends if it[KEY] is not None]
        # Else everything was counted again since, into new counts.
        counted = [it for it in closed if it.key and it.key.counts is self._counts]
        if counted:
            self.changes.recounted = True
            self._counts.uncount([it.key for it in counted if it.key])
            self._counts.uncount_users(
                (user_of(it.counted_user), it.number)
                for it in counted
                if it.key and it.key.signed_in is None
            )
        self._note_closed([it.number for it in closed])
        for end in closed:
            if end.connection is not None and end.key is not None:
                self._uncounted[end.connection] = end.key
        return ends

    def _add_to_tally(self, ends: Sequence[PlainEnd]) -> None:
        tally, overflow = self._tally, self._intake.overflow
        if ends:
            tally.add(ends, self._causes, self._describe_end, self._kind_of_end)
        if overflow:
            tally.add_overflowed(overflow.take(time.time()), self._causes)

    def _kind_of_end(self, end: End) -> str:
        return self._describe(end.as_live()).type

    def _describe_end(self, end: End) -> OpenedConnection:
        """Return the record of what ended, under the number and key it was counted."""
        live = end.as_live()
        if end.connection is not None:
            live.number = end.connection.number
        if not end.is_rejected:
            live.number = live.number or next(self._numbers)
        record = self._describe(live)
        live.counted_user = end.counted_user
        return record if end.key is None else as_counted(live, end.key, record)

    def _note_closed(self, numbers: Sequence[int]) -> None:
        if self._count_keys is None:
            self.changes.closed += numbers
            for number in numbers if self.changes.opened else ():
                self.changes.opened.pop(number, None)

    def _count(self, connections: Sequence[LiveConnection]) -> list[CountKey]:
        """Count connections, and return the key of each."""
        if connections:
            self.changes.recounted = True
        if self._count_keys is not None:
            return self._counts.add(self._count_keys(connections, self._counts))
        return self._count_with_details(connections)

    def _count_with_details(
        self, connections: Sequence[LiveConnection]
    ) -> list[CountKey]:
        counts, opened = self._counts, self.changes.opened
        records = [self._describe(it) for it in connections]
        kinds = [it.type for it in records]
        key_of = {kind: counts.keys_of(kind).by_user for kind in set(kinds)}
        keys = counts.add([key_of[it] for it in kinds])
        counts.add_users([it.user_id for it in records], connections)
        for connection, key, record in zip(connections, keys, records, strict=True):
            connection.counted_user = record.user_id
            # Above the limit of types it is counted, and so reported, as "other".
            if record.type != key.type:
                record = record._replace(type=key.type)
            opened[record.number] = record
        return keys

    def _count_again(self, held: dict[LiveConnection, CountKey]) -> None:
        connections = tuple(held)
        keys = map(self._counts.keep_opened_as, held.values(), self._count(connections))
        held.update(zip(connections, tuple(keys), strict=True))

    def _uncount(self, counted: Mapping[LiveConnection, CountKey]) -> None:
        self.changes.recounted = True
        self._counts.uncount(counted.values())
        self._counts.uncount_users(
            (user_of(it.counted_user), it.number)
            for it, key in counted.items()
            if key.signed_in is None
        )

    def _gather_events(self, event_source: EventSource) -> None:
        """Make events of the sockets' notes."""
        notes = take_notes(self._intake.notes, self._intake.counted)
        if notes or self._met:
            decide = self._causes.decide
            self.changes.events += lifecycle_events(
                notes, self._met, self._describe_event, event_source, decide
            )
        # An event drops the scope, too; but its note may be lost: see ``NOTE_LIMIT``.
        for connection in self._uncounted:
            if connection.state > OPEN:
                connection.scope = None

    def _describe_event(self, connection: LiveConnection) -> OpenedConnection:
        """Return the record of a connection under the number and key it is counted."""
        connection.number = connection.number or next(self._numbers)
        record = self.changes.opened.get(connection.number)
        if record is None:
            record = self._describe(connection)
            counted = self._intake.counted
            key = self._uncounted.get(connection) or counted.get(connection)
            if key is not None:
                record = as_counted(connection, key, record)
        return record
