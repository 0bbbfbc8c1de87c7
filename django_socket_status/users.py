"""Whose a connection is: the primary key of ``scope["user"]``.

Nothing here runs a query, or evaluates a lazy object of the host's.
"""

from __future__ import annotations

import uuid

from django.db.models import Model
from django.utils.functional import LazyObject, empty

from django_socket_status.bounds import bounded_user_id

__all__ = ["key_of", "user_id_of"]

_PLAIN_KEYS = (int, str, uuid.UUID)


def user_id_of(user: object) -> str | None:
    """Return a user's primary key as text; ``None`` for an anonymous one.

    Takes a user object or a primary key. A lazy object that nobody has evaluated yet
    stays so: it might run a query here.
    """
    key = key_of(user)
    return None if key is None else bounded_user_id(key)


def key_of(user: object) -> object:
    """Return a user's primary key; ``None`` for somebody who has none, or not yet."""
    if isinstance(user, LazyObject):
        user = user.__dict__.get("_wrapped", empty)
        if user is empty:
            return None
    if isinstance(user, Model):
        # A deferred key would be fetched from the database.
        return user.__dict__.get(user._meta.pk.attname)
    if user is None or isinstance(user, bool):
        return None
    return user if isinstance(user, _PLAIN_KEYS) else getattr(user, "pk", None)
