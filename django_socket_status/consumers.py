"""The door for consumers: a mixin."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, ClassVar

from django_socket_status.endpoints import type_for_consumer
from django_socket_status.holders import static_attribute
from django_socket_status.labels import update_labels
from django_socket_status.lives import OPEN
from django_socket_status.records import EndedBy
from django_socket_status.tracking import Receive, Scope, Send, enter

__all__ = ["SocketStatusMixin"]


def _tracked(call: Any) -> Any:
    """Return a consumer's ``__call__``, observed."""
    run = call if isinstance(call, FunctionType) else _bound_and_called(call)

    @functools.wraps(call)
    async def __call__(
        self: SocketStatusMixin, scope: Scope, receive: Receive, send: Send
    ) -> Any:
        cls = type(self)
        ask = None
        if (
            cls.get_socket_status_type is not _get_type
            or cls.get_socket_status_labels is not _get_labels
        ):
            ask = self._socket_status_choice
        connection = enter(cls, scope, receive, send, ask)
        if connection is None:
            return await run(self, scope, receive, send)
        # As in the middleware: each coroutine more would cost a connection its frame.
        by: EndedBy = "return"
        try:
            return await run(self, scope, connection.receive, connection.send)
        except Exception as error:
            by = connection.failed(error)
            raise
        except BaseException:
            by = "cancel"
            raise
        finally:
            if connection.state > OPEN:
                connection.finished = True
            else:
                connection.finish(by)

    __call__.is_tracked = True  # type: ignore[attr-defined]
    return __call__


def _bound_and_called(call: Any) -> Callable[..., Any]:
    """Return a function that calls any other descriptor as Python does."""
    bind = getattr(call, "__get__", lambda consumer, cls: call)
    return lambda consumer, *given: bind(consumer, type(consumer))(*given)


class SocketStatusMixin:
    """Count the WebSockets of a consumer.

    Stands before the consumer's base class::

        class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer): ...

    It wraps the consumer as a whole, so that whatever the consumer overrides or raises
    is counted right: Channels itself skips ``disconnect`` when a consumer raises or is
    cancelled.
    """

    #: The type to count under; by default the class's name without ``Consumer``, in
    #: snake case.
    socket_status_type: ClassVar[str | None] = None

    #: How ``ws_endpoints`` shows the URL, when the route does not say it all, as
    #: ``"/ws/stt/room/?role=<role>&name=<name>"``.
    socket_status_endpoint: ClassVar[str | None] = None

    scope: Scope

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A __call__ that does not call super() would never come by ours: the class's
        # own, or one that it has from a base before this one.
        call = static_attribute(cls, "__call__")
        if not hasattr(call, "is_tracked"):
            cls.__call__ = _tracked(call)  # type: ignore[method-assign]

    @_tracked
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Run the consumer and observe its connection."""
        return super().__call__(scope, receive, send)  # type: ignore[misc]

    def get_socket_status_type(self) -> str | None:
        """Return the type of this very connection, asked once, as it is accepted.

        ``self.scope`` is there by then. Runs on the socket's path: no I/O. Choose among
        names that your code knows; what a client can choose, it can flood.
        """
        return type_for_consumer(type(self))

    def get_socket_status_labels(self) -> Mapping[str, object]:
        """Return short facts about this connection, asked once, as it is accepted.

        By default what the route captured, such as ``{"room": "42"}``. Runs on the
        socket's path: no I/O.
        """
        return self.scope.get("url_route", {}).get("kwargs", {})  # type: ignore[no-any-return]

    def update_socket_status_labels(self, **labels: object) -> None:
        """Change labels of this connection, as when a room is joined later.

        ``None`` takes a label away. Any thread, any time after ``__call__`` began.
        """
        update_labels(self.scope, labels)

    def _socket_status_choice(self) -> tuple[str | None, Mapping[str, object] | None]:
        """Return the type and labels of this very connection, where it chooses any."""
        cls = type(self)
        return (
            None
            if cls.get_socket_status_type is _get_type
            else self.get_socket_status_type(),
            None
            if cls.get_socket_status_labels is _get_labels
            else self.get_socket_status_labels(),
        )


_get_type = SocketStatusMixin.get_socket_status_type
_get_labels = SocketStatusMixin.get_socket_status_labels
