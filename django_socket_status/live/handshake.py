"""Makes an HTTP request of a WebSocket handshake, for the access rule."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.backends import signed_cookies
from django.core.handlers.asgi import ASGIRequest
from django.db.models import Model
from django.http import HttpRequest

from django_socket_status.asgi import Scope

__all__ = [
    "RETURN_SECONDS",
    "has_session_cookie",
    "request_of",
    "sessions_are_in_cookies",
]

#: Seconds after which a listener has to connect again if its cookie is its session, so
#: that the browser sends its current cookies.
RETURN_SECONDS = 120.0

SESSIONS = "django.contrib.sessions"

#: The methods that change a session.
WRITES = ("create", "cycle_key", "delete", "flush", "save")


def request_of(scope: Scope) -> HttpRequest:
    """Return a handshake as a request with the current session and user.

    The session is loaded by the cookie, because the session in the scope is as old as
    the socket. Its methods that write do nothing: no response can send a new cookie,
    and Django would give the session a new key after a change of ``SECRET_KEY``.
    """
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", ""))
    request: Any = ASGIRequest(
        {**scope, "type": "http", "method": "GET", "scheme": scheme}, BytesIO()
    )
    if apps.is_installed(SESSIONS) or _has_session_middleware():
        engine = import_module(settings.SESSION_ENGINE)
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        request.session = session = engine.SessionStore(key)
        for name in WRITES:
            setattr(session, name, _write_nothing)
            setattr(session, f"a{name}", _awrite_nothing)
    user = _user_of(request, scope)
    if user is not None:

        async def auser() -> Any:
            return user

        request.user, request.auser = user, auser
    return request  # type: ignore[no-any-return]


def has_session_cookie(scope: Scope) -> bool:
    """Return whether a handshake has a session cookie, valid or not."""
    wanted = settings.SESSION_COOKIE_NAME.encode()
    return any(
        name.lower() == b"cookie" and wanted in value
        for name, value in scope.get("headers", ())
    )


def sessions_are_in_cookies() -> bool:
    """Return whether the cookie itself is the session, as with ``signed_cookies``.

    A logout removes such a cookie from the browser. A copy of it, such as the one in a
    handshake, stays signed in: see Django's documentation of sessions.
    """
    engine = import_module(settings.SESSION_ENGINE)
    return issubclass(engine.SessionStore, signed_cookies.SessionStore)


def _has_session_middleware() -> bool:
    return f"{SESSIONS}.middleware.SessionMiddleware" in settings.MIDDLEWARE


def _write_nothing(*args: object, **kwargs: object) -> None:
    pass


async def _awrite_nothing(*args: object, **kwargs: object) -> None:
    pass


def _user_of(request: HttpRequest, scope: Scope) -> Any:
    """Return the user of the session, else of the scope; ``None`` if neither has one.

    A middleware of the project may have put the scope's user there by a token, for
    example. If a session gave the scope's user, the session's current user counts.
    """
    given = scope.get("user")
    found = None
    if apps.is_installed("django.contrib.auth") and hasattr(request, "session"):
        from django.contrib.auth import SESSION_KEY, get_user

        found = get_user(request)
        if found.is_authenticated or SESSION_KEY in scope.get("session", ()):
            return found
    if given is None or not given.is_authenticated:
        return given if found is None else found
    return _renewed(given) or found


def _renewed(user: Any) -> Any:
    """Return the current row of a user; ``None`` if it was deleted."""
    if not isinstance(user, Model):
        return user
    return user._meta.model._default_manager.filter(pk=user.pk).first()
