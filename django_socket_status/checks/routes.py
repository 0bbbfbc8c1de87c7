"""Whether the routes of ``ASGI_APPLICATION`` are counted, and with their users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.checks import CheckMessage, Warning

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.endpoints.catalog import Endpoint

__all__ = ["route_messages"]

#: How many routes one message names.
MAX_NAMED = 5


def route_messages(endpoints: Sequence[Endpoint]) -> Iterator[CheckMessage]:
    """Judge the routes of an application."""
    for endpoint in endpoints:
        if not endpoint.counted:
            yield from _uncounted(endpoint)
    yield from _anonymous([it.pattern for it in endpoints if it.hides_user])


def _uncounted(endpoint: Endpoint) -> Iterator[CheckMessage]:
    cls = endpoint.consumer_class
    if cls is None:
        yield _warning(
            endpoint.pattern,
            "Put SocketStatusMiddleware around its application, or around the whole "
            "router",
        )
    elif not issubclass(cls, SocketStatusMixin):
        # E014 reports a consumer that has the mixin but does not call it.
        yield _warning(
            endpoint.pattern,
            f"Put SocketStatusMixin first in the bases of {cls.__module__}."
            f"{cls.__qualname__}, or SocketStatusMiddleware around the router",
        )


def _warning(pattern: str, fix: str) -> CheckMessage:
    return Warning(
        f"WebSockets on the route {pattern} are not counted.",
        hint=f"{fix}, inside of AuthMiddlewareStack. Until then the summary lists the "
        "route in uncounted_endpoints, and has_listeners() raises for its type.",
        id="django_socket_status.W020",
    )


def _anonymous(patterns: Sequence[str]) -> Iterator[CheckMessage]:
    if patterns:
        more = ", ..." if len(patterns) > MAX_NAMED else ""
        yield Warning(
            "SocketStatusMiddleware must stand inside of the authentication "
            "middleware, or every connection counts as anonymous: "
            f"{', '.join(patterns[:MAX_NAMED])}{more}.",
            hint="As in AuthMiddlewareStack(SocketStatusMiddleware(URLRouter(...))).",
            id="django_socket_status.W021",
        )
