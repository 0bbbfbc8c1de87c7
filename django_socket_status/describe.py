"""Tells what a connection is: its type, endpoint, user and labels.

Done by the reporter, off the socket's path, from what the scope holds. Nothing here may
raise, run a query, or evaluate a lazy object of the host's.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model
from django.utils.functional import LazyObject

from django_socket_status.bounds import (
    MAX_PATH,
    bounded_labels,
    bounded_text,
    bounded_user_id,
)
from django_socket_status.counting import Cell, Counts
from django_socket_status.endpoints import (
    Endpoint,
    find_endpoint,
    get_endpoints,
    type_for_consumer,
)
from django_socket_status.lives import Choice, LiveConnection
from django_socket_status.naming import NAMELESS
from django_socket_status.records import OpenedConnection
from django_socket_status.users import key_of, user_id_of

__all__ = ["Descriptions", "describe"]

logger = logging.getLogger("django_socket_status")

T = TypeVar("T")

MAX_TYPE = 64

#: Of a connection: its type by class or route, the endpoint's pattern, and what the
#: route captured.
Place = tuple[str, str, Mapping[str, Any]]

_NOTHING: Mapping[str, Any] = {}
_new_record = functools.partial(tuple.__new__, OpenedConnection)


def describe(connection: LiveConnection) -> OpenedConnection:
    """Return what a report says of a connection. A few microseconds, no I/O."""
    return Descriptions()(connection)


class Descriptions:
    """Describes connections, and works out once what several have in common.

    For one drain: nothing that it remembers can change meanwhile, and no more than
    the connections of a drain is remembered.
    """

    def __init__(self) -> None:
        self._endpoints: Sequence[Endpoint] | None = None
        #: The places that are the same on every path, by the identity of a class or a
        #: middleware: it may have none but that, if it has no hash.
        self._fixed: dict[int, Place] = {}
        #: By the identity of a class or a middleware, and by path.
        self._paths: dict[int, dict[object, Place]] = {}
        self._users: dict[int, str] = {}
        #: By what a route captured, if that is as plain as most of it is.
        self._labels_by_captured: dict[
            tuple[tuple[str, Any], ...], Mapping[str, str]
        ] = {}
        #: Where the users of a class have their primary key.
        self._key_names: dict[type, str] = {}

    def __call__(self, connection: LiveConnection) -> OpenedConnection:
        """Return what a report says of a connection."""
        scope = connection.scope or _NOTHING
        try:
            kind, endpoint, captured = self._place(connection.source, scope)
            choice = connection.choice
            if choice is not None and choice.type:
                kind = bounded_text(choice.type, MAX_TYPE)
            # What the class itself does, at half of the cost.
            return _new_record(
                (
                    connection.number,
                    kind,
                    endpoint,
                    self._user_id(scope.get("user")),
                    self._labels_of_route(scope)
                    if choice is None and not captured
                    else _labels(choice, scope, captured),
                    connection.opened_at,
                )
            )
        except Exception:
            # Whatever a scope, a user object or a route may be: it still counts.
            logger.debug("A connection cannot be described in full.", exc_info=True)
            return self._describe_in_parts(connection, scope)

    def tally(
        self, connections: Iterable[LiveConnection], counts: Counts
    ) -> list[Cell]:
        """Tell the cell of each connection: its type, and whether it is somebody's."""
        told: list[Cell] = []
        key_names = self._key_names
        # The last source whose connections are all of one type, and their cells.
        alike_source: object = None
        cells: Sequence[Cell]
        alike: Sequence[Cell] = ()
        for connection in connections:
            scope = connection.scope or _NOTHING
            try:
                source, choice = connection.source, connection.choice
                if choice is not None and choice.type:
                    cells = counts.cells(bounded_text(choice.type, MAX_TYPE))
                elif source is alike_source:
                    cells = alike
                else:
                    cells = counts.cells(self._place(source, scope)[0])
                    if id(source) in self._fixed:
                        alike_source, alike = source, cells
                user = scope.get("user")
                name = key_names.get(type(user))
                key = user.__dict__.get(name) if name else self._key(user)
                is_known = type(key) is int or (key is not None and str(key) != "")
            except Exception:
                logger.debug("A connection cannot be told in full.", exc_info=True)
                record = self._describe_in_parts(connection, scope)
                cells = counts.cells(record.type)
                is_known = record.user_id is not None
            told.append(cells[is_known])
        return told

    def _describe_in_parts(
        self, connection: LiveConnection, scope: Mapping[str, Any]
    ) -> OpenedConnection:
        """Return what can be told of a connection: what raises is left out."""
        source, choice = connection.source, connection.choice
        kind, endpoint, captured = _told(lambda: self._place(source, scope)) or (
            _type_of_class(source) if isinstance(source, type) else NAMELESS,
            "",
            _NOTHING,
        )
        chosen = choice and choice.type
        return OpenedConnection(
            connection.number,
            (chosen and _told(lambda: bounded_text(chosen, MAX_TYPE))) or kind,
            endpoint,
            _told(lambda: user_id_of(scope.get("user"))),
            _told(lambda: _labels(choice, scope, captured)) or {},
            connection.opened_at,
        )

    def _user_id(self, user: object) -> str | None:
        """Return what :func:`user_id_of` does, one object for all of a user."""
        key = self._key(user)
        if type(key) is not int:
            return None if key is None else bounded_user_id(key)
        text = self._users.get(key)
        if text is None:
            text = self._users[key] = bounded_user_id(key)
        return text

    def _labels_of_route(self, scope: Mapping[str, Any]) -> Mapping[str, str]:
        """Return what the routers captured, one object for all that share it."""
        route = scope.get("url_route")
        if not route:
            return {}
        captured = tuple(route["kwargs"].items())
        for _, value in captured:
            # Of others, two may be equal and not the same text.
            if type(value) is not int and type(value) is not str:
                return bounded_labels(dict(captured))
        labels = self._labels_by_captured.get(captured)
        if labels is None:
            labels = self._labels_by_captured[captured] = bounded_labels(dict(captured))
        return labels

    def _key(self, user: object) -> object:
        """Return what :func:`key_of` does, sooner for the classes of a project."""
        name = self._key_names.get(type(user))
        if name is not None:
            return user.__dict__.get(name)
        # In this order: to ask a lazy object for anything else would evaluate it.
        if not isinstance(user, LazyObject) and isinstance(user, Model):
            self._key_names[type(user)] = user._meta.pk.attname
        return key_of(user)

    def _place(self, source: Any, scope: Mapping[str, Any]) -> Place:
        return self._fixed.get(id(source)) or self._place_by_path(source, scope)

    def _place_by_path(self, source: Any, scope: Mapping[str, Any]) -> Place:
        """Return the place of a connection whose class alone does not tell it."""
        get = scope.get
        where: object = get("path")
        root_path, remaining = get("root_path"), get("path_remaining")
        if root_path or remaining is not None:
            where = where, root_path, remaining
        try:
            return self._paths[id(source)][where]
        except KeyError:
            place = self._find_place(source, scope)
            self._paths.setdefault(id(source), {})[where] = place
        except TypeError:
            # No text, and no key either.
            place = self._find_place(source, scope)
        return place

    def _find_place(self, source: Any, scope: Mapping[str, Any]) -> Place:
        """Return the place of a connection of a class or behind a middleware.

        A middleware knows the routes below it; the whole pattern of a nested route is
        known to ``ASGI_APPLICATION`` alone.
        """
        if isinstance(source, type):
            return self._place_of_class(source, source, scope)
        below = source.socket_status_endpoints
        only = below[0] if len(below) == 1 and not below[0].routes else None
        if only is not None and only.consumer_class is not None:
            # Around one consumer: all of its routes are above, as with the mixin.
            return self._place_of_class(source, only.consumer_class, scope, only)
        inner = _match(below, scope, scope.get("path_remaining"))
        outer = _match(self._endpoints_of_project(), scope, None)
        if inner is None:
            if outer is None:
                return NAMELESS, "", _NOTHING
            inner = outer
        elif outer is None or outer[0].consumer_class is not inner[0].consumer_class:
            outer = inner
        endpoint, captured = outer
        return bounded_text(endpoint.type, MAX_TYPE), endpoint.pattern, captured

    def _place_of_class(
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
        found = [it for it in self._endpoints_of_project() if it.consumer_class is cls]
        if len(found) == 1:
            endpoint = found[0]
        elif match := _match(found, scope, None):
            endpoint = match[0]
        if endpoint is None:
            place = _type_of_class(cls), "", _NOTHING
        else:
            place = bounded_text(endpoint.type, MAX_TYPE), endpoint.pattern, _NOTHING
        if len(found) <= 1:
            self._fixed[id(source)] = place
        return place

    def _endpoints_of_project(self) -> Sequence[Endpoint]:
        if self._endpoints is None:
            self._endpoints = _endpoints_of_project()
        return self._endpoints


def _told(part: Callable[[], T]) -> T | None:
    try:
        return part()
    except Exception:  # noqa: BLE001 - it was logged
        return None


def _type_of_class(cls: type) -> str:
    return bounded_text(type_for_consumer(cls), MAX_TYPE)


def _labels(
    choice: Choice | None, scope: Mapping[str, Any], captured: Mapping[str, Any]
) -> Mapping[str, str]:
    # What the routers above have captured, and what those below a middleware will.
    route = scope.get("url_route")
    labels: Mapping[str, Any] = captured
    if route:
        # A copy in any case: the dictionary is the host's, and may change meanwhile.
        labels = {**captured, **route["kwargs"]}
    if choice is not None:
        if choice.labels is not None:
            labels = choice.labels
        labels = {**labels, **(choice.added or {})}
    return bounded_labels(labels) if labels else {}


def _match(
    endpoints: Sequence[Endpoint], scope: Mapping[str, Any], remaining: str | None
) -> tuple[Endpoint, Mapping[str, Any]] | None:
    if len(endpoints) == 1 and not endpoints[0].routes:
        return endpoints[0], {}
    if remaining is None:
        root_path = scope.get("root_path") or ""
        remaining = scope.get("path", "").removeprefix(root_path)
    return find_endpoint(remaining[:MAX_PATH], endpoints)


def _endpoints_of_project() -> Sequence[Endpoint]:
    """Return what ``ASGI_APPLICATION`` serves, unless that would import it now.

    In a process that serves sockets it is there already; a test that drives a consumer
    must not find the whole project imported behind its back.
    """
    module = getattr(settings, "ASGI_APPLICATION", None) or ""
    return get_endpoints() if module.rpartition(".")[0] in sys.modules else ()
