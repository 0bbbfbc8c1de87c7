"""Finds the user that ``--user`` means: a primary key, or a name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from django_socket_status.cli.columns import UsageError
from django_socket_status.users import canonical_key

__all__ = ["UnknownUserError", "user_key", "user_named"]

NAME, KEY = "name:", "pk:"


class UnknownUserError(Exception):
    """No user has a name, or names cannot be looked up; the text says which."""


def user_named(text: str) -> Any:
    """Return an object whose ``pk`` is the key of a user: see :func:`user_key`.

    Raises:
        UsageError: no user has this name, or it cannot be looked up.
    """
    try:
        return SimpleNamespace(pk=user_key(text))
    except UnknownUserError as error:
        raise UsageError(f"--user: {error}") from error


def user_key(text: str) -> str:
    """Return the primary key of the user that a person means, as text.

    A text that can be a primary key of ``AUTH_USER_MODEL`` is one, unless a user with
    a text key has it as the name. Anything else is a name, as it is used to sign in,
    which is looked up in the database. ``pk:`` and ``name:`` before it decide.

    Raises:
        UnknownUserError: no user has this name, or it cannot be looked up.
    """
    if text.startswith(NAME):
        return _key_of(text.removeprefix(NAME))
    if text.startswith(KEY):
        return text.removeprefix(KEY)
    key = canonical_key(text)
    if key is not None and not _may_be_name(text):
        return key
    return _key_of(text, otherwise=key)


def _may_be_name(text: str) -> bool:
    """Return whether a key of the user model may be any text, as a name is."""
    try:
        return canonical_key("no-number-and-no-uuid") is not None
    except ImproperlyConfigured:
        return False


def _key_of(name: str, *, otherwise: str | None = None) -> str:
    try:
        model = get_user_model()
        user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    except (DatabaseError, ImproperlyConfigured, ValueError) as error:
        # A ValueError: PostgreSQL's driver takes no NUL.
        if otherwise is not None:
            return otherwise
        raise UnknownUserError(
            f"the name {name!r} cannot be looked up ({error}). Give the primary key."
        ) from error
    if user is not None:
        return str(user.pk)
    if otherwise is not None:
        return otherwise
    raise UnknownUserError(
        f"no user has the name {name!r}. Give the name or the primary key of "
        "a user; 'name:' or 'pk:' before it says which of the two it is."
    )
