"""Views that check access and answer in JSON, errors included.

Under ASGI a view is a coroutine, so it occupies no thread while it waits. Under WSGI it
answers on the calling thread: Django would run a coroutine by ``async_to_sync``, which
fails under gevent if another request of the same thread runs an event loop.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import FrameType
from typing import Any, TypedDict

from asgiref.sync import markcoroutinefunction
from django.core.exceptions import BadRequest, SuspiciousOperation, TooManyFieldsSent
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.utils.cache import patch_vary_headers

from django_socket_status.access import (
    PUBLIC,
    is_allowed,
    is_allowed_now,
    user_of,
    user_of_now,
)
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError

__all__ = ["ErrorBody", "JsonView", "Problem", "error", "json_view"]

#: Seconds after which a client may retry: about a heartbeat.
RETRY_AFTER_SECONDS = 2

#: The errors of a request, or of the status, that become a JSON error.
PROBLEMS = (
    BadRequest,
    Http404,
    MultiPartParserError,
    StatusUnavailableError,
    SuspiciousOperation,
    UnreadablePostError,
)

#: The attribute that marks a callable as a coroutine function.
MARK = vars(markcoroutinefunction(lambda request: None))
#: The function of Django that reads the mark under WSGI.
SYNC_HANDLER = getattr(vars(BaseHandler)["_get_response"], "__code__", None)


def no_arguments(request: HttpRequest) -> Mapping[str, Any]:
    """Return no arguments."""
    return {}


def json_view(
    *,
    ask: Callable[..., Any],
    aask: Callable[..., Awaitable[Any]],
    parse: Callable[[HttpRequest], Mapping[str, Any]] = no_arguments,
    access: str | None = None,
) -> Callable[[Callable[[HttpRequest, Any], HttpResponse]], JsonView]:
    """Make a view of a function that returns the response for an answer.

    Args:
        ask: Returns the answer, for the arguments of ``parse``.
        aask: Returns the answer on an event loop, without blocking it.
        parse: Returns the arguments in a request.
        access: See :func:`~django_socket_status.access.is_allowed`.
    """
    return lambda respond: JsonView(respond, ask, aask, parse, access)


class _EveryDatabase(frozenset[str]):
    """A set that contains every database alias."""

    def __contains__(self, alias: object) -> bool:
        return True


class JsonView:
    """A view for GET and HEAD with an access rule; see :func:`json_view`."""

    #: The view changes nothing, so a POST gets 405 and no error about a CSRF token.
    csrf_exempt = True
    #: The view answers 401 itself: ``LoginRequiredMiddleware`` would redirect.
    login_required = False
    #: Django does not serve an async view with ``ATOMIC_REQUESTS``.
    _non_atomic_requests = _EveryDatabase()

    def __init__(
        self,
        respond: Callable[[HttpRequest, Any], HttpResponse],
        ask: Callable[..., Any],
        aask: Callable[..., Awaitable[Any]],
        parse: Callable[[HttpRequest], Mapping[str, Any]],
        access: str | None,
    ) -> None:
        self._respond = respond
        self._ask = ask
        self._aask = aask
        self._parse = parse
        self._access = access
        # Django finds a view by its name.
        functools.update_wrapper(self, respond)

    def __getattr__(self, name: str) -> Any:
        """Return the mark of a coroutine function to an asynchronous caller.

        Django reads the mark before each request, without passing the request. Under
        gevent, a running event loop does not mean ASGI. So the call stack decides: of
        Django's two handlers, one is a coroutine.
        """
        if name in MARK and _is_coroutine(inspect.currentframe()):
            return MARK[name]
        raise AttributeError(name)

    def __call__(self, request: HttpRequest) -> Any:
        """Return a response, or under ASGI a coroutine that returns one."""
        if isinstance(request, ASGIRequest) and _is_on_a_loop():
            return self._aanswer(request)
        return self._answer(request)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        access = self._wanted()
        try:
            _verify(request)
            if is_allowed_now(request, access):
                found = self._ask(**self._parse(request))
                response = self._respond(request, found)
            else:
                response = _refusal(user_of_now(request))
        except PROBLEMS as problem:
            response = _error_of(problem, request)
        return _finished(response, access)

    async def _aanswer(self, request: HttpRequest) -> HttpResponse:
        access = self._wanted()
        try:
            _verify(request)
            if await is_allowed(request, access):
                found = await self._aask(**self._parse(request))
                response = self._respond(request, found)
            else:
                response = _refusal(await user_of(request))
        except PROBLEMS as problem:
            response = _error_of(problem, request)
        return _finished(response, access)

    def _wanted(self) -> str:
        return get_settings().summary_access if self._access is None else self._access


class _MethodError(BadRequest):
    """The method is neither GET nor HEAD."""


def _is_coroutine(frame: FrameType | None) -> bool:
    """Return whether the call stack has a coroutine before Django's sync handler."""
    while frame is not None and frame.f_code is not SYNC_HANDLER:
        if frame.f_code.co_flags & inspect.CO_COROUTINE:
            return True
        frame = frame.f_back
    return False


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _verify(request: HttpRequest) -> None:
    """Verify the method and the encoding of a request.

    This comes before the access rule of the project, which may read the query too.
    """
    if request.method not in ("GET", "HEAD"):
        raise _MethodError("Only GET and HEAD are answered.")
    try:
        for name, values in request.GET.lists():
            # Some encodings that a client may choose give invalid text.
            "".join([name, *map(str, values)]).encode()
    except (LookupError, ValueError) as problem:
        raise BadRequest("The query cannot be decoded.") from problem


