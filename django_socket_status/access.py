"""Decides whether a request may read the status, by ``SUMMARY_ACCESS`` or a rule."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_socket_status.conf import AUTHENTICATED, PUBLIC, STAFF, get_settings

__all__ = [
    "AUTHENTICATED",
    "METRICS_ACCESS",
    "PUBLIC",
    "STAFF",
    "is_allowed",
    "is_allowed_now",
    "load_rule",
    "user_of",
    "user_of_now",
]

Rule = Callable[[HttpRequest], Awaitable[bool] | bool]

SUMMARY_ACCESS, METRICS_ACCESS = "SUMMARY_ACCESS", "METRICS_ACCESS"
#: What the value of each key must be.
RULES = {
    SUMMARY_ACCESS: "'public', 'authenticated', 'staff' or the dotted path of a "
    "function",
    METRICS_ACCESS: "'token', 'staff', 'public' or the dotted path of a function",
}


async def is_allowed(
    request: HttpRequest, access: str | None = None, setting: str = SUMMARY_ACCESS
) -> bool:
    """Return whether a request may read what ``access`` guards.

    Args:
        request: The request. Its user is evaluated only if the rule needs it.
        access: ``"public"``, ``"authenticated"``, ``"staff"`` or the dotted path of a
            callable; ``SUMMARY_ACCESS`` if it is not given.
        setting: The key that ``access`` is the value of, for the message of an error.

    Raises:
        ImproperlyConfigured: the callable cannot be imported or called.
    """
    access = _wanted(access)
    if access == PUBLIC:
        return True
    if access in (AUTHENTICATED, STAFF):
        return _is_user_allowed(await user_of(request), access)
    try:
        return bool(await _judge(load_rule(access, setting), request))
    except PermissionDenied:
        return False


def is_allowed_now(
    request: HttpRequest, access: str | None = None, setting: str = SUMMARY_ACCESS
) -> bool:
    """Return whether a request may read, as :func:`is_allowed`, with no event loop.

    A rule of the project that is asynchronous is run as Django runs an asynchronous
    view under WSGI: by ``async_to_sync``.
    """
    access = _wanted(access)
    if access == PUBLIC:
        return True
    if access in (AUTHENTICATED, STAFF):
        return _is_user_allowed(user_of_now(request), access)
    try:
        return bool(_judge_now(load_rule(access, setting), request))
    except PermissionDenied:
        return False


def _wanted(access: str | None) -> str:
    return get_settings().summary_access if access is None else access


def _is_user_allowed(user: Any, access: str) -> bool:
    if user is None or not (user.is_authenticated and user.is_active):
        return False
    return access == AUTHENTICATED or bool(getattr(user, "is_staff", False))


async def user_of(request: HttpRequest) -> Any:
    """Return the evaluated user of a request; ``None`` if the request has no user.

    ``request.user`` has precedence over ``request.auser()``: a middleware of the
    project may have replaced the first only.
    """
    if hasattr(request, "user"):
        return await sync_to_async(_looked_up)(request)
    return await request.auser() if hasattr(request, "auser") else None


def user_of_now(request: HttpRequest) -> Any:
    """Return the user of a request, as :func:`user_of`, with no event loop."""
    if hasattr(request, "user"):
        return _looked_up(request)
    return async_to_sync(request.auser)() if hasattr(request, "auser") else None


def _looked_up(request: HttpRequest) -> Any:
    user = request.user
    # Any attribute access evaluates a lazy user.
    user.is_authenticated  # noqa: B018
    return user


def load_rule(dotted_path: str, setting: str = SUMMARY_ACCESS) -> Rule:
    """Return the project's rule, the value of the key ``setting``.

    Raises:
        ImproperlyConfigured: it cannot be imported or called.
    """
    must_be = f"SOCKET_STATUS['{setting}'] must be {RULES[setting]}"
    try:
        rule = import_string(dotted_path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{must_be}; {dotted_path!r} cannot be imported: {error}"
        ) from error
    # Calling a class returns an object, which is true, so it would allow everyone.
    if isinstance(rule, type) or not callable(rule):
        raise ImproperlyConfigured(f"{must_be}; {dotted_path!r} is none.")
    return rule  # type: ignore[no-any-return]


async def _judge(rule: Any, request: HttpRequest) -> Any:
    if _is_asynchronous(rule):
        return await rule(request)
    # It may use the database, so it runs where Django's own sync code runs.
    answer = await sync_to_async(rule)(request)
    return await answer if inspect.isawaitable(answer) else answer


def _judge_now(rule: Any, request: HttpRequest) -> Any:
    if _is_asynchronous(rule):
        return async_to_sync(rule)(request)
    answer = rule(request)
    return async_to_sync(_awaited)(answer) if inspect.isawaitable(answer) else answer


def _is_asynchronous(rule: Any) -> bool:
    return bool(iscoroutinefunction(rule) or iscoroutinefunction(rule.__call__))


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
