"""Observes the life of one WebSocket, by wrapping the ASGI application that serves it.

A connection is open from just before the application's ``websocket.accept`` goes out,
and closed at the first of: ``websocket.disconnect`` received, ``websocket.close`` sent,
``send`` raised, the application returned, raised or was cancelled. A handshake that
ends before the accept is rejected, never opened.

No message is changed, delayed or read ahead, and every exception passes as the same
object. A text or bytes message on its way out passes through a plain function that
returns the server's own awaitable. The first message of a connection in each heartbeat
is watched to its end instead: that is how a ``send`` that raised is seen when the
application swallows the exception and goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from time import time
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.urls.exceptions import Resolver404

import django_socket_status.reporter  # noqa: F401 - it is woken by the registry
from django_socket_status.bounds import bounded_labels
from django_socket_status.lives import (
    CLOSED,
    HANDSHAKE,
    OPEN,
    REJECTED,
    Choice,
    LiveConnection,
    Watched,
    watched,
)
from django_socket_status.records import EndedBy
from django_socket_status.registry import registry

__all__ = [
    "SCOPE_KEY",
    "Connection",
    "enter",
    "leave_out",
]

logger = logging.getLogger("django_socket_status")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[Any]]
Ask = Callable[[], tuple[str | None, Mapping[str, Any] | None]]

#: Where the first door leaves the connection for the second one.
SCOPE_KEY = "django_socket_status.connection"


def enter(
    source: Any, scope: Scope, receive: Receive, send: Send, ask: Ask | None = None
) -> Connection | None:
    """Begin to observe the WebSocket of a scope: the first thing a door does.

    Args:
        source: The consumer class, or the middleware, that knows what it serves.
        scope: The ASGI connection scope.
        receive: The server's ``receive``.
        send: The server's ``send``.
        ask: Returns type and labels of this very connection; asked once, as it opens.
            ``None`` leaves both to the class and the route.

    Returns:
        The connection, to be finished when the application ends; ``None`` if the scope
        is no WebSocket's, or its connection is observed by another door already.
    """
    try:
        if scope.get("type") != "websocket":
            return None
        known = scope.get(SCOPE_KEY)
        if known is not None and not known.finished:
            known.refine(source, scope, ask)
            return None
        connection = Connection(source, scope, receive, send, ask)
        scope[SCOPE_KEY] = connection
    except Exception:
        # The one guard between whatever a scope may be and the host's application.
        logger.exception("A WebSocket cannot be tracked, and is not counted.")
        return None
    return connection


class Connection(LiveConnection):
    """A live connection that is also the wrapper around its ``receive`` and ``send``.

    One object for both: a record beside two closures would take twice the memory.
    """

    __slots__ = ("_receive", "_send", "ask", "finished")

    def __init__(
        self, source: Any, scope: Scope, receive: Receive, send: Send, ask: Ask | None
    ) -> None:
        self.source = source
        self.scope = scope
        self.ask = ask
        self.choice = None
        self._receive = receive
        self._send = send
        self.passes = watched
        self.state = HANDSHAKE
        self.counted = self.finished = False

    async def receive(self) -> Message:
        """Receive a message for the application, and see whether it is the last."""
        message = await self._receive()
        try:
            if message["type"] == "websocket.disconnect":
                self._end("client", message)
        except (KeyError, TypeError):
            logger.debug("Not an ASGI message: %r", type(message))
        return message

    # asgiref asks before it lets a sync consumer send; on a method, marked once.
    @markcoroutinefunction
    def send(self, message: Message) -> Awaitable[Any]:
        """Send a message of the application."""
        try:
            if "text" in message or "bytes" in message:
                return self.passes(message)
        except Watched:
            pass
        except TypeError:
            if _is_container(message):
                # From the server's own ``send``, at the call.
                raise
            # Else for the server to say, in its own words.
        return self._watch(message)

    async def _watch(self, message: Message) -> Any:
        """Send a message and see what that does to the connection."""
        try:
            kind = message["type"]
        except (KeyError, TypeError):
            # Malformed: that is the server's to judge.
            kind = None
        accepts = kind == "websocket.accept" and self.state == HANDSHAKE
        if accepts:
            if self.ask is not None:
                self._choose()
            self.opened_at = time()
            self.state = OPEN
            registry.opened(self)
        elif kind == "websocket.send":
            self._let_pass()
        elif kind == "websocket.close":
            self._end("server", message)
        elif kind == "websocket.http.response.start":
            self._end("server")
        try:
            return await self._send(message)
        except Exception:
            self._fail(accepts=accepts)
            raise
        except asyncio.CancelledError:
            # A send that the application gave up says nothing of an open connection.
            if accepts:
                self._fail(accepts=True)
            raise

    def _let_pass(self) -> None:
        """Let what follows pass: after the end for good, as there is no more to see."""
        if self.state == OPEN:
            registry.let_pass(self, self._send)
        elif self.state > OPEN:
            self.passes = self._send

    def _fail(self, *, accepts: bool) -> None:
        if not accepts:
            self._end("send")
        elif self.state == OPEN:
            # Taken back: it never was open, unless somebody has seen it meanwhile.
            self.ending = ("send", time(), None)
            self.state = REJECTED
            registry.closed(self)

    def _end(self, by: EndedBy, message: Message | None = None) -> None:
        """Note the end of the connection: the first one that is seen."""
        state = self.state
        if state > OPEN:
            return
        now = time()
        self.ending = (by, now, message)
        if self.passes is not watched:
            registry.unwatched.discard(self)
        if state == OPEN:
            self.state = CLOSED
            registry.closed(self)
        else:
            self.opened_at = now
            self.state = REJECTED
            # It leads to the consumer, whose scope leads here.
            self.ask = None
            registry.missed(self)

    def failed(self, error: Exception) -> EndedBy:
        """Say how the application ended that raised an exception."""
        if isinstance(error, Resolver404) and self.state == HANDSHAKE:
            # From a router inside of another one, which looks at its next route now.
            self.leave_out()
        return "error"

    def finish(self, by: EndedBy) -> None:
        """End: the application is no longer there."""
        self.finished = True
        if self.state <= OPEN:
            self._end(by)

    def refine(self, source: Any, scope: Scope, ask: Ask | None) -> None:
        """Learn from the second door what the first one could not know."""
        if self.state > OPEN:
            return
        self.scope = scope
        self.source = source
        self.ask = ask
        if self.state == OPEN:
            if ask is not None:
                self._choose()
            registry.altered(self)

    def leave_out(self) -> None:
        """Be no connection at all, neither counted nor told of."""
        self.state = CLOSED
        self.scope = self.ask = None

    def _choose(self) -> None:
        """Ask the consumer for its type and labels, once."""
        ask, self.ask = self.ask, None
        try:
            kind, labels = ask()  # type: ignore[misc]
            choice = self.choice = self.choice or Choice()
            choice.type = kind
            choice.labels = None if labels is None else bounded_labels(labels)
        except Exception:
            logger.exception(
                "%r cannot tell its socket status type or labels; the connection is "
                "counted under its class's type.",
                self.source,
            )


def _is_container(message: object) -> bool:
    try:
        return "text" in message or True  # type: ignore[operator]
    except TypeError:
        return False


def leave_out(scope: Scope) -> None:
    """Never count the connection of a scope: it is this package's own."""
    connection = scope.get(SCOPE_KEY)
    if connection is not None and connection.state == HANDSHAKE:
        connection.leave_out()
