"""Which URLs of the project serve WebSockets, read from ``ASGI_APPLICATION``.

The application is imported at the first question and never at start-up, and walked
once. Endpoints are listed also while nobody is on them.

What an endpoint's type and URL are is said by the setting, else by the consumer class,
else by the route. A client has no say in either.
"""

from __future__ import annotations

import builtins
import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_socket_status.conf import get_settings
from django_socket_status.holders import static_attribute
from django_socket_status.naming import type_from_class, type_from_pattern
from django_socket_status.patterns import Pattern, without_converters
from django_socket_status.routes import MAX_ENDPOINTS, FoundRoute, find_routes

__all__ = [
    "Endpoint",
    "find_endpoint",
    "get_endpoints",
    "get_live_url",
    "get_ws_endpoints",
    "known_ws_endpoints",
    "reset",
    "type_for_consumer",
    "walk",
]

logger = logging.getLogger("django_socket_status")

#: Seconds until an ``ASGI_APPLICATION`` that cannot be imported is tried again.
RETRY_SECONDS = 10.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL that serves WebSockets."""

    #: The route as it was walked: ``/ws/call/<room>/``.
    pattern: str
    type: str
    #: What ``ws_endpoints`` shows: the pattern, or what says it better.
    url: str
    #: ``None`` if the route's application is no consumer.
    consumer_class: builtins.type | None
    #: The ``name=`` of the innermost route.
    name: str | None
    #: The patterns of the routes that lead here, the outermost first. Without one, the
    #: endpoint answers whatever the path is.
    routes: tuple[Pattern, ...]


def walk(application: object) -> tuple[Endpoint, ...]:
    """Return the endpoints of an ASGI application, in the order of its routes.

    Never raises, calls nothing of the application's, and ends whatever the objects in
    it hold. What cannot be walked is left out and logged once. At most
    :data:`MAX_ENDPOINTS`.
    """
    routes = [route for route in _routes_of(application) if not route.internal]
    return _with_urls([_endpoint(route) for route in routes])


def _routes_of(application: object) -> tuple[FoundRoute, ...]:
    try:
        found, left_out = find_routes(application)
    except Exception:
        # The objects are the host's: any of them may be unlike what it seems.
        logger.debug("The ASGI application cannot be walked.", exc_info=True)
        return ()
    if left_out:
        logger.debug("Left out of ws_endpoints: %s.", left_out)
    return found


def get_endpoints(
    *, clock: Callable[[], float] = time.monotonic
) -> tuple[Endpoint, ...]:
    """Return the endpoints of ``ASGI_APPLICATION``: the same tuple at each call.

    The first call imports the application. There are none before Django is ready, and
    none while the import fails: it is logged once, and tried again every
    :data:`RETRY_SECONDS`.
    """
    cache = _cache
    if cache.endpoints is not None:
        return cache.endpoints
    return cache.fill(clock) if apps.ready else ()


def get_ws_endpoints() -> dict[str, str]:
    """Return the URL of each type: ``{"call": "/ws/call/<room>/"}``.

    A further endpoint of a type has a key made of its route (``ws_call_archive``).
    What the setting ``ENDPOINTS`` names is listed also if no route was found for it.
    """
    endpoints = get_endpoints()
    listed: dict[str, str] = {}
    shown: set[tuple[str, str]] = set()
    for key, endpoint in zip(_keys(endpoints), endpoints, strict=True):
        if (endpoint.type, endpoint.url) not in shown:
            shown.add((endpoint.type, endpoint.url))
            listed[key] = endpoint.url
    for key, url in _texts(get_settings().endpoints):
        if len(listed) >= MAX_ENDPOINTS:
            break
        listed.setdefault(key, url)
    return listed


def known_ws_endpoints() -> dict[str, str] | None:
    """Return the URL of each type; ``None`` if that would import ``ASGI_APPLICATION``.

    O(1) once it is imported: the same dictionary until a setting changes, so that
    callers must not write to it.
    """
    cache = _cache
    if cache.listed is not None:
        return cache.listed
    if cache.endpoints is None:
        is_due = apps.ready and cache.is_due(time.monotonic)
        return None if is_due else get_ws_endpoints()
    cache.listed = get_ws_endpoints()
    return cache.listed


def get_live_url() -> str | None:
    """Return the path under which ``ASGI_APPLICATION`` serves live push, if it does."""
    get_endpoints()
    return _cache.live_url


def find_endpoint(
    path: str, endpoints: Sequence[Endpoint]
) -> tuple[Endpoint, dict[str, object]] | None:
    """Return the endpoint that serves a request path, and what its route captures.

    As ``URLRouter`` decides it: the first route that matches, slashes at the start of a
    path and of what an outer route left of it dropped. Never raises. Routes that are
    not listed, such as those of this package itself, are not seen, so ask only for the
    path of a connection that is tracked.

    Args:
        path: The path of the scope without its ``root_path``.
        endpoints: Where to look; see :func:`get_endpoints`.
    """
    try:
        for endpoint in endpoints:
            captured = _match(path, endpoint.routes)
            if captured is not None:
                return endpoint, captured
    except Exception:
        # A converter of the host's: the router refuses such a path, too.
        logger.debug("A path cannot be matched.", exc_info=True)
    return None


def type_for_consumer(cls: type) -> str:
    """Return the type of a consumer class: the setting's, its own, or of its name."""
    return (
        _text(get_settings().types.get(f"{cls.__module__}.{cls.__qualname__}"))
        or _text(static_attribute(cls, "socket_status_type"))
        or type_from_class(cls)
    )