def _error_of(problem: Exception, request: HttpRequest) -> HttpResponse:
    if isinstance(problem, NotKeptError):
        response = error(HTTPStatus.NOT_IMPLEMENTED, str(problem))
        # Not a fault of the server, for which Django would mail its admins.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response
    if isinstance(problem, StatusUnavailableError):
        # The reason may name files and hosts, so it is in the log only.
        response = error(HTTPStatus.SERVICE_UNAVAILABLE, "The status is not known now.")
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        # Otherwise Django mails its admins for each request of each polling client. The
        # outage has been logged once.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response
    if isinstance(problem, _MethodError):
        response = error(HTTPStatus.METHOD_NOT_ALLOWED, str(problem))
        response.headers["Allow"] = "GET, HEAD"
        return response
    if isinstance(problem, Http404):
        return error(HTTPStatus.NOT_FOUND, "There is nothing here.")
    if isinstance(problem, TooManyFieldsSent):
        return error(HTTPStatus.BAD_REQUEST, "The request has too many parameters.")
    # The text of other errors may hold more than a client should know.
    message = str(problem) if isinstance(problem, BadRequest) else ""
    return error(HTTPStatus.BAD_REQUEST, message or "The request cannot be read.")


def _refusal(user: Any) -> HttpResponse:
    """Return 401 to an anonymous user, 403 to a signed-in one."""
    if user is None or user.is_authenticated:
        return error(HTTPStatus.FORBIDDEN, "You may not read the status.")
    response = error(HTTPStatus.UNAUTHORIZED, "Sign in to read the status.")
    # RFC 9110, section 11.6.1, requires a challenge.
    response.headers["WWW-Authenticate"] = 'Session realm="Django"'
    return response


def _finished(response: HttpResponse, access: str) -> HttpResponse:
    if access != PUBLIC:
        patch_vary_headers(response, ["Cookie"])
    # Private: shared caches, Django's included, must not keep the response.
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


class Problem(TypedDict):
    """What is wrong."""

    code: str
    """A word for programs, such as `bad_request`."""
    message: str
    """A sentence for people."""


class ErrorBody(TypedDict):
    """The body of every error."""

    error: Problem


def error(status: HTTPStatus, message: str) -> JsonResponse:
    """Return an error as JSON: ``{"error": {"code": ..., "message": ...}}``."""
    body: ErrorBody = {"error": {"code": status.name.lower(), "message": message}}
    response = JsonResponse(body, status=status.value)
    response.headers["Cache-Control"] = "private, no-store"
    return response
