"""Observes one WebSocket, by wrapping the ``receive`` and ``send`` of its server.

A connection is open from just before the application's ``websocket.accept`` goes out,
and closed at the first of: ``websocket.disconnect`` received, ``websocket.close`` sent,
``send`` raised, the application returned, raised or was cancelled. A handshake that
ends before the accept is rejected, never opened.

No message is changed, delayed or read ahead, and every exception passes as the same
object. For most text and bytes messages, ``send`` returns the server's own awaitable.
Only the first one after each heartbeat of the reporter is awaited here, to see within a
heartbeat that the server's ``send`` raises, if the application swallows the exception.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio import _get_running_loop as running_loop
from collections.abc import Awaitable, Callable, Mapping
from time import time
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.urls.exceptions import Resolver404

from django_socket_status.asgi import Message, Receive, Scope, Send
from django_socket_status.endings import EndedBy
from django_socket_status.limits import bounded_labels, plain_text
from django_socket_status.registry.lifecycle import (
    CLOSED,
    FINISHED,
    HANDSHAKE,
    NOTED,
    OPEN,
    REJECTED,
    RUNNING,
    LiveConnection,
    overrides_of,
)
from django_socket_status.reporter.thread import reporter
from django_socket_status.tracking.send_errors import is_of_server, reached_server

__all__ = ["Ask", "Connection"]

logger = logging.getLogger("django_socket_status")

#: Where sockets put what happens to them. A global costs one lookup less per call.
intake = reporter.intake

#: Returns the type and the labels that the consumer chose for this connection.
Ask = Callable[[], tuple[str | None, Mapping[str, Any] | None]]


class Connection(LiveConnection):
    """A live connection that also wraps ``receive`` and ``send``, to save memory."""

    __slots__ = ("_receive", "_send", "ask")

    def begin(
        self, source: Any, scope: Scope, receive: Receive, send: Send, ask: Ask | None
    ) -> None:
        """Begin to observe. An ``__init__`` of a class with slots takes longer."""
        self.source = source
        self.scope = scope
        self.ask = ask
        self.overrides = None
        self._receive = receive
        self._send = send
        self.passes = None
        # A drain reads the time of the handshake there, and then sets the user.
        self.counted_user = self.opened_at = time()
        self.state = HANDSHAKE
        self.phase = RUNNING
        self.waiting = None
        self.number = 0
        # A public function, despite its name. ``None`` where asyncio runs no loop.
        self.loop = running_loop()

    def __copy__(self) -> Connection:
        """Return the connection itself: a copied scope has the same connection."""
        return self

    def __deepcopy__(self, memo: object) -> Connection:
        """Return the connection itself, as :meth:`__copy__`."""
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Pickle as text, which any process can load; it observes nothing there."""
        return str, ("observed where this scope was pickled",)

    async def receive(self) -> Message:
        """Receive a message for the application, and record a disconnect."""
        message = await self._receive()
        try:
            if message["type"] == "websocket.disconnect":
                self._end("client", message)
        except Exception:  # noqa: BLE001 - the application must get the message
            try:  # noqa: SIM105
                self._look_again(message)
            except Exception:  # noqa: BLE001, S110
                pass
        return message

    def _look_again(self, message: Message) -> None:
        """Record a disconnect after an exception, outside of the frame that waits."""
        if isinstance(sys.exc_info()[1], KeyError | TypeError):
            logger.debug("Not an ASGI message: %r", type(message))
        else:
            # A RecursionError. At the third try, of ``finish``, the stack is shorter.
            self._complete("client", message)
            logger.debug("An end was recorded at the second try.", exc_info=True)

    # asgiref lets a sync consumer call only what is marked as a coroutine function.
    @markcoroutinefunction
    def send(self, message: Message) -> Awaitable[Any]:
        """Send a message of the application."""
        try:
            if message["type"] != "websocket.send":
                return self._watch(message)
        except Exception:  # noqa: BLE001
            # The message is malformed, or the stack is full: the coroutine looks again.
            return self._watch(message)
        passes = self.passes
        return self._watch(message) if passes is None else passes(message)

    async def _watch(self, message: Message) -> Any:
        """Send a message, and record what it does to the connection."""
        before, scope, ask = self.state, self.scope, self.ask
        # For ``reached_server``. None: not called yet; False: it has not returned.
        awaitable: Any = None
        try:
            try:
                kind = message["type"]
            except (KeyError, TypeError):
                # The message is malformed: the server will raise its own error.
                kind = None
            if kind == "websocket.accept" and before == HANDSHAKE:
                if ask is not None:
                    self._set_overrides()
                self.opened_at = time()
                self.waiting = [self]
                self.state = OPEN
                # The lines of ``intake.opened``: a call would cost every connection.
                if intake.listened:
                    intake.notes.append((self, False))
                intake.fresh.append(self.waiting)
                if intake.quiet:
                    intake.wake()
            elif kind == "websocket.send":
                self._let_pass()
            elif kind in ("websocket.close", "websocket.http.response.start"):
                closes = kind == "websocket.close"
                self._end("server", message if closes else _status_in(message, before))
            awaitable = False
            awaitable = self._send(message)
            return await awaitable
        except BaseException as error:
            if not reached_server(awaitable, self._send):
                self._put_back(before, scope, ask)
            else:
                self._fail(error, accepts=before == HANDSHAKE and self.state == OPEN)
            raise

    def _let_pass(self) -> None:
        """Stop observing messages until the next heartbeat; after the end, for good."""
        if self.state == OPEN:
            intake.let_pass(self, self._send)
        elif self.state > OPEN:
            self.passes = self._send

    def _put_back(self, before: int, scope: Scope | None, ask: Ask | None) -> None:
        """Undo what was recorded for a message that never reached the server."""
        state = self.state
        if state == before:
            self.passes = None
            intake.unwatched.discard(self)
        elif state == OPEN:
            # Once a drain has counted it, it stays open until the application ends.
            if intake.withdraw(self):
                self.state = before
        else:
            # Recording an end stops the observation, and drops the scope and ``ask``.
            self.scope, self.ask, self.passes = scope, ask, None
            self.phase = RUNNING
            self.state = before
            if before == OPEN:
                intake.reopened(self)
            else:
                intake.readmitted(self)

    def _fail(self, error: BaseException, *, accepts: bool) -> None:
        """Record that the server's ``send`` raised."""
        if accepts:
            # The connection was never open. A KeyboardInterrupt does not say that.
            if isinstance(error, Exception | asyncio.CancelledError):
                self.ending = ("send", time(), None)
                self.state = REJECTED
                intake.closed(self)
                self.phase = NOTED
        elif isinstance(error, Exception):
            # A cancelled send does not mean that an open connection has ended.
            self._end("send")

    def _end(self, by: EndedBy, message: Message | None = None) -> None:
        """Record the end of the connection, once."""
        state = self.state
        if intake.departures:
            if (judged := intake.departures.judge(self, by, message)) is None:
                return
            by, message = judged
        if state > OPEN:
            return
        now = time()
        self.ending = (by, now, message)
        if self.passes is not None:
            intake.unwatched.discard(self)
        if state == OPEN:
            self.state = CLOSED
        else:
            self.opened_at = now
            self.ask = None
            self.waiting = [self]
            self.state = REJECTED
        intake.closed(self)
        self.phase = NOTED

    def send_as_server(self, message: Message) -> Awaitable[Any]:  # noqa: D102
        return self._send(message)

    def depart(self, by: EndedBy, message: Message) -> None:
        """Record what ended the connection that this package closed."""
        # The application may have ended while the server took the close.
        phase = self.phase
        self._end(by, message)
        self.phase = max(phase, self.phase)

    def failed(self, error: Exception) -> EndedBy:
        """Return what the exception of an application says about its end."""
        if isinstance(error, Resolver404) and self.state == HANDSHAKE:
            # An inner router found no route; the outer one tries its next route.
            self.leave_out()
        return "send" if is_of_server(error) else "error"

    def finish(self, by: EndedBy) -> None:
        """Record that the application has ended.

        Completes what an exception interrupted. May be called again after one.
        """
        if self.phase == RUNNING:
            self._complete(by)
        self.phase = FINISHED

    def _complete(self, by: EndedBy, message: Message | None = None) -> None:
        """Record an end, or what is left of one that an exception interrupted."""
        if self.state <= OPEN:
            self._end(by, message)
        else:
            self.ask = None
            intake.settle(self)

    def refine(self, source: Any, scope: Scope, ask: Ask | None) -> None:
        """Make the consumer the source, if the middleware made this connection.

        A connection keeps the type that it was accepted with, and that of the outermost
        consumer: a demultiplexer's children do not change it.
        """
        if self.state == HANDSHAKE and not isinstance(self.source, type):
            self.scope = scope
            self.source = source
            self.ask = ask

    def leave_out(self) -> None:
        """Make this connection neither counted nor reported."""
        # Before the state: a drain makes no event of a connection without a scope.
        self.scope = self.ask = None
        self.state = CLOSED
        self.phase = NOTED

    def _set_overrides(self) -> None:
        """Call the consumer's methods for its type and labels, once."""
        try:
            kind, labels = self.ask()  # type: ignore[misc]
            overrides = overrides_of(self)
            # Values that are not plain are left out: their text may need a query.
            overrides.type = None if kind is None else plain_text(kind)
            overrides.labels = None if labels is None else bounded_labels(labels)
        except Exception:
            logger.exception(
                "%r cannot tell its socket status type or labels; the connection is "
                "counted under its class's type.",
                self.source,
            )
        # Break a reference cycle: ``ask``, the consumer, its scope, this connection.
        self.ask = None


def _status_in(message: Message, before: int) -> Message | None:
    """Return the status of a response that refuses a handshake; not its headers."""
    return {"status": message.get("status")} if before == HANDSHAKE else None
