"""Resolves a connection to its type and to the endpoint that serves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.functional import cached_property

from django_socket_status.endpoints.loaded import (
    Endpoint,
    find_endpoint,
    get_endpoints,
    type_for_consumer,
)
from django_socket_status.endpoints.type_names import NAMELESS
from django_socket_status.limits import MAX_PATH, MAX_TYPE, bounded_text

__all__ = [
    "EndpointResolver",
    "ResolvedEndpoint",
    "captured_by_route",
    "captured_in",
    "type_of_class",
]

#: The type; the endpoint's pattern; the values that the route captured; the names of
#: further captures, whose values are in the scope. The names are needed because the
#: scope also has the extra arguments of the routes, which are private.
ResolvedEndpoint = tuple[str, str, Mapping[str, Any], frozenset[str]]

_NO_NAMES: frozenset[str] = frozenset()


class EndpointResolver:
    """Resolves connections, and remembers the result for each class and path.

    Use a new one for each drain: the routes cannot change during a drain.
    """

    def __init__(self) -> None:
        #: Results that are the same on every path, by the ``id`` of the class or
        #: middleware, which may have no hash.
        self._fixed: dict[int, ResolvedEndpoint] = {}
        #: Other results, by that ``id`` and by path.
        self._paths: dict[int, dict[object, ResolvedEndpoint]] = {}

    def of(self, source: Any, scope: Mapping[str, Any]) -> ResolvedEndpoint:
        """Return the endpoint of a connection.

        Args:
            source: The consumer class, or the middleware that observes the connection.
            scope: The scope of the connection.
        """
        return self._fixed.get(id(source)) or self._by_path(source, scope)

    def consumer_of(self, source: Any, scope: Mapping[str, Any]) -> type | None:
        """Return the consumer class of a connection; ``None`` where it is not known."""
        if isinstance(source, type):
            return source
        below = source.socket_status_endpoints
        found = _match(below, scope, scope.get("path_remaining")) or _match(
            self._project, scope, None
        )
        return found[0].consumer_class if found else None

    def is_fixed(self, source: Any) -> bool:
        """Return whether a source is known to have one endpoint on every path."""
        return id(source) in self._fixed

    def _by_path(self, source: Any, scope: Mapping[str, Any]) -> ResolvedEndpoint:
        """Return the endpoint of a connection, looked up once for each path."""
        get = scope.get
        where: object = get("path")
        root_path, remaining = get("root_path"), get("path_remaining")
        if root_path or remaining is not None:
            where = where, root_path, remaining
        try:
            return self._paths[id(source)][where]
        except KeyError:
            resolved = self._find(source, scope)
            self._paths.setdefault(id(source), {})[where] = resolved
        except TypeError:
            # A path that is no text may have no hash.
            resolved = self._find(source, scope)
        return resolved

    def _find(self, source: Any, scope: Mapping[str, Any]) -> ResolvedEndpoint:
        """Return the endpoint of a connection.

        A middleware knows only the routes below it. The whole pattern of a nested route
        comes from ``ASGI_APPLICATION``.
        """
        if isinstance(source, type):
            return self._of_class(source, source, scope)
        below = source.socket_status_endpoints
        only = below[0] if len(below) == 1 and not below[0].routes else None
        if only is not None and only.consumer_class is not None:
            # A middleware around one consumer is below all routes, as the mixin is.
            return self._of_class(source, only.consumer_class, scope, only)
        inner = _match(below, scope, scope.get("path_remaining"))
        outer = _match(self._project, scope, None)
        if inner is None:
            if outer is None:
                return NAMELESS, "", {}, _NO_NAMES
            inner = outer
        elif outer is None or outer[0].consumer_class is not inner[0].consumer_class:
            outer = inner
        endpoint, captured = outer
        kind = bounded_text(endpoint.type, MAX_TYPE)
        return kind, endpoint.pattern, captured, _NO_NAMES

    def _of_class(
        self,
        source: Any,
        cls: type,
        scope: Mapping[str, Any],
        endpoint: Endpoint | None = None,
    ) -> ResolvedEndpoint:
        """Return the endpoint at which the project serves a consumer class.

        Args:
            source: The class, or the middleware around it.
            cls: The class.
            scope: The scope of a connection.
            endpoint: The result if the project does not serve the class.
        """
        found = [it for it in self._project if it.consumer_class is cls]
        if not found and (match := _match(self._project, scope, None)):
            # The route leads to an application whose consumers are not known.
            return type_of_class(cls), match[0].pattern, match[1], _NO_NAMES
        if len(found) == 1:
            endpoint = found[0]
        elif match := _match(found, scope, None):
            endpoint = match[0]
        resolved: ResolvedEndpoint
        if endpoint is None:
            resolved = type_of_class(cls), "", {}, _NO_NAMES
        else:
            kind = bounded_text(endpoint.type, MAX_TYPE)
            resolved = kind, endpoint.pattern, {}, endpoint.captures
        if len(found) == 1 or not self._project:
            self._fixed[id(source)] = resolved
        return resolved

    @cached_property
    def _project(self) -> Sequence[Endpoint]:
        """What ``ASGI_APPLICATION`` serves, if this process has loaded it."""
        return get_endpoints()


def captured_by_route(cls: type, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the route of a consumer's connection captured.

    Empty if the route is not known: then captures cannot be distinguished from
    extra arguments.
    """
    _, _, captured, names = EndpointResolver().of(cls, scope)
    return {**captured, **captured_in(scope, names)}


def captured_in(scope: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
    """Return the values of these names in the scope's ``url_route``."""
    route = scope.get("url_route") if names else None
    if not route:
        return {}
    found: Mapping[str, Any] = route["kwargs"]
    if found.keys() == names:
        return found
    return {key: value for key, value in found.items() if key in names}


def type_of_class(cls: type) -> str:
    """Return the type of a consumer class."""
    return bounded_text(type_for_consumer(cls), MAX_TYPE)


def _match(
    endpoints: Sequence[Endpoint], scope: Mapping[str, Any], remaining: str | None
) -> tuple[Endpoint, Mapping[str, Any]] | None:
    if len(endpoints) == 1 and not endpoints[0].routes:
        return endpoints[0], {}
    if remaining is not None:
        return find_endpoint(remaining[:MAX_PATH], endpoints)
    for path in _paths(scope):
        if found := find_endpoint(path[:MAX_PATH], endpoints):
            return found
    return None


def _paths(scope: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths that the project's routes may match, the likeliest first.

    A mount of Starlette adds its path to ``root_path``. ``app_root_path`` is the root
    path of the server, so without it the path still has the mount.
    """
    path, root_path = scope.get("path", ""), scope.get("root_path") or ""
    yield path.removeprefix(root_path)
    if root_path:
        yield path.removeprefix(scope.get("app_root_path") or "")
