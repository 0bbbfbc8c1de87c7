"""Finds the user of a connection: the primary key of ``scope["user"]``.

Nothing here runs a query or evaluates a lazy object of the host.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import AppRegistryNotReady, ImproperlyConfigured
from django.db.models import Model
from django.utils.functional import LazyObject, empty

from django_socket_status.limits import bounded_user_id

__all__ = ["canonical_key", "key_of", "primary_key", "user_id_of"]

logger = logging.getLogger("django_socket_status")

_PLAIN_KEYS = (int, str, uuid.UUID)

#: The most classes without a key that are logged, each once.
MAX_TOLD = 100
_without_key: set[str] = set()


def user_id_of(user: object) -> str | None:
    """Return a user's primary key as text; ``None`` for an anonymous one.

    Takes a user object or a primary key. A lazy object is not evaluated, since that
    could run a query; it counts as anonymous.
    """
    key = key_of(user)
    return None if key is None else bounded_user_id(key)


def key_of(user: object, *, tell: bool = False) -> object:
    """Return a user's primary key; ``None`` if the user has none, or not yet.

    Args:
        user: A user object, or a primary key.
        tell: Whether to log, once for each class, that a user object has no ``pk``.
    """
    if isinstance(user, LazyObject):
        user = user.__dict__.get("_wrapped", empty)
        if user is empty:
            return None
    if isinstance(user, Model):
        # Reading a deferred attribute would query the database.
        return user.__dict__.get(user._meta.pk.attname)
    if user is None or isinstance(user, bool):
        return None
    if isinstance(user, _PLAIN_KEYS):
        return user
    try:
        return user.pk  # type: ignore[attr-defined]
    except AttributeError:
        if tell:
            _tell_once(type(user))
        return None


def _tell_once(cls: type) -> None:
    name = f"{cls.__module__}.{cls.__qualname__}"
    if name not in _without_key and len(_without_key) < MAX_TOLD:
        _without_key.add(name)
        logger.warning(
            'A user of the class %s in scope["user"] has no attribute pk; its '
            "connections count as anonymous.",
            name,
        )


def primary_key(user_id: str) -> Any:
    """Return a user's primary key as ``AUTH_USER_MODEL`` has it: an int, a UUID, ...

    Returns the text itself if the model cannot have this key: it belongs to a user of
    another class, or was shortened.
    """
    field = _key_field()
    if field is None:
        return user_id
    try:
        key = field.to_python(user_id)
        return key if bounded_user_id(key) == user_id else user_id
    except Exception:  # noqa: BLE001 - the project's field may raise anything
        return user_id


def canonical_key(text: str) -> str | None:
    """Return a text as the primary key of ``AUTH_USER_MODEL`` is written.

    ``None`` if the key cannot have this value. Without a user model, returns the text
    itself. Runs no query.
    """
    field = _key_field()
    if field is None:
        return text
    try:
        return str(field.to_python(text))
    except Exception:  # noqa: BLE001 - the project's field may raise anything
        return None


def _key_field() -> Any:
    """Return the field of the user model's primary key; ``None`` without a model."""
    try:
        return get_user_model()._meta.pk
    except (ImproperlyConfigured, AppRegistryNotReady):
        return None
