"""Live push: sends every listener the summary as soon as it changes.

This is a plain ASGI application and not a Channels consumer. Channels runs a function
on the process's single thread for sync code before every message, so a handshake would
wait for every busy sync consumer.

The protocol is in ``docs/reference/live.md``.
"""

from __future__ import annotations

import asyncio

from django_socket_status.access import PUBLIC
from django_socket_status.asgi import Receive, Scope, Send
from django_socket_status.conf import get_settings
from django_socket_status.live.authorization import (
    Client,
    Decision,
    client_without_query,
    decide,
)
from django_socket_status.live.failures import FailureLog
from django_socket_status.live.hub import (
    REFUSALS,
    TOO_MANY,
    Hub,
)
from django_socket_status.live.listener import SLOW_SECONDS, Listener, Refusal
from django_socket_status.live.origins import origin_is_allowed
from django_socket_status.reporter.thread import reporter
from django_socket_status.tracking.entry import leave_out

__all__ = ["LiveStatus", "live_status"]

FOREIGN: Refusal = (4403, "origin not allowed")
NO_CLIENT = Client(None, "")


class LiveStatus:
    """The ASGI application that :mod:`~django_socket_status.routing` mounts."""

    #: Excludes it from ``ws_endpoints``; ``leave_out`` excludes it from the counts.
    socket_status_internal = True

    def __init__(self) -> None:
        #: The hub of each event loop that has listeners.
        self.hubs: dict[asyncio.AbstractEventLoop, Hub] = {}
        self._failures = FailureLog("A handshake of live push cannot be judged.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one listener."""
        leave_out(scope)
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            refusal, client = await _judge(scope, self._hub())
        except Exception as error:  # noqa: BLE001 - a malformed scope, or wrong setting
            self._failures.note(error)
            refusal, client = REFUSALS[Decision.UNKNOWN], NO_CLIENT
        # Accept a refused client too: a browser shows no close code of a handshake.
        await send({"type": "websocket.accept"})
        if refusal is None:
            # Check again: other clients joined while this one waited.
            hub = self._hub()
            if hub.has_room_for(client):
                listener = Listener(scope, send, client)
                refusal = await self._listen(hub, listener, receive)
            else:
                refusal = TOO_MANY
        if refusal is not None:
            await _close(send, *refusal)

    async def _listen(
        self, hub: Hub, listener: Listener, receive: Receive
    ) -> Refusal | None:
        """Wait for the end; return the close to send, ``None`` if the client left.

        Messages of clients are ignored.
        """
        loop = asyncio.get_running_loop()
        self.hubs[loop] = hub
        hub.join(listener)
        try:
            reporter.serve_listeners()
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
            # A loop that was stopped early never removed its hub.
            for loop in [*self.hubs]:
                if loop.is_closed():
                    self.hubs.pop(loop, None)
            hub = Hub()
        return hub


async def _judge(scope: Scope, hub: Hub) -> tuple[Refusal | None, Client]:
    """Return the refusal of a client, ``None`` if it may listen, and the client.

    The rule may be slow, so it is the last check: a client over the listener limit is
    refused without it.
    """
    cookies_decide = get_settings().summary_access != PUBLIC
    headers = scope.get("headers", ())
    if not origin_is_allowed(headers, cookies_decide=cookies_decide):
        return FOREIGN, NO_CLIENT
    if not hub.has_room_for(client_without_query(scope)):
        return TOO_MANY, NO_CLIENT
    decision, client = await decide(scope)
    return REFUSALS.get(decision), client


async def _close(send: Send, code: int, reason: str) -> None:
    """Send a close, within the send timeout of any other message.

    Daphne raises for close codes of the protocol, such as 1013, and keeps the
    connection open. Then send the close again without a code, which means 1000.
    """
    refusal = {"type": "websocket.close", "code": code, "reason": reason}
    for message in (refusal, {"type": "websocket.close"}):
        try:
            await asyncio.wait_for(send(message), SLOW_SECONDS)
        except asyncio.TimeoutError:
            return
        except Exception:  # noqa: BLE001, S112 - the server raises, or the client left
            continue
        return


#: The application that the routing mounts.
live_status = LiveStatus()
