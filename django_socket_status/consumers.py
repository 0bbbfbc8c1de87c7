"""The mixin: counts the WebSockets of a Channels consumer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, ClassVar

from django_socket_status.asgi import Receive, Scope, Send
from django_socket_status.endings import EndedBy
from django_socket_status.endpoints.introspection import static_attribute
from django_socket_status.endpoints.loaded import type_for_consumer
from django_socket_status.endpoints.resolver import captured_by_route
from django_socket_status.registry.lifecycle import FINISHED, NOTED
from django_socket_status.tracking.entry import enter
from django_socket_status.tracking.labels import update_labels

__all__ = ["SocketStatusMixin"]


def _tracked(call: Any) -> Any:
    """Return a consumer's ``__call__`` wrapped so that its connection is observed."""
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
            ask = self._socket_status_overrides
        connection = enter(cls, scope, receive, send, ask)
        if connection is None:
            return await run(self, scope, receive, send)
        # The same lines as in the middleware: a shared coroutine would cost each
        # connection another frame.
        by: EndedBy = "return"
        try:
            try:
                return await run(self, scope, connection.receive, connection.send)
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

    __call__.is_tracked = True  # type: ignore[attr-defined]
    return __call__


def _bound_and_called(call: Any) -> Callable[..., Any]:
    """Return a function that binds and calls any other descriptor as Python does."""
    bind = getattr(call, "__get__", lambda consumer, cls: call)
    return lambda consumer, *given: bind(consumer, type(consumer))(*given)


class SocketStatusMixin:
    """Count the WebSockets of a consumer.

    Put it before the consumer's base class::

        class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer): ...

    It wraps the consumer's ``__call__``, because Channels skips ``disconnect`` if the
    consumer raises or is cancelled.
    """

    #: The type to count under; by default the class's name without ``Consumer``, in
    #: snake case.
    socket_status_type: ClassVar[str | None] = None

    #: The URL that ``ws_endpoints`` shows, if the route is not the whole of it, such as
    #: ``"/ws/stt/room/?role=<role>&name=<name>"``.
    socket_status_endpoint: ClassVar[str | None] = None

    scope: Scope

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A ``__call__`` of the class, or of a base before this one, need not call
        # ``super()``, so it is wrapped as well.
        call = static_attribute(cls, "__call__")
        if not hasattr(call, "is_tracked"):
            cls.__call__ = _tracked(call)  # type: ignore[method-assign]

    @_tracked
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Run the consumer and observe its connection."""
        return super().__call__(scope, receive, send)  # type: ignore[misc]

    def get_socket_status_type(self) -> str | None:
        """Return the type of this connection. Called once, when it is accepted.

        ``self.scope`` is set by then. Runs on the socket's path: do no I/O. Return only
        names that your code knows: a client could fill the list of types with others.
        """
        return type_for_consumer(type(self))

    def get_socket_status_labels(self) -> Mapping[str, object]:
        """Return the labels of this connection. Called once, when it is accepted.

        By default the arguments that the route captured, such as ``{"room": "42"}``,
        without its extra arguments; nothing if ``ASGI_APPLICATION`` does not serve the
        consumer. Runs on the socket's path: do no I/O. A value is text, a number, a
        UUID or a date. Others are left out: their text may need a query.
        """
        return captured_by_route(type(self), self.scope)

    def update_socket_status_labels(self, **labels: object) -> None:
        """Change labels of this connection, for example when it joins a room.

        ``None`` removes a label. Call it from any thread, once ``__call__`` runs.
        """
        update_labels(self.scope, labels)

    def _socket_status_overrides(
        self,
    ) -> tuple[str | None, Mapping[str, object] | None]:
        """Return the type and labels that the consumer sets, ``None`` for neither."""
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
