"""One client of live push: sends the latest summary, and dismisses a slow client.

A listener has no queue. While a message is on its way, a newer summary waits and
replaces any older one that waits too. A client that does not take a message within the
send timeout is dismissed when the next message is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Literal, TypedDict

from django_socket_status.asgi import Scope, Send
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.control.draining import Window
from django_socket_status.live.authorization import Client
from django_socket_status.records import Summary

__all__ = [
    "PING",
    "SLOW_SECONDS",
    "TOO_SLOW",
    "VERSION",
    "Listener",
    "PingMessage",
    "Refusal",
    "SummaryMessage",
]

#: The version of the protocol, in each message.
VERSION = 1

#: Seconds without a message after which the listener sends a ping.
PING_SECONDS = 20.0
#: The send timeout: seconds that a client may take to receive a message.
SLOW_SECONDS = 5.0

#: A close code and its reason.
Refusal = tuple[int, str]

#: RFC 6455, section 7.4.2: 4000 to 4999 are for private use. As HTTP's, plus 4000.
TOO_SLOW: Refusal = (4408, "too slow")


class SummaryMessage(TypedDict):
    """The summary: first, and again when anything but its timestamp changed."""

    v: int
    """The version of the protocol."""
    type: Literal["summary"]
    summary: Summary


class PingMessage(TypedDict):
    """A sign of life, after 20 seconds without another message."""

    v: int
    """The version of the protocol."""
    type: Literal["ping"]


_PING: PingMessage = {"v": VERSION, "type": "ping"}
PING = json.dumps(_PING)

_now = monotonic


class Listener:
    """A connected client that receives summaries.

    Create it in the task that serves the client: :meth:`dismiss` cancels that task.
    """

    __slots__ = (
        "_send",
        "_sending",
        "_sent_at",
        "_task",
        "asked_at",
        "client",
        "dismissal",
        "joined_at",
        "leaves_at",
        "leaves_in",
        "scope",
        "sent",
    )

    def __init__(self, scope: Scope, send: Send, client: Client) -> None:
        self.scope = scope
        self.client = client
        #: When the access of this client was last checked.
        self.asked_at = self.joined_at = self._sent_at = _now()
        #: The window in which the worker drains, ``None`` for none, and its moment.
        self.leaves_in: Window | None = None
        self.leaves_at = 0.0
        #: The latest summary that was sent.
        self.sent = ""
        self.dismissal: Refusal | None = None
        self._send = send
        self._sending: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = asyncio.current_task()

    def tell(self, text: str, now: float) -> None:
        """Begin to send a summary, unless the client has it already."""
        if text is not self.sent and self._begin(text, now):
            self.sent = text

    def ping(self, now: float) -> None:
        """Begin to send a ping if the last message is ``PING_SECONDS`` old."""
        if now >= self._sent_at + PING_SECONDS:
            self._begin(PING, now)

    def dismiss(self, code: int, reason: str) -> None:
        """End the connection: the client's task wakes up and sends the close."""
        if self.dismissal is None and self._task is not None:
            self.dismissal = (code, reason)
            self._task.cancel()

    def take_dismissal(self) -> bool:
        """Return whether only :meth:`dismiss` cancelled the task, and uncancel it.

        Returns false if the server cancelled the task too: the cancellation goes on.
        """
        if self.dismissal is None:
            return False
        # Python 3.10 does not count cancellations, so it cannot see the server's.
        uncancel = getattr(self._task, "uncancel", None)
        return uncancel is None or not uncancel()

    def leave(self) -> None:
        """Stop sending, and cancel a message that is on its way."""
        self._task = None
        cancel(self._sending)

    def _begin(self, text: str, now: float) -> bool:
        """Begin to send; dismiss a client that is too slow for the last message."""
        if self._task is None:
            return False
        if self._sending is not None and not self._sending.done():
            if now >= self._sent_at + SLOW_SECONDS:
                self.dismiss(*TOO_SLOW)
            return False
        self._sent_at = now
        self._sending = asyncio.ensure_future(self._say(text))
        return True

    async def _say(self, text: str) -> None:
        # If the client left, ``receive`` reports it in the client's own task.
        with contextlib.suppress(Exception):
            await self._send({"type": "websocket.send", "text": text})


def cancel(task: asyncio.Task[None] | None) -> None:
    """Cancel a task, unless its event loop is closed: then nothing can be cancelled."""
    if task is not None and not task.get_loop().is_closed():
        task.cancel()
