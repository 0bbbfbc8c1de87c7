"""Validates the arguments of the Python API before the backend is read.

A value of the wrong type raises a ``TypeError`` that names the argument, a value out of
range a ``ValueError``: a mistake must not look like "no such connection".
"""

from __future__ import annotations

import datetime
import decimal
import inspect
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from django.utils.functional import LazyObject

from django_socket_status.limits import (
    MAX_LABELS,
    MAX_TYPE,
    bounded_labels,
    bounded_text,
    bounded_user_id,
)
from django_socket_status.pages import Cursor
from django_socket_status.records import ConnectionQuery
from django_socket_status.users import canonical_key, key_of, user_id_of

__all__ = [
    "MAX_CODE",
    "MAX_LIMIT",
    "MAX_OFFSET",
    "LabelValue",
    "UserLike",
    "UserOrKey",
    "choice_of",
    "code_of",
    "query_of",
    "type_of",
    "user_id_in",
]

MAX_LIMIT = 1000
#: Beyond any page that a person opens, and within SQLite's integers.
MAX_OFFSET = 10**9
#: A close code has two bytes (RFC 6455, section 5.5.1).
MAX_CODE = 2**16 - 1

_SHOWN = 60


class UserLike(Protocol):
    """A user object, as in ``scope["user"]``, of any class."""

    @property
    def pk(self) -> Any:
        """Return the primary key; ``None`` for an anonymous user."""

    @property
    def is_authenticated(self) -> bool:
        """Return whether the user is signed in."""


#: A user object, or the primary key of a user.
UserOrKey = UserLike | int | str | uuid.UUID

#: The value of a label to look for.
LabelValue = str | int | float | decimal.Decimal | uuid.UUID | datetime.date

_LABEL_TYPES = (str, int, float, decimal.Decimal, uuid.UUID, datetime.date)


def query_of(
    *,
    type: str | None = None,
    user: UserOrKey | None = None,
    labels: Mapping[str, LabelValue] | None = None,
    anonymous: bool = False,
    limit: int = 1,
    offset: int = 0,
    after: str | None = None,
) -> ConnectionQuery:
    """Return the query for the arguments of a public function.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of range, or would not select the connections
            that it seems to.
    """
    if not isinstance(anonymous, bool):
        raise TypeError(f"anonymous must be True or False, not {_kind(anonymous)}.")
    if anonymous and user is not None:
        raise ValueError("user and anonymous=True exclude each other.")
    user_id = None if user is None else user_id_in(user)
    if user is not None and user_id is None:
        raise ValueError(
            "user must have a primary key: anonymous users have none. For their "
            "connections, pass anonymous=True."
        )
    if after is not None and offset:
        raise ValueError("after and offset exclude each other.")
    return ConnectionQuery(
        type=type_of(type),
        user_id=user_id,
        labels=_labels_of(labels),
        anonymous=anonymous,
        limit=_number("limit", limit, 1, MAX_LIMIT),
        offset=_number("offset", offset, 0, MAX_OFFSET),
        after=None if after is None else _cursor_of(after),
    )


def type_of(type: str | None) -> str | None:
    """Return a type, cut to the length that is stored.

    Raises:
        TypeError: it is not a string.
    """
    if type is None:
        return None
    if not isinstance(type, str):
        raise TypeError(f"type must be a str or None, not {_kind(type)}.")
    return bounded_text(type, MAX_TYPE)


def choice_of(name: str, value: object, choices: Sequence[str]) -> None:
    """Verify that an argument is one of several words.

    Raises:
        TypeError: it is not a string.
        ValueError: it is another string.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {_kind(value)}.")
    if value not in choices:
        shown = bounded_text(repr(str(value)), _SHOWN)
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {shown}.")


def code_of(code: object) -> int | None:
    """Return a close code or an HTTP status.

    Raises:
        TypeError: it is no whole number.
        ValueError: there is no such code.
    """
    return None if code is None else _number("code", code, 0, MAX_CODE)


def user_id_in(user: object) -> str | None:
    """Return the primary key of a user, as text; ``None`` for an anonymous user.

    A lazy user, such as ``request.user``, is evaluated. That may run a query, and then
    raises ``SynchronousOnlyOperation`` on an event loop. A string must be a possible
    primary key of ``AUTH_USER_MODEL``.

    Raises:
        TypeError: the argument is neither a user nor a primary key.
    """
    if isinstance(user, LazyObject):
        # Reading an attribute evaluates the lazy object.
        getattr(user, "pk", None)
        user = user.__dict__["_wrapped"]
    rule = "user must be a user or a primary key"
    if isinstance(user, str):
        key = canonical_key(user)
        if key is None:
            raise TypeError(
                f"{rule}: {bounded_text(repr(str(user)), _SHOWN)} cannot be a primary "
                "key of AUTH_USER_MODEL. Give a user of another kind as an object with "
                "a pk."
            )
        return bounded_user_id(key)
    if inspect.isclass(user) or not (key_of(user) is not None or hasattr(user, "pk")):
        raise TypeError(f"{rule}, not {_kind(user)}.")
    return user_id_of(user)


def _labels_of(labels: Mapping[str, LabelValue] | None) -> dict[str, str]:
    """Return labels in the form that is stored."""
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise TypeError(
            f"labels must be a mapping of names to values, not {_kind(labels)}."
        )
    if len(labels) > MAX_LABELS:
        raise ValueError(f"labels: a connection has at most {MAX_LABELS} of them.")
    for name, value in labels.items():
        if not isinstance(name, str):
            raise TypeError(f"labels: a name must be a str, not {_kind(name)}.")
        shown = f"labels[{bounded_text(repr(str(name)), _SHOWN)}]"
        if value is None:
            raise ValueError(f"{shown} must have a value.")
        if not isinstance(value, _LABEL_TYPES):
            raise TypeError(
                f"{shown} must be a str, a number, a UUID or a date, not "
                f"{_kind(value)}."
            )
    return bounded_labels(labels)


def _cursor_of(after: object) -> Cursor:
    if not isinstance(after, str):
        raise TypeError(f"after must be a str or None, not {_kind(after)}.")
    try:
        return Cursor.read(after)
    except ValueError as error:
        raise ValueError("after must be the next_after of another page.") from error


def _number(name: str, value: object, lowest: int, highest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {_kind(value)}.")
    if not lowest <= value <= highest:
        raise ValueError(f"{name} must be from {lowest} to {highest}, not {value}.")
    return value


def _kind(value: object) -> str:
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    return "None" if value is None else f"a {type(value).__name__}"
