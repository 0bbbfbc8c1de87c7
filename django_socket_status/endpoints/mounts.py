"""Reads the routes of Starlette and FastAPI, without importing them.

Routes are recognized by their attributes. A route with a compiled path leads to an
application: with ``methods`` it is an HTTP route, with ``endpoint`` it serves
WebSockets, else it is a mount. For an included router, FastAPI keeps the router and its
prefix.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from django_socket_status.endpoints.introspection import (
    MISSING,
    attributes,
    static_attribute,
    unwrapped,
)
from django_socket_status.endpoints.patterns import PathPattern, beginning

__all__ = ["Destination", "destination_of", "is_starlette", "middlewares_of"]


class Destination(NamedTuple):
    """Where a route leads."""

    application: object
    #: ``None`` if the route matches every path.
    pattern: PathPattern | None
    name: str | None = None
    #: Whether it certainly serves WebSockets.
    serves: bool = False
    is_mount: bool = False


def is_starlette(own: dict[str, Any]) -> bool:
    """Return whether an object with these attributes is an application or a router."""
    if issubclass(type(own.get("user_middleware")), list):
        return "router" in own
    routes = own.get("routes")
    if not issubclass(type(routes), list):
        return False
    if not routes:
        return "redirect_slashes" in own
    return any(destination_of(it) or "methods" in attributes(it) for it in routes)


def middlewares_of(own: dict[str, Any]) -> list[object]:
    """Return the classes of the middlewares of an application, the innermost first."""
    stated = own.get("user_middleware")
    if not issubclass(type(stated), list):
        return []
    classes = (attributes(it).get("cls") for it in reversed(stated or []))
    return [cls for cls in classes if issubclass(type(cls), type)]


def destination_of(route: object) -> Destination | None:
    """Return where a route leads; ``None`` for an HTTP route or another kind."""
    own = attributes(unwrapped(route))
    if "original_router" in own:
        prefix = static_attribute(own.get("include_context"), "prefix")
        pattern = beginning(prefix) if isinstance(prefix, str) and prefix else None
        return Destination(own["original_router"], pattern)
    application, path = own.get("app"), own.get("path")
    if application is None or own.get("methods") is not None:
        return None
    if isinstance(own.get("host_regex"), re.Pattern):
        return Destination(application, None)
    regex = own.get("path_regex")
    if not isinstance(regex, re.Pattern) or not isinstance(path, str):
        return None
    endpoint = own.get("endpoint", MISSING)
    is_mount = endpoint is MISSING
    pattern = PathPattern(path, regex, is_mount=is_mount)
    if is_mount:
        return Destination(application, pattern, is_mount=True)
    # Not ``app``: the wrapper of a function does not say which function it calls.
    return Destination(endpoint, pattern, own.get("name"), serves=True)
