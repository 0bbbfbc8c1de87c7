"""Tells where in the project a connection is: its type, and the URL that serves it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from django_socket_status.bounds import MAX_PATH, MAX_TYPE, bounded_text
from django_socket_status.endpoints import (
    Endpoint,
    find_endpoint,
    get_endpoints,
    type_for_consumer,
)
from django_socket_status.naming import NAMELESS

__all__ = ["Place", "Places", "type_of_class"]

#: Of a connection: its type by class or route, the endpoint's pattern, and what the
#: route captured.
Place = tuple[str, str, Mapping[str, Any]]


class Places:
    """Finds places, each once.

    For one drain: nothing that it remembers can change meanwhile.
    """

    def __init__(self) -> None:
        #: The places that are the same on every path, by the identity of a class or a
        #: middleware: it may have none but that, if it has no hash.
        self._fixed: dict[int, Place] = {}
        #: By the identity of a class or a middleware, and by path.
        self._paths: dict[int, dict[object, Place]] = {}

    def of(self, source: Any, scope: Mapping[str, Any]) -> Place:
        """Return the place of a connection of a class, or behind a middleware."""
        return self._fixed.get(id(source)) or self._by_path(source, scope)

    def is_fixed(self, source: Any) -> bool:
        """Return whether all connections of a source that was seen are in one place."""
        return id(source) in self._fixed

    def _by_path(self, source: Any, scope: Mapping[str, Any]) -> Place:
        """Return the place of a connection whose class alone does not tell it."""
        get = scope.get
        where: object = get("path")
        root_path, remaining = get("root_path"), get("path_remaining")
        if root_path or remaining is not None:
            where = where, root_path, remaining
        try:
            return self._paths[id(source)][where]
        except KeyError:
            place = self._find(source, scope)
            self._paths.setdefault(id(source), {})[where] = place
        except TypeError:
            # No text, and no key either.
            place = self._find(source, scope)
        return place

    def _find(self, source: Any, scope: Mapping[str, Any]) -> Place:
        """Return the place of a connection of a class or behind a middleware.

        A middleware knows the routes below it; the whole pattern of a nested route is
        known to ``ASGI_APPLICATION`` alone.
        """
        if isinstance(source, type):
            return self._of_class(source, source, scope)
        below = source.socket_status_endpoints
        only = below[0] if len(below) == 1 and not below[0].routes else None
        if only is not None and only.consumer_class is not None:
            # Around one consumer: all of its routes are above, as with the mixin.
            return self._of_class(source, only.consumer_class, scope, only)
        inner = _match(below, scope, scope.get("path_remaining"))
        outer = _match(self._project, scope, None)
        if inner is None:
            if outer is None:
                return NAMELESS, "", {}
            inner = outer
        elif outer is None or outer[0].consumer_class is not inner[0].consumer_class:
            outer = inner
        endpoint, captured = outer
        return bounded_text(endpoint.type, MAX_TYPE), endpoint.pattern, captured

    def _of_class(
        self,
        source: Any,
        cls: type,
        scope: Mapping[str, Any],
        endpoint: Endpoint | None = None,
    ) -> Place:
        """Return the place at which the project serves a consumer class.

        Args:
            source: The class, or the middleware around it.
            cls: The class.
            scope: The scope of a connection.
            endpoint: What to tell if the project does not serve it.
        """
        found = [it for it in self._project if it.consumer_class is cls]
        if len(found) == 1:
            endpoint = found[0]
        elif match := _match(found, scope, None):
            endpoint = match[0]
        place: Place
        if endpoint is None:
            place = type_of_class(cls), "", {}
        else:
            place = bounded_text(endpoint.type, MAX_TYPE), endpoint.pattern, {}
        if len(found) <= 1:
            self._fixed[id(source)] = place
        return place

    @functools.cached_property
    def _project(self) -> Sequence[Endpoint]:
        """What ``ASGI_APPLICATION`` serves, unless that would import it now.

        In a process that serves sockets it is there already; a test that drives a
        consumer must not find the whole project imported behind its back.
        """
        module = getattr(settings, "ASGI_APPLICATION", None) or ""
        return get_endpoints() if module.rpartition(".")[0] in sys.modules else ()


def type_of_class(cls: type) -> str:
    """Return the type of a consumer class."""
    return bounded_text(type_for_consumer(cls), MAX_TYPE)


def _match(
    endpoints: Sequence[Endpoint], scope: Mapping[str, Any], remaining: str | None
) -> tuple[Endpoint, Mapping[str, Any]] | None:
    if len(endpoints) == 1 and not endpoints[0].routes:
        return endpoints[0], {}
    if remaining is None:
        root_path = scope.get("root_path") or ""
        remaining = scope.get("path", "").removeprefix(root_path)
    return find_endpoint(remaining[:MAX_PATH], endpoints)
