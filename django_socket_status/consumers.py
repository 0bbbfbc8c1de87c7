"""The door for consumers: a mixin."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MethodType
from typing import Any, ClassVar, TypeVar

from asgiref.sync import markcoroutinefunction
from channels.consumer import AsyncConsumer
from channels.layers import channel_layers
from django.core.signals import setting_changed

from django_socket_status.endpoints import type_for_consumer
from django_socket_status.holders import MISSING, static_attribute
from django_socket_status.labels import update_labels
from django_socket_status.tracking import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    enter,
    observe,
    saw_disconnect,
)

__all__ = ["SocketStatusMixin"]

logger = logging.getLogger("django_socket_status")

_CALL_OF_CHANNELS = AsyncConsumer.__call__

Call = TypeVar("Call", bound=Callable[..., Awaitable[Any]])


def _as_ours(call: Call) -> Call:
    """Mark a ``__call__`` that observes, for asgiref and for the classes below it."""
    call.is_tracked = True  # type: ignore[attr-defined]
    return markcoroutinefunction(call)


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
        # Of a consumer of Channels, also what it does with each message.
        dispatch = static_attribute(cls, "dispatch")
        if dispatch is not MISSING and not hasattr(dispatch, "is_tracked"):
            own = vars(cls).get("dispatch")
            seeing = _seeing_own(own) if own else _seeing(cls)
            cls.dispatch = cls._socket_status_dispatch = seeing  # type: ignore[attr-defined]

    # Plain, for a coroutine more would cost each connection its frame.
    @_as_ours
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[Any]:
        """Run the consumer and observe its connection."""
        return _run(self, super().__call__, scope, receive, send)  # type: ignore[misc]

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


def _run(
    consumer: SocketStatusMixin,
    app: Application,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> Awaitable[Any]:
    cls = type(consumer)
    ask = None
    if (
        cls.get_socket_status_type is not _get_type
        or cls.get_socket_status_labels is not _get_labels
    ):
        ask = consumer._socket_status_choice
    connection = enter(cls, scope, receive, send, ask)
    if connection is None:
        return app(scope, receive, send)
    if (
        # A ``__call__`` of somebody's own may do with messages what it likes.
        type(app) is not MethodType
        or app.__func__ is not _CALL_OF_CHANNELS
        or not _shows_messages(consumer)
    ):
        receive = connection.receive
    try:
        running = app(scope, receive, connection.send)
    except Exception as error:
        # A plain function may raise before there is anything to await.
        connection.finish(connection.failed(error))
        raise
    return observe(connection, running)


def _shows_messages(consumer: Any) -> bool:
    """Return whether our ``dispatch`` gets each message as soon as it is received.

    Not if it was replaced since the class was made. With a channel layer, Channels
    holds a disconnect back until the consumer is done with a message of the layer.
    """
    try:
        dispatch = consumer.dispatch.__func__
    except AttributeError:
        return False
    if dispatch is not type(consumer)._socket_status_dispatch:
        return False
    alias = consumer.channel_layer_alias
    if alias in channel_layers.backends:
        return False
    return alias in _without_layer or not _has_layer(alias)


def _has_layer(alias: str) -> bool:
    if alias in channel_layers.configs:
        return True
    _without_layer.add(alias)
    return False


#: Names under which no channel layer is configured.
_without_layer: set[str] = set()


def _forget_layers(*, setting: str, **kwargs: object) -> None:
    if setting == "CHANNEL_LAYERS":
        _without_layer.clear()


setting_changed.connect(_forget_layers, dispatch_uid="django_socket_status.consumers")


def _seeing(cls: Any) -> Callable[..., Awaitable[Any]]:
    """Return a ``dispatch`` for a class that inherits one.

    Plain, so that a disconnect is seen before anything waits for a thread.
    """

    def dispatch(self: Any, message: Message) -> Awaitable[Any]:
        """Work out what to do with a message."""
        try:
            if message["type"] == "websocket.disconnect":
                saw_disconnect(self.scope, message)
        except (KeyError, TypeError):
            logger.debug("Not an ASGI message: %r", type(message))
        return super(cls, self).dispatch(message)  # type: ignore[no-any-return]

    return _as_ours(dispatch)


def _seeing_own(own: Any) -> Callable[..., Awaitable[Any]]:
    """Return a class's own ``dispatch``, which sees a disconnect first."""
    bind = getattr(own, "__get__", lambda consumer, cls: own)

    @functools.wraps(own)
    def dispatch(self: Any, message: Message) -> Awaitable[Any]:
        try:
            if message["type"] == "websocket.disconnect":
                saw_disconnect(self.scope, message)
        except (KeyError, TypeError):
            logger.debug("Not an ASGI message: %r", type(message))
        return bind(self, type(self))(message)  # type: ignore[no-any-return]

    return _as_ours(dispatch)


def _tracked(call: Any) -> Callable[..., Awaitable[Any]]:
    """Return a consumer's own ``__call__``, observed."""
    # As Python calls it: most are functions, some are other descriptors.
    bind = getattr(call, "__get__", lambda consumer, cls: call)

    @functools.wraps(call)
    def __call__(
        self: SocketStatusMixin, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[Any]:
        app = bind(self, type(self))
        return _run(self, app, scope, receive, send)

    return _as_ours(__call__)
