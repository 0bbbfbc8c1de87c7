"""One WebSocket of this process: its states, its end, and its events."""

from __future__ import annotations

import dataclasses
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from django_socket_status.asgi import Message, Scope, Send
from django_socket_status.endings import Cause, EndedBy
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.counts import CountKey

__all__ = [
    "CLOSED",
    "FINISHED",
    "HANDSHAKE",
    "NOTED",
    "OPEN",
    "REJECTED",
    "RUNNING",
    "Cell",
    "Ending",
    "Event",
    "EventSource",
    "LiveConnection",
    "Overrides",
    "RawEnding",
    "as_counted",
    "closed_event",
    "opened_event",
    "overrides_of",
    "rejected_event",
    "source_of",
    "user_of",
]

HANDSHAKE, OPEN, CLOSED, REJECTED = range(4)

#: How far the end of a connection has come: not recorded in the intake, or only partly;
#: recorded; the application has returned as well.
RUNNING, NOTED, FINISHED = range(3)

#: What ended a connection, when (seconds since the epoch), and the message that said
#: so. The socket's path writes it; :mod:`.causes` makes an :class:`Ending` of it.
RawEnding = tuple[EndedBy, float, Mapping[str, Any] | None]


#: A list of at most one element: see :mod:`.cells`.
Cell = list[Any]


class LiveConnection:
    """One WebSocket of this process, from its handshake to its end.

    The attributes above the line are written on the socket's path, those below it by a
    drain only.
    """

    __slots__ = (
        "counted_user",
        "ending",
        "loop",
        "number",
        "opened_at",
        "overrides",
        "passes",
        "phase",
        "scope",
        "source",
        "state",
        "waiting",
    )

    scope: Scope | None
    source: Any
    """The consumer class, or the middleware, that serves this connection."""
    state: int
    passes: Send | None
    """Forwards outgoing messages without observing them. ``None``: the next message has
    to be observed."""
    opened_at: float
    """When it was accepted, or rejected; the time of the handshake before that."""
    overrides: Overrides | None
    """What the consumer set for this connection; ``None`` for nothing."""
    ending: RawEnding
    loop: AbstractEventLoop | None
    """The event loop that owns the socket; ``None`` if asyncio runs none."""
    phase: int
    """``RUNNING`` until the end is in the intake, then ``NOTED``; ``FINISHED`` once the
    application has ended."""
    waiting: Cell | None
    """Where it waits for a drain, which sets this to ``None``: see :mod:`.cells`."""
    # ---
    number: int
    """Part of its public id; 0 until a drain has counted the connection."""
    counted_user: str | float | None
    """The user it is counted for, if its key is ``by_user``. Until a drain has counted
    the connection, the time of its handshake; a separate slot would be 8 bytes for
    each connection."""

    def send_as_server(self, message: Message) -> Awaitable[Any]:
        """Hand a message to the server, unobserved. On the connection's event loop."""
        raise NotImplementedError

    def depart(self, by: EndedBy, message: Message) -> None:
        """Record what ended the connection while this package closed it."""
        raise NotImplementedError


@dataclasses.dataclass(slots=True)
class Overrides:
    """Type and labels that override those of the class and the route."""

    type: str | None = None
    labels: Mapping[str, str] | None = None
    """Replace the labels of the route."""
    added: Mapping[str, str | None] | None = None
    """Labels changed since the accept; ``None`` removes a label."""


def overrides_of(connection: LiveConnection) -> Overrides:
    """Return the overrides of a connection; creates them if needed. Any thread."""
    made = Overrides()
    # CPython does not switch threads between this read and this write, so two threads
    # get the same object.
    if connection.overrides is None:
        connection.overrides = made
    return connection.overrides


class Ending(NamedTuple):
    """How a connection ended."""

    by: EndedBy
    at: float
    """Seconds since the epoch."""
    code: int | None
    reason: str
    cause: Cause
    """Decided once, by the drain that found the end."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An opening, an end or a rejection, as the drain found it.

    Signals and log lines are made of it.
    """

    kind: str
    """``"opened"``, ``"closed"`` or ``"rejected"``."""
    connection: OpenedConnection
    source: Any
    ending: Ending | None = None
    """How the connection ended that is closed; ``None`` for the other kinds."""


Describe = Callable[[LiveConnection], OpenedConnection]
#: Returns the sender of a connection's signals.
EventSource = Callable[[LiveConnection], Any]


def user_of(counted_user: str | float | None) -> str | None:
    """Return the user of :attr:`.LiveConnection.counted_user`."""
    return counted_user if isinstance(counted_user, str) else None


def as_counted(
    connection: LiveConnection, key: CountKey, record: OpenedConnection
) -> OpenedConnection:
    """Return a record with the type and the user under which it is counted."""
    if key.signed_in is None:
        user = user_of(connection.counted_user)
    else:
        user = record.user_id if key.signed_in else None
    if record.type == key.type and record.user_id == user:
        return record
    return record._replace(type=key.type, user_id=user)


def opened_event(record: OpenedConnection, source: Any) -> Event:
    """Return the event of a connection that opened."""
    return Event(kind="opened", connection=record, source=source)


def closed_event(record: OpenedConnection, source: Any, ending: Ending) -> Event:
    """Return the event of a connection that closed."""
    return Event(kind="closed", connection=record, source=source, ending=ending)


def rejected_event(record: OpenedConnection, source: Any) -> Event:
    """Return the event of a handshake that ended before the accept."""
    return Event(kind="rejected", connection=record, source=source)


def source_of(connection: LiveConnection) -> Any:
    """Return the consumer class of a connection, or the middleware around it."""
    return connection.source
