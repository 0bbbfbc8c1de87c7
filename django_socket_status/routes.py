"""Walks an ASGI application for the routes that serve WebSockets.

Routers are known by what they hold, as Channels' own are built: a protocol router by
its ``application_mapping``, a URL router by ``routes`` with patterns and callbacks, a
consumer by the ``consumer_class`` that ``as_asgi()`` leaves on its function. So
subclasses, look-alikes and a project without Channels are all one case. Anything else
is a wrapper, and what it holds is next (:mod:`~django_socket_status.holders`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

from django.core.handlers.base import BaseHandler

from django_socket_status.holders import (
    MISSING,
    attributes,
    held_applications,
    static_attribute,
)
from django_socket_status.patterns import Pattern, join, readable

__all__ = ["FoundRoute", "find_routes"]

#: The most endpoints that are ever listed.
MAX_ENDPOINTS = 1000

#: How many objects one walk looks at, and how deep they may be wrapped.
MAX_VISITS = 10_000
MAX_DEPTH = 50

#: How many of the things that were left out are told.
MAX_TOLD = 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FoundRoute:
    """A route that serves WebSockets, or a place on the way to one."""

    #: Without the leading slash: ``ws/call/<room>/``.
    text: str = ""
    patterns: tuple[Pattern, ...] = ()
    name: str | None = None
    consumer_class: type | None = None
    #: Whether this package itself serves it.
    internal: bool = False

    def below(self, pattern: Any, name: object) -> FoundRoute:
        """Return the place that a route leads to from here."""
        return FoundRoute(
            text=join(self.text, readable(pattern)),
            patterns=(*self.patterns, pattern),
            name=name if isinstance(name, str) else None,
        )


def find_routes(application: object) -> tuple[tuple[FoundRoute, ...], str]:
    """Return the routes of an application that serve WebSockets, in its order.

    Also returns what had to be left out and why, for a log: empty if nothing was.
    """
    walk = _Walk()
    found = walk.visit(application, FoundRoute())
    if found is None:
        walk.leave_out(f"no router and no consumer in {_kind(application)}")
    told = list(walk.reasons)[:MAX_TOLD]
    more = "; ..." if len(walk.reasons) > MAX_TOLD else ""
    return tuple(found or ()), "; ".join(told) + more


class _Walk:
    """One walk: bounded in depth, in objects and in routes, and safe in cycles.

    A route that cannot be read does not take the others with it.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, None] = {}
        self._visits = 0
        self._endpoints = 0
        #: The objects that the walk is inside of, by identity.
        self._within: set[int] = set()
        #: Those that led nowhere; kept, so that an identity is not given away again.
        self._opaque: dict[int, object] = {}

    def leave_out(self, reason: str) -> list[FoundRoute]:
        if len(self.reasons) <= MAX_TOLD:
            self.reasons[reason] = None
        return []

    def visit(self, app: object, place: FoundRoute) -> list[FoundRoute] | None:
        """Return the routes in an application; ``None`` if nothing says what it is."""
        key = id(app)
        if key in self._within or key in self._opaque:
            return None
        if self._visits >= MAX_VISITS or len(self._within) >= MAX_DEPTH:
            self.leave_out("what lies too deep or among too much")
            return None
        self._visits += 1
        self._within.add(key)
        try:
            found = self._look_at(app, place)
        finally:
            self._within.discard(key)
        if found is None:
            self._opaque[key] = app
        return found

    def _look_at(self, app: object, place: FoundRoute) -> list[FoundRoute] | None:
        if issubclass(type(app), type):
            return None
        if issubclass(type(app), dict):
            return self._protocols(app, place)
        if static_attribute(app, "socket_status_internal") is True:
            return self._endpoint(dataclasses.replace(place, internal=True))
        own = attributes(app)
        consumer_class = own.get("consumer_class")
        if issubclass(type(consumer_class), type):
            return self._consumer(consumer_class, place)
        if static_attribute(app, "as_asgi") is not MISSING:
            return self._consumer(type(app), place)
        if "application_mapping" in own:
            return self._protocols(own["application_mapping"], place)
        if _is_url_router(app, own):
            return self._routes(own["routes"], place)
        return self._wrapper(app, place)

    def _consumer(self, cls: Any, place: FoundRoute) -> list[FoundRoute]:
        if static_attribute(cls, "socket_status_internal") is True:
            return self._endpoint(dataclasses.replace(place, internal=True))
        has_no_socket = static_attribute(cls, "websocket_connect") is MISSING
        if has_no_socket and static_attribute(cls, "http_request") is not MISSING:
            return []
        return self._endpoint(dataclasses.replace(place, consumer_class=cls))

    def _endpoint(self, route: FoundRoute) -> list[FoundRoute]:
        if self._endpoints >= MAX_ENDPOINTS:
            return self.leave_out(f"everything after {MAX_ENDPOINTS} endpoints")
        self._endpoints += 1
        return [route]

    def _protocols(self, mapping: Any, place: FoundRoute) -> list[FoundRoute]:
        """Return the routes of a protocol router: of WebSockets, and of nothing else.

        What it has there serves WebSockets, even if nothing in it says where.
        """
        if not issubclass(type(mapping), dict):
            return self.leave_out(f"a protocol router with a {_kind(mapping)}")
        app = dict.get(mapping, "websocket")
        return self._served(app, place) if callable(app) else []

    def _routes(self, routes: Iterable[object], place: FoundRoute) -> list[FoundRoute]:
        found: list[FoundRoute] = []
        for route in routes:
            try:
                found += self._route(route, place)
            except Exception as error:  # noqa: BLE001
                # A pattern is the host's, and so is the text of a lazy one.
                self.leave_out(f"a route that raises {_kind(error)}")
        return found

    def _route(self, route: object, place: FoundRoute) -> list[FoundRoute]:
        own = attributes(route)
        if own.get("callback") is None or "pattern" not in own:
            return self.leave_out(f"a route that is a {_kind(route)}")
        below = place.below(own["pattern"], own.get("name"))
        return self._served(own["callback"], below)

    def _served(self, app: object, place: FoundRoute) -> list[FoundRoute]:
        """Return the routes in an application, or itself as one if it has none."""
        if id(app) in self._within:
            return self.leave_out("a router inside of itself")
        if self._visits >= MAX_VISITS:
            return self.leave_out(f"everything after {MAX_VISITS} objects")
        if issubclass(type(app), type):
            # Starlette's endpoints are served as classes; Channels' never are.
            return self._consumer(app, place)
        found = self.visit(app, place)
        return self._endpoint(place) if found is None else found

    def _wrapper(self, app: object, place: FoundRoute) -> list[FoundRoute] | None:
        only_http = issubclass(type(app), BaseHandler)
        for group in held_applications(app):
            results = [self.visit(held, place) for held in group]
            found = [result for result in results if result is not None]
            if found:
                return _without_repetitions(itertools.chain.from_iterable(found))
            if only_http:
                return []
        return None


def _is_url_router(app: object, own: dict[str, Any]) -> bool:
    """Return whether an application is Channels' ``URLRouter``, or one like it.

    Starlette's routers have ``routes`` too, of another kind: their prefixes would be
    lost.
    """
    routes = own.get("routes")
    if not issubclass(type(routes), list | tuple):
        return False
    if static_attribute(app, "_path_routing") is True:
        return True
    return any("pattern" in attributes(route) for route in routes or ())


def _without_repetitions(routes: Iterable[FoundRoute]) -> list[FoundRoute]:
    """Return each route once: a wrapper may hold one application in several ways."""
    unique = {
        (route.text, id(route.consumer_class), *map(id, route.patterns)): route
        for route in routes
    }
    return list(unique.values())


def _kind(value: object) -> str:
    return type(value).__qualname__
