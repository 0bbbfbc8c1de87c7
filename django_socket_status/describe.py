"""Tells what a connection is: its type, endpoint, user and labels.

Done by the reporter, off the socket's path, from what the scope holds. Nothing here may
raise, run a query, or evaluate a lazy object of the host's.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import Model
from django.utils.functional import LazyObject

from django_socket_status.bounds import (
    MAX_TYPE,
    bounded_labels,
    bounded_text,
    bounded_user_id,
)
from django_socket_status.counting import Cell, Counts
from django_socket_status.lives import Choice, LiveConnection
from django_socket_status.naming import NAMELESS
from django_socket_status.places import Places, type_of_class
from django_socket_status.records import OpenedConnection
from django_socket_status.users import key_of, user_id_of

__all__ = ["Descriptions", "describe"]

logger = logging.getLogger("django_socket_status")

T = TypeVar("T")

#: What routes captured: names and values.
Captured = tuple[tuple[str, Any], ...]

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
        self._places = Places()
        self._users: dict[int, str] = {}
        #: By what the routes captured, if that is as plain as most of it is.
        self._known_labels: dict[Captured, Mapping[str, str]] = {}
        #: Where the users of a class have their primary key.
        self._key_names: dict[type, str] = {}

    def __call__(self, connection: LiveConnection) -> OpenedConnection:
        """Return what a report says of a connection."""
        scope = connection.scope or _NOTHING
        try:
            kind, endpoint, captured = self._places.of(connection.source, scope)
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
                    self._labels(choice, scope, captured),
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
                    cells = counts.cells(self._places.of(source, scope)[0])
                    if self._places.is_fixed(source):
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
        kind, endpoint, captured = _told(lambda: self._places.of(source, scope)) or (
            type_of_class(source) if isinstance(source, type) else NAMELESS,
            "",
            _NOTHING,
        )
        chosen = choice and choice.type
        return OpenedConnection(
            connection.number,
            (chosen and _told(lambda: bounded_text(chosen, MAX_TYPE))) or kind,
            endpoint,
            _told(lambda: user_id_of(scope.get("user"))),
            _told(lambda: self._labels(choice, scope, captured)) or {},
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

    def _labels(
        self,
        choice: Choice | None,
        scope: Mapping[str, Any],
        place_captured: Mapping[str, Any],
    ) -> Mapping[str, str]:
        """Return labels: as chosen, or what the routes above and below captured."""
        # A copy in any case: what the scope holds is the host's, and may change.
        captured: Captured = tuple(place_captured.items()) if place_captured else ()
        route = scope.get("url_route")
        if route:
            captured += tuple(route["kwargs"].items())
        if choice is None:
            return self._labels_of(captured)
        labels = dict(captured) if choice.labels is None else choice.labels
        return bounded_labels({**labels, **(choice.added or {})})

    def _labels_of(self, captured: Captured) -> Mapping[str, str]:
        """Return what was captured, as text: one object for all that share it."""
        for _, value in captured:
            # Of others, two may be equal and not the same text.
            if type(value) is not int and type(value) is not str:
                return bounded_labels(dict(captured))
        labels = self._known_labels.get(captured)
        if labels is None:
            labels = self._known_labels[captured] = bounded_labels(dict(captured))
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


def _told(part: Callable[[], T]) -> T | None:
    try:
        return part()
    except Exception:  # noqa: BLE001 - it was logged
        return None
