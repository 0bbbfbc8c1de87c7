"""The door for any ASGI application, no consumer touched."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from django_socket_status.endpoints import Endpoint, walk
from django_socket_status.lives import OPEN
from django_socket_status.records import EndedBy
from django_socket_status.tracking import Application, Receive, Scope, Send, enter

__all__ = ["SocketStatusMiddleware"]


class SocketStatusMiddleware:
    """Count the WebSockets of an ASGI application.

    Goes around any application or router::

        "websocket": AuthMiddlewareStack(
            SocketStatusMiddleware(URLRouter(websocket_urlpatterns))
        )

    Type and labels come from the route that a connection matches. Users are seen when
    it stands inside ``AuthMiddlewareStack``, as above; outside of it, every connection
    counts as anonymous. Scopes of other types pass straight through. What other code
    reads from the application (``consumer_class``, its name and docstring) it finds
    here as well.

    Args:
        app: The ASGI application.
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        functools.update_wrapper(self, app, updated=())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Run the application and observe its connection."""
        connection = enter(self, scope, receive, send)
        if connection is None:
            return await self.app(scope, receive, send)
        # As in the mixin: each coroutine more would cost a connection its frame.
        by: EndedBy = "return"
        try:
            return await self.app(scope, connection.receive, connection.send)
        except Exception as error:
            by = connection.failed(error)
            raise
        except BaseException:
            by = "cancel"
            raise
        finally:
            if connection.state > OPEN:
                # Mostly: the server or the application has said so.
                connection.finished = True
            else:
                connection.finish(by)

    def __getattr__(self, name: str) -> Any:
        if name == "app":
            # Not there yet: somebody is unpickling or copying.
            raise AttributeError(name)
        return getattr(self.app, name)

    def __repr__(self) -> str:
        return f"SocketStatusMiddleware({self.app!r})"

    @functools.cached_property
    def socket_status_endpoints(self) -> Sequence[Endpoint]:
        """Return the endpoints below this middleware, walked at the first use."""
        return walk(self.app)
