"""Who may read: ``SUMMARY_ACCESS`` for the summary, staff alone for anything more."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_socket_status.conf import AUTHENTICATED, PUBLIC, STAFF, get_settings

__all__ = ["AUTHENTICATED", "PUBLIC", "STAFF", "is_allowed", "load_rule", "user_of"]

Rule = Callable[[HttpRequest], Awaitable[bool] | bool]

RULE = "'public', 'authenticated', 'staff' or the dotted path of a function"


async def is_allowed(request: HttpRequest, access: str | None = None) -> bool:
    """Return whether a request may read what ``access`` guards.

    Args:
        request: The request; its user is asked for only where the rule needs it.
        access: ``"public"``, ``"authenticated"``, ``"staff"`` or the dotted path of a
            callable; ``SUMMARY_ACCESS`` if it is not given.

    Raises:
        ImproperlyConfigured: the callable cannot be imported or called.
    """
    if access is None:
        access = get_settings().summary_access
    if access == PUBLIC:
        return True
    if access in (AUTHENTICATED, STAFF):
        user = await user_of(request)
        if user is None or not (user.is_authenticated and user.is_active):
            return False
        return access == AUTHENTICATED or bool(getattr(user, "is_staff", False))
    try:
        return bool(await _judge(load_rule(access), request))
    except PermissionDenied:
        return False


async def user_of(request: HttpRequest) -> Any:
    """Return the user of a request, looked up; ``None`` if it has no such thing.

    ``request.user`` goes before ``request.auser()``: a middleware that signs people in
    in its own way may have replaced the first and left the second.
    """
    if hasattr(request, "user"):
        return await sync_to_async(_looked_up)(request)
    return await request.auser() if hasattr(request, "auser") else None


def _looked_up(request: HttpRequest) -> Any:
    user = request.user
    # Whatever is asked of a lazy user makes it look.
    user.is_authenticated  # noqa: B018
    return user


def load_rule(dotted_path: str) -> Rule:
    """Return the callable that decides.

    Raises:
        ImproperlyConfigured: it cannot be imported or called.
    """
    setting = f"SOCKET_STATUS['SUMMARY_ACCESS'] must be {RULE}"
    try:
        rule = import_string(dotted_path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{setting}; {dotted_path!r} cannot be imported: {error}"
        ) from error
    # A class would be made into an object, which is as good as true.
    if isinstance(rule, type) or not callable(rule):
        raise ImproperlyConfigured(f"{setting}; {dotted_path!r} is none.")
    return rule  # type: ignore[no-any-return]


async def _judge(rule: Any, request: HttpRequest) -> Any:
    if iscoroutinefunction(rule) or iscoroutinefunction(rule.__call__):
        return await rule(request)
    # It may use the database, so it runs where Django's own sync code runs.
    answer = await sync_to_async(rule)(request)
    return await answer if inspect.isawaitable(answer) else answer
