"""A route, as the walk knows it from the outermost router inwards."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from django_socket_status.endpoints.introspection import static_attribute
from django_socket_status.endpoints.patterns import (
    Pattern,
    captured_names,
    join,
    readable,
)

__all__ = ["FoundRoute"]

#: Matches the names of middlewares that put the user into the scope.
AUTHENTICATION = re.compile(r"Auth(?!or)|JWT")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FoundRoute:
    """A route that serves WebSockets, or the part of one that was walked so far."""

    #: Without the leading slash: ``ws/call/<room>/``.
    text: str = ""
    patterns: tuple[Pattern, ...] = ()
    name: str | None = None
    consumer_class: type | None = None
    #: The names that the patterns capture, unless an extra argument replaces one.
    captures: frozenset[str] = frozenset()
    #: Whether it is a route of this package.
    internal: bool = False
    #: Whether its application serves WebSockets even if its kind is not known.
    served: bool = False
    #: Whether the mixin or an outer middleware counts its connections.
    counted: bool = False
    #: Whether the middleware that counts is outside the one that sets the user.
    hides_user: bool = False

    def below(self, pattern: Any, name: object, further: object) -> FoundRoute:
        """Return the part below a route that begins here.

        Args:
            pattern: The pattern of the route.
            name: The ``name=`` of the route.
            further: The extra arguments of the route.
        """
        captures = self.captures | captured_names(pattern)
        if issubclass(type(further), dict):
            captures -= frozenset(further)  # type: ignore[call-overload]
        return dataclasses.replace(
            self,
            captures=captures,
            text=join(self.text, readable(pattern)),
            patterns=(*self.patterns, pattern),
            name=name if isinstance(name, str) else None,
        )

    def inside(self, wrapper: object) -> FoundRoute:
        """Return the part inside a middleware, given as its object or its class."""
        if static_attribute(wrapper, "socket_status_counts") is True:
            return dataclasses.replace(self, counted=True, hides_user=False)
        if self.counted and _authenticates(wrapper):
            return dataclasses.replace(self, hides_user=True)
        return self


def _authenticates(wrapper: object) -> bool:
    """Return whether a middleware sets the user, by its name or a base class's.

    ``AuthMiddleware`` does; ``AuthorizationMiddleware`` does not.
    """
    cls: Any = wrapper if issubclass(type(wrapper), type) else type(wrapper)
    return any(AUTHENTICATION.search(base.__name__) for base in cls.__mro__)
