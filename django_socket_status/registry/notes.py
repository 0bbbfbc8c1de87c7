"""Turns the notes of the sockets into events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from django_socket_status.registry.intake import Note
from django_socket_status.registry.lifecycle import (
    CLOSED,
    OPEN,
    REJECTED,
    Describe,
    Ending,
    Event,
    EventSource,
    LiveConnection,
    RawEnding,
    closed_event,
    opened_event,
    rejected_event,
)
from django_socket_status.registry.lockfree import drain_deque

__all__ = ["has_ended", "lifecycle_events", "take_notes"]


def take_notes(
    notes: deque[Note], counted: Container[LiveConnection]
) -> Sequence[Note]:
    """Take the notes out, but those of ends that no drain can count yet. O(notes).

    A socket notes its end before it leaves what is counted, with all that describes it.
    The event would free that, so it waits for the next drain.
    """
    found = drain_deque(notes)
    early = [it for it in found if it[1] and it[0] in counted and has_ended(it[0])]
    if not early:
        return found
    notes.extendleft(reversed(early))
    return [it for it in found if it not in early]


def lifecycle_events(
    notes: Sequence[Note],
    met: Iterable[LiveConnection],
    describe: Describe,
    event_source: EventSource,
    decide: Callable[[RawEnding], Ending],
) -> Iterator[Event]:
    """Yield the events of a drain, in the order in which the sockets noted them.

    A connection without an opening note opened before events were wanted, so its event
    comes first. A connection loses its scope with the event of its end.

    Args:
        notes: The notes since the last drain, oldest first.
        met: The connections that this drain counted for the first time.
        describe: Gives a connection its number, and returns its record.
        event_source: Returns the sender of a connection's signals.
        decide: Returns how a connection ended, with its cause.
    """
    for connection in _unnoted(notes, met):
        yield opened_event(describe(connection), event_source(connection))
    for connection, is_over in notes:
        if is_over:
            if has_ended(connection):
                yield _end(connection, describe, event_source, decide)
        elif connection.number or connection.state != REJECTED:
            yield opened_event(describe(connection), event_source(connection))
        # Else its accept failed before a drain met it: the note of its end says so.


def has_ended(connection: LiveConnection) -> bool:
    """Return whether a connection ended whose end no event has told."""
    return connection.scope is not None and connection.state > OPEN


def _unnoted(
    notes: Sequence[Note], met: Iterable[LiveConnection]
) -> list[LiveConnection]:
    """Return the connections that opened without a note, oldest first."""
    noted = {connection for connection, is_over in notes if not is_over}
    ended = (
        connection
        for connection, is_over in notes
        if is_over and not connection.number and connection.state == CLOSED
    )
    found = dict.fromkeys((*met, *ended))
    return sorted(found.keys() - noted, key=lambda it: it.opened_at)


def _end(
    connection: LiveConnection,
    describe: Describe,
    event_source: EventSource,
    decide: Callable[[RawEnding], Ending],
) -> Event:
    # Without a number, no event of its opening was made.
    is_rejection = not connection.number
    record, source = describe(connection), event_source(connection)
    connection.scope = None
    if is_rejection:
        return rejected_event(record, source)
    return closed_event(record, source, decide(connection.ending))
