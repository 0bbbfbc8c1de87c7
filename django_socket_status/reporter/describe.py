"""Describes a connection: its type, endpoint, user and labels.

The reporter does this off the socket's path, from the connection's scope. Nothing here
may raise, run a query, or evaluate a lazy object of the host.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import Model
from django.utils.functional import LazyObject

from django_socket_status.endpoints.resolver import (
    EndpointResolver,
    captured_in,
    type_of_class,
)
from django_socket_status.endpoints.type_names import NAMELESS
from django_socket_status.limits import (
    MAX_TYPE,
    bounded_labels,
    bounded_text,
    bounded_user_id,
)
from django_socket_status.records import OpenedConnection
from django_socket_status.registry.counts import CountKey, Counts
from django_socket_status.registry.lifecycle import LiveConnection, Overrides
from django_socket_status.users import key_of, user_id_of

__all__ = ["ConnectionDescriber", "describe"]

logger = logging.getLogger("django_socket_status")

T = TypeVar("T")

#: What routes captured: names and values.
Captured = tuple[tuple[str, Any], ...]

_NOTHING: Mapping[str, Any] = {}
_new_record = functools.partial(tuple.__new__, OpenedConnection)


def describe(connection: LiveConnection) -> OpenedConnection:
    """Return the record of a connection. A few microseconds, no I/O."""
    return ConnectionDescriber()(connection)


class ConnectionDescriber:
    """Returns the records of connections, and caches what they have in common.

    Use one for each drain: the cache never expires, and grows with the connections.
    """

    def __init__(self) -> None:
        self._places = EndpointResolver()
        self._users: dict[int, str] = {}
        #: By what the routes captured, if those are texts and integers.
        self._known_labels: dict[Captured, Mapping[str, str]] = {}
        #: The attribute of the primary key, by the class of the user.
        self._key_names: dict[type, str] = {}

    def __call__(self, connection: LiveConnection) -> OpenedConnection:
        """Return the record of a connection."""
        scope = connection.scope or _NOTHING
        try:
            kind, endpoint, captured, names = self._places.of(connection.source, scope)
            overrides = connection.overrides
            if overrides is not None and overrides.type:
                kind = bounded_text(overrides.type, MAX_TYPE)
            # As ``OpenedConnection(...)``, at half of the cost.
            return _new_record(
                (
                    connection.number,
                    kind,
                    endpoint,
                    self._user_id(scope.get("user")),
                    self._labels(overrides, scope, captured, names),
                    connection.opened_at,
                )
            )
        except Exception:
            # A scope, user or route of the project may raise anything. The connection
            # counts in any case.
            logger.debug("A connection cannot be described in full.", exc_info=True)
            return self._describe_in_parts(connection, scope)

    def event_source(self, connection: LiveConnection) -> Any:
        """Return the sender of a connection's signals: its consumer class, if known."""
        source = connection.source
        scope = connection.scope or _NOTHING
        return _attempt(lambda: self._places.consumer_of(source, scope)) or source

    def count_keys(
        self, connections: Iterable[LiveConnection], counts: Counts
    ) -> list[CountKey]:
        """Return the count key of each: its type, and whether it has a user."""
        found: list[CountKey] = []
        key_names = self._key_names
        # The last source with only one type of connections, and the keys of that type.
        alike_source: object = None
        keys: Sequence[CountKey]
        alike: Sequence[CountKey] = ()
        for connection in connections:
            scope = connection.scope or _NOTHING
            try:
                source, overrides = connection.source, connection.overrides
                if overrides is not None and overrides.type:
                    keys = counts.keys_of(bounded_text(overrides.type, MAX_TYPE))
                elif source is alike_source:
                    keys = alike
                else:
                    keys = counts.keys_of(self._places.of(source, scope)[0])
                    if self._places.is_fixed(source):
                        alike_source, alike = source, keys
                user = scope.get("user")
                name = key_names.get(type(user))
                key = user.__dict__.get(name) if name else self._key(user)
                is_known = type(key) is int or (key is not None and str(key) != "")
            except Exception:
                logger.debug("A connection cannot be described in full.", exc_info=True)
                record = self._describe_in_parts(connection, scope)
                keys = counts.keys_of(record.type)
                is_known = record.user_id is not None
            found.append(keys[is_known])
        return found

    def _describe_in_parts(
        self, connection: LiveConnection, scope: Mapping[str, Any]
    ) -> OpenedConnection:
        """Return the record of a connection, without the parts that raise."""
        source, overrides = connection.source, connection.overrides
        place = _attempt(lambda: self._places.of(source, scope))
        kind, endpoint, captured, names = place or (
            type_of_class(source) if isinstance(source, type) else NAMELESS,
            "",
            _NOTHING,
            frozenset(),
        )
        chosen = overrides and overrides.type
        return OpenedConnection(
            connection.number,
            (chosen and _attempt(lambda: bounded_text(chosen, MAX_TYPE))) or kind,
            endpoint,
            _attempt(lambda: user_id_of(scope.get("user"))),
            _attempt(lambda: self._labels(overrides, scope, captured, names)) or {},
            connection.opened_at,
        )

    def _user_id(self, user: object) -> str | None:
        """Return what :func:`user_id_of` does; a user's connections share the text."""
        key = self._key(user)
        if type(key) is not int:
            return None if key is None else bounded_user_id(key)
        text = self._users.get(key)
        if text is None:
            text = self._users[key] = bounded_user_id(key)
        return text

    def _labels(
        self,
        overrides: Overrides | None,
        scope: Mapping[str, Any],
        place_captured: Mapping[str, Any],
        names: frozenset[str],
    ) -> Mapping[str, str]:
        """Return the labels that the consumer set, or what the routes captured.

        The scope's ``url_route`` also has extra arguments of the project's routes; they
        are no labels.
        """
        # A copy: the host may change what is in its scope.
        captured: Captured = tuple(place_captured.items()) if place_captured else ()
        route = scope.get("url_route") if names else None
        if route:
            found = route["kwargs"]
            if found.keys() != names:
                found = captured_in(scope, names)
            captured += tuple(found.items())
        if overrides is None:
            return self._labels_of(captured)
        labels = dict(captured) if overrides.labels is None else overrides.labels
        return bounded_labels({**labels, **(overrides.added or {})})

    def _labels_of(self, captured: Captured) -> Mapping[str, str]:
        """Return captured values as labels; equal ones share one dictionary."""
        for _, value in captured:
            # Values of other classes may be equal but have different texts.
            if type(value) is not int and type(value) is not str:
                return bounded_labels(dict(captured))
        labels = self._known_labels.get(captured)
        if labels is None:
            labels = self._known_labels[captured] = bounded_labels(dict(captured))
        return labels

    def _key(self, user: object) -> object:
        """Return what :func:`key_of` does, faster for a class that was seen before."""
        name = self._key_names.get(type(user))
        if name is not None:
            return user.__dict__.get(name)
        # ``LazyObject`` first: ``isinstance(user, Model)`` would evaluate it.
        if not isinstance(user, LazyObject) and isinstance(user, Model):
            self._key_names[type(user)] = user._meta.pk.attname
        return key_of(user, tell=True)


def _attempt(part: Callable[[], T]) -> T | None:
    try:
        return part()
    except Exception:  # noqa: BLE001 - it was logged
        return None
