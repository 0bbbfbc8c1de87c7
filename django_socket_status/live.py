"""Live push: tells every listener the summary as soon as it changes.

A plain ASGI WebSocket application and no Channels consumer: Channels takes a turn on
the process's one thread for sync code before every message, so that a handshake waits
behind every busy sync consumer.

The protocol is in ``docs/reference/live.md``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django_socket_status.access import PUBLIC
from django_socket_status.conf import get_settings
from django_socket_status.hub import (
    REFUSALS,
    SLOW_SECONDS,
    TOO_MANY,
    Hub,
    Listener,
    Refusal,
)
from django_socket_status.listening import Decision, Person, decide
from django_socket_status.origins import origin_is_allowed
from django_socket_status.tracking import leave_out

__all__ = ["LiveStatus", "live_status"]

logger = logging.getLogger("django_socket_status")

FOREIGN: Refusal = (4403, "origin not allowed")
NOBODY = Person(None, "")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[None]]


class LiveStatus:
    """The ASGI application that :mod:`~django_socket_status.routing` mounts."""

    #: Left out of ``ws_endpoints``; :func:`~.tracking.leave_out` does so for counts.
    socket_status_internal = True

    def __init__(self) -> None:
        #: Of each event loop on which somebody listens.
        self.hubs: dict[asyncio.AbstractEventLoop, Hub] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one listener."""
        leave_out(scope)
        if (await receive())["type"] != "websocket.connect":
            return
        refusal, person = await _judge(scope)
        # Accepted also to be refused: a browser sees no close code of a handshake.
        await send({"type": "websocket.accept"})
        if refusal is None:
            # Not before: others came while this one waited.
            hub = self._hub()
            if hub.has_room_for(person):
                listener = Listener(scope, send, person)
                refusal = await self._listen(hub, listener, receive)
            else:
                refusal = TOO_MANY
        if refusal is not None:
            await _close(send, *refusal)

    async def _listen(
        self, hub: Hub, listener: Listener, receive: Receive
    ) -> Refusal | None:
        """Wait for the end; return how to close, if it is for us to do.

        Clients have nothing to say: what they send is passed over.
        """
        loop = asyncio.get_running_loop()
        self.hubs[loop] = hub
        hub.join(listener)
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        except asyncio.CancelledError:
            if not listener.take_dismissal():
                raise
        finally:
            hub.leave(listener)
            if not hub.listeners:
                self.hubs.pop(loop, None)
        return listener.dismissal

    def _hub(self) -> Hub:
        hub = self.hubs.get(asyncio.get_running_loop())
        if hub is None:
            # Nobody was told to leave where a loop was stopped halfway.
            for loop in tuple(self.hubs):
                if loop.is_closed():
                    self.hubs.pop(loop, None)
            hub = Hub()
        return hub


async def _judge(scope: Scope) -> tuple[Refusal | None, Person]:
    """Return how a client is refused, ``None`` if it is not, and who it is."""
    cookies_decide = get_settings().summary_access != PUBLIC
    try:
        headers = scope.get("headers", ())
        if not origin_is_allowed(headers, cookies_decide=cookies_decide):
            return FOREIGN, NOBODY
        decision, person = await decide(scope)
    except Exception:
        # A scope that no server makes, or a setting that cannot be read.
        logger.exception("A handshake of live push cannot be judged.")
        return REFUSALS[Decision.UNKNOWN], NOBODY
    return REFUSALS.get(decision), person


async def _close(send: Send, code: int, reason: str) -> None:
    """Send a close, but wait no longer than for any other message."""
    message = {"type": "websocket.close", "code": code, "reason": reason}
    with contextlib.suppress(Exception):
        await asyncio.wait_for(send(message), SLOW_SECONDS)


#: What the routing mounts.
live_status = LiveStatus()
