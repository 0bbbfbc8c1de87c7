"""The life of one WebSocket of this process: its states, its end, and what is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

from django_socket_status.counting import Cell
from django_socket_status.records import EndedBy, OpenedConnection

__all__ = [
    "CLOSED",
    "HANDSHAKE",
    "OPEN",
    "REJECTED",
    "Choice",
    "Ending",
    "Event",
    "LiveConnection",
    "Watched",
    "as_counted",
    "end_of",
    "life_of",
    "opening_of",
    "watched",
]

HANDSHAKE, OPEN, CLOSED, REJECTED = range(4)

Send = Callable[[Any], Awaitable[Any]]

NORMAL_CLOSURE = 1000
NO_STATUS_RECEIVED = 1005


class Watched(Exception):
    """The next message of a connection has to be watched to its end."""


def watched(message: object) -> Awaitable[Any]:
    """Let no message pass: takes the place of the server's ``send``."""
    raise Watched


class LiveConnection:
    """One WebSocket of this process, from its handshake to its end.

    The attributes above the line are written on the socket's path, those below it by
    the reporter alone.
    """

    __slots__ = (
        "choice",
        "counted",
        "counted_user",
        "ending",
        "number",
        "opened_at",
        "passes",
        "scope",
        "source",
        "state",
    )

    scope: MutableMapping[str, Any] | None
    source: Any
    """The consumer class, or the middleware, that can tell what this connection is."""
    state: int
    passes: Send
    """Takes what goes out and is seen no more: ``send``, or for now :func:`watched`."""
    opened_at: float
    choice: Choice | None
    """What the consumer chose for this very connection; ``None`` for nothing."""
    ending: tuple[EndedBy, float, Mapping[str, Any] | None]
    """Who ended it, when, and the message that did; see :class:`Ending`."""
    # ---
    counted: bool
    number: int
    counted_user: str | None
    """Whose it is, where its cell does not tell."""


@dataclasses.dataclass(slots=True)
class Choice:
    """A type and labels that go before those of the class and the route."""

    type: str | None = None
    labels: Mapping[str, str] | None = None
    """In place of the labels of the route."""
    added: Mapping[str, str | None] | None = None
    """Added or changed since, or, as ``None``, taken away."""


class Ending(NamedTuple):
    """How a connection ended."""

    by: EndedBy
    at: float
    """Seconds since the epoch."""
    code: int | None
    reason: str

    @classmethod
    def of(cls, connection: LiveConnection) -> Ending:
        """Return the ending of a connection that was closed."""
        by, at, message = connection.ending
        if not isinstance(message, Mapping):
            return cls(by, at, None, "")
        # What a missing code means: RFC 6455, section 7.4.1, for a close frame of the
        # peer (for which Daphne says None), and the ASGI specification for a message.
        default = NORMAL_CLOSURE if by == "server" else NO_STATUS_RECEIVED
        code = message.get("code")
        given = code if isinstance(code, int) and code else default
        return cls(by, at, given, message.get("reason") or "")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something in the life of a connection that somebody wants to hear of."""

    kind: str
    """``"opened"``, ``"closed"`` or ``"rejected"``."""
    connection: OpenedConnection
    source: Any
    ending: Ending | None = None


Describe = Callable[[LiveConnection], OpenedConnection]


def as_counted(
    connection: LiveConnection, cell: Cell, record: OpenedConnection
) -> OpenedConnection:
    """Return a record under the type and the user that its connection is counted as."""
    if cell.signed_in is None:
        user = connection.counted_user
    else:
        user = record.user_id if cell.signed_in else None
    if record.type == cell.type and record.user_id == user:
        return record
    return record._replace(type=cell.type, user_id=user)


def life_of(connection: LiveConnection, describe: Describe) -> Iterator[Event]:
    """Yield the whole life of a connection that nobody saw."""
    record = describe(connection)
    if connection.state == REJECTED:
        yield Event(kind="rejected", connection=record, source=connection.source)
        return
    yield opening_of(connection, record)
    yield end_of(connection, record)


def opening_of(connection: LiveConnection, record: OpenedConnection) -> Event:
    """Return the beginning of a connection that is, or was, open."""
    return Event(kind="opened", connection=record, source=connection.source)


def end_of(connection: LiveConnection, record: OpenedConnection) -> Event:
    """Return the end of a connection that was open."""
    return Event(
        kind="closed",
        connection=record,
        source=connection.source,
        ending=Ending.of(connection),
    )
