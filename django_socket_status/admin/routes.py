"""The routes of the admin page, each with the permissions that it needs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext

from django_socket_status.admin.access import Permission
from django_socket_status.admin.page import Admin, Page
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.models import SocketStatus

__all__ = ["GET", "POST", "Route", "url_of"]

GET = ("GET", "HEAD")
POST = ("POST",)

#: Seconds after which a client may retry: about a heartbeat.
RETRY_AFTER_SECONDS = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Route:
    """One URL of the admin page. ``admin/model_admin.py`` makes the URL patterns.

    A view takes a :class:`~.page.Page` and the arguments of the path. The wrapper
    answers before the view is called: the login form without a session of staff, 403
    without a permission, and 405 for another method. It answers 503 if the view raises
    :exc:`~django_socket_status.exceptions.StatusUnavailableError`.
    """

    name: str
    """The short name, as :meth:`~.page.Page.url` takes it."""
    path: str
    """The path below that of the overview."""
    view: Callable[..., HttpResponseBase]
    """The function that answers."""
    needs: tuple[Permission, ...]
    """The permissions that a user must have, all of them."""
    methods: tuple[str, ...] = GET
    """The methods that the view answers."""


def url_of(route: Route, admin: Admin) -> URLPattern:
    """Return the URL pattern of a route, behind the login of the admin site."""
    meta = SocketStatus._meta
    view = admin.admin_site.admin_view(functools.partial(_answer, route, admin))
    name = f"{meta.app_label}_{meta.model_name}_{route.name}"
    return path(route.path, view, name=name)


def _answer(
    route: Route, admin: Admin, request: HttpRequest, **arguments: Any
) -> HttpResponseBase:
    page = Page(request, admin)
    # With another admin site, Django reverses "admin:..." to the URLs of that site.
    request.current_app = admin.admin_site.name
    if not page.access.has(*route.needs):
        raise PermissionDenied
    if request.method not in route.methods:
        return HttpResponseNotAllowed(route.methods)
    try:
        return route.view(page, **arguments)
    except StatusUnavailableError as problem:
        return _unavailable(page, problem)


def _unavailable(page: Page, problem: StatusUnavailableError) -> HttpResponseBase:
    """Return a page that says that nothing is known: never a zero."""
    is_kept = not isinstance(problem, NotKeptError)
    response = page.render(
        "unavailable.html",
        gettext("WebSocket connections"),
        status=503 if is_kept else 501,
        problem=problem,
        is_kept=is_kept,
    )
    if is_kept:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    # The outage was logged once. Django would log this answer, and mail ``ADMINS``,
    # for each request.
    response._has_been_logged = True  # type: ignore[attr-defined]
    add_never_cache_headers(response)
    return response
