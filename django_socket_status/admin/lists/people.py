"""The users of a page of connections: their names, and links to their admin pages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.urls import NoReverseMatch, reverse

from django_socket_status.admin.page import Page
from django_socket_status.users import primary_key

__all__ = ["Person", "people_of"]


class Person(NamedTuple):
    """What a page shows of a user."""

    name: str
    """The name that the user signs in with; the primary key if it is not known."""
    url: str
    """The page of the user in the admin; empty if the viewer may not see it."""


def people_of(page: Page, user_ids: Iterable[str | None]) -> Mapping[str, Person]:
    """Return the users with these primary keys, looked up with one query.

    A key that no user has is left out, also if users cannot be looked up: their tables
    may be missing, or connections may have users of another kind.
    """
    keys = [primary_key(it) for it in dict.fromkeys(user_ids) if it is not None]
    if not keys:
        return {}
    try:
        model = get_user_model()
        found = list(model._default_manager.filter(pk__in=keys))
    except (DatabaseError, ImproperlyConfigured, ValueError, TypeError, OverflowError):
        return {}
    return {str(it.pk): Person(it.get_username(), _url(page, it)) for it in found}


def _url(page: Page, user: Any) -> str:
    """Return the page of a user in the admin site, if the viewer may see it."""
    site, meta = page.admin.admin_site, user._meta
    with contextlib.suppress(NoReverseMatch, KeyError):
        model_admin = site._registry[meta.concrete_model]
        if model_admin.has_view_permission(page.request, user):
            name = f"admin:{meta.app_label}_{meta.model_name}_change"
            return reverse(name, args=[quote(user.pk)], current_app=site.name)
    return ""
