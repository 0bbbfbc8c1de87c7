"""The listeners of one event loop, and the ticker that runs while there are any.

The ticker reads the summary, writes it as JSON when its content changed, and gives the
same text to every listener. A second task checks every few seconds whether the
listeners may still listen.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from django.urls import set_script_prefix

from django_socket_status.access import PUBLIC
from django_socket_status.asgi import Scope
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.limits import MAX_PATH, bounded_text
from django_socket_status.live.authorization import (
    BATCH_SIZE,
    Client,
    Decision,
    decide_again,
)
from django_socket_status.live.handshake import (
    RETURN_SECONDS,
    has_session_cookie,
    sessions_are_in_cookies,
)
from django_socket_status.live.leaving import let_leave
from django_socket_status.live.listener import (
    TOO_SLOW,
    VERSION,
    Listener,
    Refusal,
    SummaryMessage,
    cancel,
)
from django_socket_status.reporter.worker import server_name
from django_socket_status.services import SocketStatusService

__all__ = ["CLOSES", "REFUSALS", "TOO_MANY", "Hub"]

logger = logging.getLogger("django_socket_status")

#: Seconds between two reads of the summary.
TICK_SECONDS = 0.5
#: Seconds after which the access of a listener is checked again.
ACCESS_SECONDS = 10.0

#: How many listeners get a message before other tasks of the event loop run.
CROWD = 100

#: The listener limit of a process.
MAX_LISTENERS = 5_000
#: The listener limit of a signed-in user.
MAX_LISTENERS_OF_USER = 100
#: The listener limit of an address, which may be a proxy's and so of many clients.
MAX_LISTENERS_OF_ADDRESS = 2_000

#: RFC 6455, section 7.4.2: 4000 to 4999 are for private use. As HTTP's, plus 4000.
TOO_MANY: Refusal = (4429, "too many listeners")
#: RFC 6455, section 7.4.1, and the IANA registry of close codes.
INTERNAL_ERROR: Refusal = (1011, "internal error")
TRY_AGAIN_LATER: Refusal = (1013, "the status is not known")
CONNECT_AGAIN: Refusal = (1012, "connect again")

REFUSALS: dict[Decision, Refusal] = {
    Decision.SIGN_IN: (4401, "sign in"),
    Decision.FORBIDDEN: (4403, "forbidden"),
    Decision.BUSY: (1013, "try again later"),
    Decision.UNKNOWN: INTERNAL_ERROR,
}
#: Every close of this package but that of a foreign origin.
CLOSES = (*REFUSALS.values(), TOO_MANY, TRY_AGAIN_LATER, CONNECT_AGAIN, TOO_SLOW)

_now = monotonic


class Hub:
    """The listeners of one event loop, from the first that joins to the last.

    A client that comes after the last has left needs a new hub: the ticker of this one
    may be ending.
    """

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self._counts: Counter[Client] = Counter()
        self._ticker: asyncio.Task[None] | None = None
        self._rechecking: asyncio.Task[None] | None = None
        self._text = ""
        self._content: object = None

    def has_room_for(self, client: Client | None) -> bool:
        """Return whether one more listener of a client is within the limits.

        For a client that is not identified yet, ``None``, only the limit of the
        process applies.
        """
        if len(self.listeners) >= MAX_LISTENERS:
            return False
        if client is None:
            return True
        known = client.user_id is not None
        most = MAX_LISTENERS_OF_USER if known else MAX_LISTENERS_OF_ADDRESS
        return self._counts[client] < most

    def join(self, listener: Listener) -> None:
        """Add a listener, and send it the last summary at once if there is one."""
        self.listeners.add(listener)
        self._counts[listener.client] += 1
        if not _runs(self._ticker):
            self._ticker = _start(self._tick(), _root_path(listener.scope))
        elif self._text:
            listener.tell(self._text, _now())

    def leave(self, listener: Listener) -> None:
        """Remove a listener; the last one ends the ticker."""
        self.listeners.discard(listener)
        self._counts[listener.client] -= 1
        if not self._counts[listener.client]:
            del self._counts[listener.client]
        listener.leave()
        if not self.listeners:
            cancel(self._ticker)
            cancel(self._rechecking)

    async def _tick(self) -> None:
        while True:
            try:
                let_leave(self.listeners, _now())
                await self._look()
                self._start_rechecking()
            except StatusUnavailableError:
                # The clients poll instead, and the summary view answers 503.
                self._dismiss_all(*TRY_AGAIN_LATER)
            except Exception:
                logger.exception("Live push cannot go on.")
                self._dismiss_all(*INTERNAL_ERROR)
            await asyncio.sleep(TICK_SECONDS)

    async def _look(self) -> None:
        """Read the summary, and send it to every listener that has another one."""
        summary = await SocketStatusService.aget_socket_info_summary()
        content = {**summary, "timestamp": ""}
        if content != self._content:
            message: SummaryMessage = {
                "v": VERSION,
                "type": "summary",
                "summary": summary,
            }
            self._text, self._content = json.dumps(message), content
        now = _now()
        for number, listener in enumerate(tuple(self.listeners), 1):
            listener.tell(self._text, now)
            listener.ping(now)
            if not number % CROWD:
                await asyncio.sleep(0)

    def _start_rechecking(self) -> None:
        if not _runs(self._rechecking) and get_settings().summary_access != PUBLIC:
            self._rechecking = _start(self._recheck())

    async def _recheck(self) -> None:
        """Check the access of listeners that are due, a batch at a time."""
        due = _now() - ACCESS_SECONDS
        listeners = [it for it in self.listeners if it.asked_at <= due]
        for first in range(0, len(listeners), BATCH_SIZE):
            some = listeners[first : first + BATCH_SIZE]
            answers = await asyncio.gather(*(decide_again(it.scope) for it in some))
            for listener, (decision, _) in zip(some, answers, strict=True):
                listener.asked_at = _now()
                if decision in REFUSALS:
                    listener.dismiss(*REFUSALS[decision])
                elif _must_return(listener):
                    listener.dismiss(*CONNECT_AGAIN)

    def _dismiss_all(self, code: int, reason: str) -> None:
        for listener in self.listeners:
            listener.dismiss(code, reason)


def _must_return(listener: Listener) -> bool:
    """Return whether a listener must reconnect, so that a logout can be seen."""
    return (
        listener.asked_at >= listener.joined_at + RETURN_SECONDS
        and has_session_cookie(listener.scope)
        and sessions_are_in_cookies()
    )


def _start(
    coroutine: Coroutine[Any, Any, None], root_path: str = ""
) -> asyncio.Task[None]:
    """Run a coroutine in an empty context, not in that of the first listener.

    Args:
        coroutine: The coroutine.
        root_path: The root path of the server, a prefix of the endpoints.
    """
    context = contextvars.Context()
    if root_path:
        context.run(set_script_prefix, f"{root_path}/")
    return context.run(asyncio.ensure_future, coroutine)


def _root_path(scope: Scope) -> str:
    """Return the root path of the server; empty under Daphne.

    Daphne takes the root path from a header of the client, so that of the first
    listener would be shown to all.
    """
    given = "" if server_name() == "daphne" else scope.get("root_path")
    return bounded_text(given or "", MAX_PATH).rstrip("/")


def _runs(task: asyncio.Task[None] | None) -> bool:
    return task is not None and not task.done()