def reset() -> None:
    """Forget what was walked, and that an import failed."""
    global _cache
    _cache = _Cache()


class _Cache:
    """What is known of ``ASGI_APPLICATION``.

    Without a lock: an import may ask for endpoints itself, and a second walk does no
    harm. Whoever began before a reset fills a cache that nobody reads any more.
    """

    def __init__(self) -> None:
        self.endpoints: tuple[Endpoint, ...] | None = None
        self.live_url: str | None = None
        self.listed: dict[str, str] | None = None
        self._retry_at: float | None = None

    def is_due(self, clock: Callable[[], float]) -> bool:
        """Return whether an import was never tried, or may be tried again."""
        return self._retry_at is None or clock() >= self._retry_at

    def fill(self, clock: Callable[[], float]) -> tuple[Endpoint, ...]:
        dotted_path = getattr(settings, "ASGI_APPLICATION", None)
        if not dotted_path:
            self.endpoints = ()
            return ()
        failed_before = self._retry_at is not None
        if not self.is_due(clock):
            return ()
        self._retry_at = clock() + RETRY_SECONDS
        try:
            application = import_string(dotted_path)
        except (Exception, SystemExit):
            # Any code of the host's runs here; whoever serves the application says it
            # louder.
            if not failed_before:
                logger.debug("ASGI_APPLICATION cannot be imported.", exc_info=True)
            return ()
        routes = _routes_of(application)
        # A client cannot fill in what a route captures.
        live = (it.text for it in routes if it.internal and "<" not in it.text)
        self.live_url = next((f"/{text}" for text in live), None)
        own = [_endpoint(route) for route in routes if not route.internal]
        self.endpoints = _with_urls(own)
        return self.endpoints


_cache = _Cache()


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
    )


def _type_of(route: FoundRoute, pattern: str) -> str:
    for key, kind in _texts(get_settings().types):
        if "/" in key and f"/{without_converters(key).lstrip('/')}" == pattern:
            return kind
    if route.consumer_class is not None:
        return type_for_consumer(route.consumer_class)
    if route.name:
        return route.name.replace("-", "_").lower()
    return type_from_pattern(pattern)


def _with_urls(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return endpoints with the URL that says it best.

    A class on two routes has one URL to tell: the second endpoint keeps its route.
    """
    given = get_settings().endpoints
    shown: set[str] = set()
    result = []
    for key, endpoint in zip(_keys(endpoints), endpoints, strict=True):
        told = _text(
            static_attribute(endpoint.consumer_class, "socket_status_endpoint")
        )
        url = _text(given.get(key)) or ("" if told in shown else told)
        shown.add(url)
        result.append(dataclasses.replace(endpoint, url=url or endpoint.pattern))
    return tuple(result)


def _keys(endpoints: Sequence[Endpoint]) -> list[str]:
    """Return a key for each endpoint, no two the same.

    The first endpoint of a type has the type. A further one never takes a key that is
    the type of another endpoint.
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


def _texts(setting: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, text) for key, value in setting.items() if (text := _text(value))]


def _text(value: object) -> str:
    """Return a value if it is text, else nothing: checks say what is wrong with it."""
    return value if isinstance(value, str) else ""


def _drop(*, setting: str, **kwargs: object) -> None:
    if setting in ("ASGI_APPLICATION", "SOCKET_STATUS"):
        reset()


setting_changed.connect(_drop, dispatch_uid="django_socket_status.endpoints")
