"""Begins the observation of a WebSocket, and finds the connection of a scope."""

from __future__ import annotations

import logging
from typing import Any

from django_socket_status.asgi import Receive, Scope, Send
from django_socket_status.registry.lifecycle import FINISHED, HANDSHAKE
from django_socket_status.tracking.connection import Ask, Connection

__all__ = ["SCOPE_KEY", "connection_of", "enter", "leave_out"]

logger = logging.getLogger("django_socket_status")

#: Where the outer entry point leaves the connection for the inner one.
SCOPE_KEY = "django_socket_status.connection"


def enter(
    source: Any, scope: Scope, receive: Receive, send: Send, ask: Ask | None = None
) -> Connection | None:
    """Begin to observe the WebSocket of a scope. The mixin and the middleware call it.

    Args:
        source: The consumer class, or the middleware, that serves the connection.
        scope: The ASGI connection scope.
        receive: The server's ``receive``.
        send: The server's ``send``.
        ask: Returns type and labels of this connection; called once, at the accept.
            ``None``: the class and the route say both.

    Returns:
        The connection; call its ``finish`` when the application ends. ``None`` if the
        scope is no WebSocket, or the other entry point observes it already.
    """
    connection = None
    try:
        if scope.get("type") != "websocket":
            return None
        known = scope.get(SCOPE_KEY)
        if known is not None and _is_observed(known):
            if type(known) is Connection:
                known.refine(source, scope, ask)
            return None
        connection = Connection()
        connection.begin(source, scope, receive, send, ask)
        scope[SCOPE_KEY] = connection
    except Exception:
        # A scope may hold anything, and the host's application must run in any case.
        if connection is not None:
            connection.leave_out()
            connection.phase = FINISHED
        logger.exception("A WebSocket cannot be tracked, and is not counted.")
        return None
    return connection


def _is_observed(known: object) -> bool:
    """Return whether the connection of a scope is observed already.

    A scope that was pickled and loaded is: by the process that pickled it.
    """
    return type(known) is not Connection or known.phase != FINISHED


def connection_of(scope: Scope) -> Connection | None:
    """Return the connection of a scope, if this process observes it."""
    known = scope.get(SCOPE_KEY)
    return known if type(known) is Connection else None


def leave_out(scope: Scope) -> None:
    """Never count the connection of a scope, such as a listener of live status."""
    connection = connection_of(scope)
    if connection is not None and connection.state == HANDSHAKE:
        connection.leave_out()
