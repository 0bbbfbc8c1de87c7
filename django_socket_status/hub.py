"""The listeners of one event loop, and the ticker that runs while there are any.

The ticker reads the summary, makes text of it when its content changed, and gives the
same text to everybody. A listener is told the latest text and has no queue: whoever
does not take one message until the next is due is let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from django_socket_status.access import PUBLIC
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.listening import TOGETHER, Decision, Person, decide
from django_socket_status.services import SocketStatusService

__all__ = ["REFUSALS", "SLOW_SECONDS", "TOO_MANY", "VERSION", "Hub", "Listener"]

logger = logging.getLogger("django_socket_status")

VERSION = 1

#: Seconds between two looks at the summary while somebody listens.
TICK_SECONDS = 0.5
#: Seconds after which a listener that was told nothing is told that we are there.
PING_SECONDS = 20.0
#: Seconds after which it is asked again whether a listener may listen.
ACCESS_SECONDS = 10.0
#: Seconds that a listener may take to take a message.
SLOW_SECONDS = 5.0

#: How many are told before the event loop turns to others.
CROWD = 100

MAX_LISTENERS = 5_000
#: For a user who is known.
MAX_LISTENERS_OF_USER = 100
#: For an address, since a proxy's is everybody's.
MAX_LISTENERS_OF_ADDRESS = 2_000

Refusal = tuple[int, str]

#: RFC 6455, section 7.4.2: 4000 to 4999 are for private use. As HTTP's, plus 4000.
TOO_SLOW: Refusal = (4408, "too slow")
TOO_MANY: Refusal = (4429, "too many listeners")
#: RFC 6455, section 7.4.1, and the IANA registry of close codes.
INTERNAL_ERROR: Refusal = (1011, "internal error")
TRY_AGAIN_LATER: Refusal = (1013, "the status is not known")

REFUSALS: dict[Decision, Refusal] = {
    Decision.SIGN_IN: (4401, "sign in"),
    Decision.FORBIDDEN: (4403, "forbidden"),
    Decision.BUSY: (1013, "try again later"),
    Decision.UNKNOWN: INTERNAL_ERROR,
}

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]

PING = json.dumps({"v": VERSION, "type": "ping"})

_now = time.monotonic


class Listener:
    """One client that is told of changes: the latest one, never a queue of them.

    Made in the task that serves the client, which is cancelled to dismiss it.
    """

    __slots__ = (
        "_send",
        "_sending",
        "_task",
        "_told_at",
        "asked_at",
        "dismissal",
        "person",
        "scope",
        "told",
    )

    def __init__(self, scope: Scope, send: Send, person: Person) -> None:
        self.scope = scope
        self.person = person
        self.asked_at = self._told_at = _now()
        self.told = ""
        self.dismissal: Refusal | None = None
        self._send = send
        self._sending: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = asyncio.current_task()

    def tell(self, text: str, now: float) -> None:
        """Begin to send the latest summary, unless it is known already."""
        if text is not self.told and self._begin(text, now):
            self.told = text

    def ping(self, now: float) -> None:
        """Begin to say that we are there, if nothing was said for a while."""
        if now >= self._told_at + PING_SECONDS:
            self._begin(PING, now)

    def dismiss(self, code: int, reason: str) -> None:
        """End the connection: its task wakes up and sends the close."""
        if self.dismissal is None and self._task is not None:
            self.dismissal = (code, reason)
            self._task.cancel()

    def take_dismissal(self) -> bool:
        """Return whether a cancellation of the task was ours, and done with it is."""
        if self.dismissal is None:
            return False
        # Python 3.10 does not count: there, a server that cancels as well is late.
        uncancel = getattr(self._task, "uncancel", None)
        return uncancel is None or not uncancel()

    def leave(self) -> None:
        """Hear nothing any more, and give up a message that is still on its way."""
        self._task = None
        _cancel(self._sending)

    def _begin(self, text: str, now: float) -> bool:
        """Send, or dismiss a client that does not take the message before."""
        if self._task is None:
            return False
        if self._sending is not None and not self._sending.done():
            if now >= self._told_at + SLOW_SECONDS:
                self.dismiss(*TOO_SLOW)
            return False
        self._told_at = now
        self._sending = asyncio.ensure_future(self._say(text))
        return True

    async def _say(self, text: str) -> None:
        # That a client left is for its ``receive`` to say.
        with contextlib.suppress(Exception):
            await self._send({"type": "websocket.send", "text": text})


class Hub:
    """The listeners of one event loop, from the first that joins to the last.

    Whoever comes after needs another one: this one's ticker may be ending.
    """

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self._people: Counter[Person] = Counter()
        self._ticker: asyncio.Task[None] | None = None
        self._doorkeeper: asyncio.Task[None] | None = None
        self._text = ""
        self._content: object = None

    def has_room_for(self, person: Person) -> bool:
        """Return whether one more listener of a person is within the limits."""
        known = person.user_id is not None
        most = MAX_LISTENERS_OF_USER if known else MAX_LISTENERS_OF_ADDRESS
        return len(self.listeners) < MAX_LISTENERS and self._people[person] < most

    def join(self, listener: Listener) -> None:
        """Add a listener; it is told the summary at once, if that is known."""
        self.listeners.add(listener)
        self._people[listener.person] += 1
        if not _runs(self._ticker):
            self._ticker = _start(self._tick())
        elif self._text:
            listener.tell(self._text, _now())

    def leave(self, listener: Listener) -> None:
        """Remove a listener; the ticker ends with the last."""
        self.listeners.discard(listener)
        self._people[listener.person] -= 1
        if not self._people[listener.person]:
            del self._people[listener.person]
        listener.leave()
        if not self.listeners:
            _cancel(self._ticker)
            _cancel(self._doorkeeper)

    async def _tick(self) -> None:
        while True:
            try:
                await self._look()
                self._see_to_access()
            except StatusUnavailableError:
                # Nothing to stand for: let them poll, and be told why.
                self._dismiss_all(*TRY_AGAIN_LATER)
            except Exception:
                logger.exception("Live push cannot go on.")
                self._dismiss_all(*INTERNAL_ERROR)
            await asyncio.sleep(TICK_SECONDS)

    async def _look(self) -> None:
        """Read the summary, and tell everybody who does not know it."""
        summary = await SocketStatusService.aget_socket_info_summary()
        content = {**summary, "timestamp": ""}
        if content != self._content:
            message = {"v": VERSION, "type": "summary", "summary": summary}
            self._text, self._content = json.dumps(message), content
        now = _now()
        for number, listener in enumerate(tuple(self.listeners), 1):
            listener.tell(self._text, now)
            listener.ping(now)
            if not number % CROWD:
                await asyncio.sleep(0)

    def _see_to_access(self) -> None:
        if not _runs(self._doorkeeper) and get_settings().summary_access != PUBLIC:
            self._doorkeeper = _start(self._ask_again())

    async def _ask_again(self) -> None:
        """Ask anew, a few at a time, about those who were asked long ago."""
        due = _now() - ACCESS_SECONDS
        listeners = [it for it in self.listeners if it.asked_at <= due]
        for first in range(0, len(listeners), TOGETHER):
            some = listeners[first : first + TOGETHER]
            answers = await asyncio.gather(*(decide(it.scope) for it in some))
            for listener, (decision, _) in zip(some, answers, strict=True):
                listener.asked_at = _now()
                if decision in REFUSALS:
                    listener.dismiss(*REFUSALS[decision])

    def _dismiss_all(self, code: int, reason: str) -> None:
        for listener in self.listeners:
            listener.dismiss(code, reason)


def _start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine in a context of its own, and not in that of who came first."""
    return contextvars.Context().run(asyncio.ensure_future, coroutine)


def _cancel(task: asyncio.Task[None] | None) -> None:
    # On a loop that was closed halfway, nothing can be cancelled any more.
    if task is not None and not task.get_loop().is_closed():
        task.cancel()


def _runs(task: asyncio.Task[None] | None) -> bool:
    return task is not None and not task.done()
