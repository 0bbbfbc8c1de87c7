"""Lists the endpoints of an ASGI application: the URLs it serves, and their types.

The type and the URL of an endpoint come from the setting, else from the consumer class,
else from the route, and never from a client.
"""

from __future__ import annotations

import builtins
import dataclasses
import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django_socket_status.conf import get_settings
from django_socket_status.endpoints.discovery import Found, find_routes
from django_socket_status.endpoints.found import FoundRoute
from django_socket_status.endpoints.introspection import static_attribute
from django_socket_status.endpoints.patterns import Pattern, without_converters
from django_socket_status.endpoints.type_names import type_from_class, type_from_pattern

__all__ = [
    "Endpoint",
    "endpoints_of",
    "find_endpoint",
    "keys_of",
    "look_into",
    "texts",
    "type_for_consumer",
    "walk",
]

logger = logging.getLogger("django_socket_status")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL that serves WebSockets."""

    #: The route, readable: ``/ws/call/<room>/``.
    pattern: str
    type: str
    #: The URL in ``ws_endpoints``: the setting's, the class's, or the pattern.
    url: str
    #: ``None`` if the route's application is not a consumer.
    consumer_class: builtins.type | None
    #: The ``name=`` of the innermost route.
    name: str | None
    #: The patterns of the nested routes, the outermost first. Without a pattern, the
    #: endpoint serves every path.
    routes: tuple[Pattern, ...]
    #: The names that the routes capture, without their extra arguments.
    captures: frozenset[str] = frozenset()
    #: Whether its connections are counted.
    counted: bool = True
    #: Whether a middleware counts them before the user is in the scope.
    hides_user: bool = False


def walk(application: object) -> tuple[Endpoint, ...]:
    """Return the endpoints of an ASGI application, in the order of its routes.

    Returns at most 1,000. Never raises, runs no code of the application, and ends also
    for cyclic objects. Parts that cannot be walked are left out and logged.
    """
    found = look_into(application)
    return () if found is None else endpoints_of(found)


def look_into(application: object) -> Found | None:
    """Return the routes of an application; ``None`` if it has no known router.

    Logs the parts that are left out.
    """
    try:
        found = find_routes(application)
    except Exception:
        # The objects are the project's, and may behave in any way.
        logger.debug("The ASGI application cannot be walked.", exc_info=True)
        return None
    if found.left_out:
        logger.debug("Left out of ws_endpoints: %s.", found.left_out)
    return found if found.is_known else None


def endpoints_of(found: Found) -> tuple[Endpoint, ...]:
    """Return the endpoints of the routes that a walk found."""
    own = (route for route in found.routes if not route.internal)
    return _with_urls([_endpoint(route) for route in own])


def find_endpoint(
    path: str, endpoints: Sequence[Endpoint]
) -> tuple[Endpoint, dict[str, object]] | None:
    """Return the endpoint that serves a request path, and the values it captures.

    The first route that matches, as in ``URLRouter``, which drops leading slashes of
    the path and of the rest that an outer route leaves. Never raises. Routes that are
    not listed, such as those of this package, cannot be found, so call this only for
    the path of a tracked connection.

    Args:
        path: The path of the scope without its ``root_path``.
        endpoints: The endpoints, such as ``get_endpoints()``.
    """
    try:
        for endpoint in endpoints:
            captured = _match(path, endpoint.routes)
            if captured is not None:
                return endpoint, captured
    except Exception:
        # A converter of the project raises: then the router refuses the path, too.
        logger.debug("A path cannot be matched.", exc_info=True)
    return None


def type_for_consumer(cls: type) -> str:
    """Return the type of a consumer class: by setting, class attribute or name."""
    return (
        _text(get_settings().types.get(f"{cls.__module__}.{cls.__qualname__}"))
        or _text(static_attribute(cls, "socket_status_type"))
        or type_from_class(cls)
    )


def _match(path: str, routes: tuple[Pattern, ...]) -> dict[str, object] | None:
    captured: dict[str, object] = {}
    for pattern in routes:
        match = pattern.match(path.lstrip("/"))
        if not match:
            return None
        path, _, own = match
        captured.update(own)
    return captured


def _endpoint(route: FoundRoute) -> Endpoint:
    pattern = f"/{route.text}"
    return Endpoint(
        pattern=pattern,
        type=_type_of(route, pattern),
        url=pattern,
        consumer_class=route.consumer_class,
        name=route.name,
        routes=route.patterns,
        captures=route.captures,
        counted=route.counted,
        hides_user=route.hides_user,
    )


def _type_of(route: FoundRoute, pattern: str) -> str:
    for key, kind in texts(get_settings().types):
        if "/" in key and f"/{without_converters(key).lstrip('/')}" == pattern:
            return kind
    if route.consumer_class is not None:
        return type_for_consumer(route.consumer_class)
    if route.name:
        return route.name.replace("-", "_").lower()
    return type_from_pattern(pattern)


def _with_urls(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return the endpoints with their URLs.

    If a class has two routes, only the first gets the class's URL; the second keeps its
    route.
    """
    given = get_settings().endpoints
    shown: set[str] = set()
    result = []
    for key, endpoint in zip(keys_of(endpoints), endpoints, strict=True):
        stated = _text(
            static_attribute(endpoint.consumer_class, "socket_status_endpoint")
        )
        url = _text(given.get(key)) or ("" if stated in shown else stated)
        shown.add(url)
        result.append(dataclasses.replace(endpoint, url=url or endpoint.pattern))
    return tuple(result)


def keys_of(endpoints: Sequence[Endpoint]) -> list[str]:
    """Return a unique key for each endpoint.

    The key of the first endpoint of a type is the type. The key of a further one is
    made of its route, and is never the type of another endpoint.
    """
    taken = {endpoint.type for endpoint in endpoints}
    seen: set[str] = set()
    keys = []
    for endpoint in endpoints:
        key = endpoint.type
        if key in seen:
            key = _free(type_from_pattern(endpoint.pattern), taken)
            taken.add(key)
        seen.add(endpoint.type)
        keys.append(key)
    return keys


def _free(name: str, taken: set[str]) -> str:
    candidates = (f"{name}_{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain([name], candidates) if key not in taken)


def texts(setting: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the entries of a setting whose value is text."""
    return [(key, text) for key, value in setting.items() if (text := _text(value))]


def _text(value: object) -> str:
    """Return a value if it is text, else ``""``: the system checks report others."""
    return value if isinstance(value, str) else ""
