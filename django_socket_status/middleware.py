"""The middleware: counts the WebSockets of any ASGI application, without a mixin."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from django.utils.functional import cached_property

from django_socket_status.asgi import Application, Receive, Scope, Send
from django_socket_status.endings import EndedBy
from django_socket_status.endpoints.loaded import Endpoint, walk
from django_socket_status.registry.lifecycle import FINISHED, NOTED
from django_socket_status.tracking.entry import enter

__all__ = ["SocketStatusMiddleware"]


class SocketStatusMiddleware:
    """Count the WebSockets of an ASGI application.

    Put it around any application or router::

        "websocket": AuthMiddlewareStack(
            SocketStatusMiddleware(URLRouter(websocket_urlpatterns))
        )

    Type and labels come from the route that a connection matches. Put the middleware
    inside ``AuthMiddlewareStack``, as above, or every connection counts as anonymous.
    Scopes of other types pass straight through. Attributes of the application
    (``consumer_class``, its name and docstring) can be read from the middleware.

    Args:
        app: The ASGI application.
    """

    #: Marks, for the endpoint discovery, that everything inside is counted.
    socket_status_counts = True

    def __init__(self, app: Application) -> None:
        self.app = app
        functools.update_wrapper(self, app, updated=())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Run the application and observe its connection."""
        connection = enter(self, scope, receive, send)
        if connection is None:
            return await self.app(scope, receive, send)
        # The same lines as in the mixin: a shared coroutine would cost each connection
        # another frame.
        by: EndedBy = "return"
        try:
            try:
                return await self.app(scope, connection.receive, connection.send)
            except Exception as error:
                by = connection.failed(error)
                raise
            except BaseException:
                by = "cancel"
                raise
            finally:
                if connection.phase == NOTED:
                    # The usual case: a disconnect or a close was seen.
                    connection.phase = FINISHED
                else:
                    connection.finish(by)
        finally:
            # An exception, such as one from a signal handler, interrupted ``finish``.
            if connection.phase != FINISHED:
                connection.finish(by)

    def __getattr__(self, name: str) -> Any:
        if name == "app":
            # ``copy`` and ``pickle`` get attributes before ``__init__`` has run.
            raise AttributeError(name)
        return getattr(self.app, name)

    def __repr__(self) -> str:
        return f"SocketStatusMiddleware({self.app!r})"

    @cached_property
    def socket_status_endpoints(self) -> Sequence[Endpoint]:
        """Return the endpoints inside this middleware, found at the first use."""
        return walk(self.app)
