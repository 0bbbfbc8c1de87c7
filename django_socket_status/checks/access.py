"""Whether ``SUMMARY_ACCESS`` is valid, and requests have a user if it needs one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from django_socket_status.access import load_rule
from django_socket_status.checks.importable import import_failure
from django_socket_status.conf import (
    AUTHENTICATED,
    PUBLIC,
    SETTING,
    STAFF,
    get_settings,
)

__all__ = ["check_access", "is_text_given", "missing_authentication"]

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


def check_access(**kwargs: Any) -> list[CheckMessage]:
    """Judge ``SUMMARY_ACCESS``."""
    access = get_settings().summary_access
    if access == PUBLIC or not is_text_given("SUMMARY_ACCESS"):
        return []
    if access in (AUTHENTICATED, STAFF):
        return list(missing_authentication("SUMMARY_ACCESS", access))
    try:
        load_rule(access)
    except Exception as error:  # noqa: BLE001 - any code of the project's runs here
        return [
            Error(
                import_failure(error),
                hint=f"{_suggested_access(access)}As in 'myproject.access.may_read', a "
                "function that takes the request and returns a bool. Until then, "
                "every request for the summary is refused.",
                id="django_socket_status.E010",
            )
        ]
    return []


def _suggested_access(given: str) -> str:
    words = (PUBLIC, AUTHENTICATED, STAFF)
    near = difflib.get_close_matches(given.lower(), words, n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


def missing_authentication(key: str, access: str) -> Iterator[CheckMessage]:
    """Judge whether requests have the user that the access of a key needs."""
    if not any(map(_is_authentication, settings.MIDDLEWARE)):
        yield Warning(
            f"{SETTING}[{key!r}] is {access!r}, which needs "
            "AuthenticationMiddleware to set request.user.",
            hint=f"Add {AUTHENTICATION!r} to MIDDLEWARE, or silence this if another "
            "middleware sets request.user.",
            id="django_socket_status.W004",
        )


def _is_authentication(dotted_path: str) -> bool:
    try:
        middleware = import_string(dotted_path)
    except ImportError:
        # Django reports it with the first request.
        return False
    # By name: importing it takes the models of an app that may not be installed.
    classes = getattr(middleware, "__mro__", ())
    return AUTHENTICATION in [f"{it.__module__}.{it.__qualname__}" for it in classes]


def is_text_given(key: str) -> bool:
    """Return whether a key holds text; what else it may hold is judged elsewhere."""
    given = getattr(settings, SETTING, {})
    return isinstance(given, Mapping) and isinstance(given.get(key), str)
