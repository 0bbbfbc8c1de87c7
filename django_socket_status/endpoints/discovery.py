"""Walks an ASGI application for the routes that serve WebSockets.

The walk recognizes objects by their attributes and not by their classes: a protocol
router by ``application_mapping``, a URL router by ``routes`` with patterns and
callbacks, a consumer by the ``consumer_class`` that ``as_asgi()`` sets on its function.
So it needs no import of Channels. Any other object is a wrapper, and the walk goes on
with the applications inside it (:mod:`.introspection`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.core.handlers.base import BaseHandler

from django_socket_status.endpoints.found import FoundRoute
from django_socket_status.endpoints.introspection import (
    MISSING,
    attributes,
    is_tracked,
    static_attribute,
    unwrapped,
    wrapped_applications,
)
from django_socket_status.endpoints.mounts import (
    Destination,
    destination_of,
    is_starlette,
    middlewares_of,
)
from django_socket_status.limits import MAX_ENDPOINTS

__all__ = ["Found", "find_routes"]

#: The most objects in one walk, and the deepest nesting.
MAX_VISITS = 10_000
MAX_DEPTH = 50

#: The most reasons in the log line about parts that were left out.
MAX_REASONS = 10


class Found(NamedTuple):
    """The result of a walk."""

    #: The routes that serve WebSockets, in the order of the application.
    routes: tuple[FoundRoute, ...]
    #: The paths of mounted applications, such as ``/app``.
    mounts: tuple[str, ...]
    #: What was left out and why, for a log; empty if nothing was.
    left_out: str
    #: Whether there was a router, a consumer or Django's own handler.
    is_known: bool


def find_routes(application: object) -> Found:
    """Return the routes of an application that serve WebSockets."""
    walk = _Walk()
    found = walk.visit(application, FoundRoute())
    if found is None:
        walk.leave_out(f"no router and no consumer in {_kind(application)}")
    reasons = list(walk.reasons)[:MAX_REASONS]
    more = "; ..." if len(walk.reasons) > MAX_REASONS else ""
    return Found(
        routes=tuple(found or ()),
        mounts=tuple(walk.mounts),
        left_out="; ".join(reasons) + more,
        is_known=found is not None,
    )


class _Walk:
    """One walk: limited in depth, objects and routes, and safe in cycles.

    A route that cannot be read is left out, and the walk goes on with the next.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, None] = {}
        self.mounts: dict[str, None] = {}
        self._visits = 0
        self._endpoints = 0
        #: The ids of the objects that the walk is inside.
        self._within: set[int] = set()
        #: By the id of a route. The route is kept, so that its id stays its own.
        self._destinations: dict[int, tuple[object, Destination | None]] = {}
        #: Objects without a route, by id; kept for the same reason.
        self._opaque: dict[int, object] = {}

    def leave_out(self, reason: str) -> list[FoundRoute]:
        if len(self.reasons) <= MAX_REASONS:
            self.reasons[reason] = None
        return []

    def visit(self, app: object, place: FoundRoute) -> list[FoundRoute] | None:
        """Return the routes in an application; ``None`` if its kind is not known."""
        app = unwrapped(app)
        key = id(app)
        if key in self._within or key in self._opaque:
            return None
        if self._visits >= MAX_VISITS or len(self._within) >= MAX_DEPTH:
            self.leave_out("objects beyond the limits of depth or number")
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
        if is_starlette(own):
            return self._starlette(own, place)
        return self._wrapper(app, place)

    def _consumer(self, cls: Any, place: FoundRoute) -> list[FoundRoute]:
        if static_attribute(cls, "socket_status_internal") is True:
            return self._endpoint(dataclasses.replace(place, internal=True))
        if is_tracked(cls):
            place = dataclasses.replace(place, counted=True, hides_user=False)
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
        """Return the WebSocket routes of a protocol router.

        Its application for "websocket" is an endpoint even if it has no routes.
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
                # A pattern is the project's code, and so is the text of a lazy one.
                self.leave_out(f"a route that raises {_kind(error)}")
        return found

    def _route(self, route: object, place: FoundRoute) -> list[FoundRoute]:
        own = attributes(unwrapped(route))
        if own.get("callback") is None or "pattern" not in own:
            return self.leave_out(f"a route that is a {_kind(route)}")
        below = place.below(own["pattern"], own.get("name"), own.get("default_args"))
        return self._served(own["callback"], below)

    def _starlette(
        self, own: dict[str, Any], place: FoundRoute
    ) -> list[FoundRoute] | None:
        """Return the routes of an application or a router of Starlette or FastAPI."""
        for middleware in reversed(middlewares_of(own)):
            place = place.inside(middleware)
        if "routes" not in own:
            return self.visit(own["router"], place)
        found: list[FoundRoute] = []
        for route in own["routes"]:
            leads_to = self._destination(route)
            if leads_to is None:
                continue
            below = place
            if leads_to.pattern is not None:
                below = place.below(leads_to.pattern, leads_to.name, None)
            if leads_to.serves:
                found += self._served(leads_to.application, below)
                continue
            if leads_to.is_mount:
                self._note_mount(below.text.rstrip("/"))
            # A mounted application may serve only HTTP, such as static files.
            below = dataclasses.replace(below, served=True)
            found += self.visit(leads_to.application, below) or []
        return found

    def _destination(self, route: object) -> Destination | None:
        """Return the destination of a route: the same object at each visit."""
        if id(route) not in self._destinations:
            self._destinations[id(route)] = route, destination_of(route)
        return self._destinations[id(route)][1]

    def _note_mount(self, text: str) -> None:
        # A mount with captures cannot be compared with a root path.
        if text and "<" not in text and len(self.mounts) < MAX_ENDPOINTS:
            self.mounts[f"/{text}"] = None

    def _served(self, app: object, place: FoundRoute) -> list[FoundRoute]:
        """Return the routes in an application, or one for itself if it has none."""
        app = unwrapped(app)
        if id(app) in self._within:
            return self.leave_out("a router inside itself")
        if self._visits >= MAX_VISITS:
            return self.leave_out(f"everything after {MAX_VISITS} objects")
        if issubclass(type(app), type):
            # Starlette serves a class as an endpoint; Channels never does.
            return self._consumer(app, place)
        found = self.visit(app, dataclasses.replace(place, served=True))
        return self._endpoint(place) if found is None else found

    def _wrapper(self, app: object, place: FoundRoute) -> list[FoundRoute] | None:
        only_http = issubclass(type(app), BaseHandler)
        outside, place = place, place.inside(app)
        for group in wrapped_applications(app):
            results = [self.visit(held, place) for held in group]
            found = [result for result in results if result is not None]
            if found:
                return _without_repetitions(itertools.chain.from_iterable(found))
            if only_http:
                return []
        if place.served and place.counted and not outside.counted:
            # The application has no routes, but the wrapper counts its connections.
            return self._endpoint(place)
        return None


def _is_url_router(app: object, own: dict[str, Any]) -> bool:
    """Return whether an application is Channels' ``URLRouter``, or one like it.

    Starlette's routers have ``routes`` of another kind.
    """
    routes = own.get("routes")
    if not issubclass(type(routes), list | tuple):
        return False
    if static_attribute(app, "_path_routing") is True:
        return True
    return any("pattern" in attributes(route) for route in routes or ())


def _without_repetitions(routes: Iterable[FoundRoute]) -> list[FoundRoute]:
    """Return each route once, counted if any way to it is counted.

    A wrapper may hold one application directly and behind a middleware.
    """
    unique: dict[tuple[object, ...], FoundRoute] = {}
    for route in routes:
        key = (route.text, id(route.consumer_class), *map(id, route.patterns))
        if key not in unique or (route.counted and not unique[key].counted):
            unique[key] = route
    return list(unique.values())


def _kind(value: object) -> str:
    return type(value).__qualname__
