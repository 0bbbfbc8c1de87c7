"""Decides whether a request may read the metrics, by ``METRICS_ACCESS``."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from django_socket_status.access import (
    METRICS_ACCESS,
    is_allowed,
    is_allowed_now,
)
from django_socket_status.conf import AUTHENTICATED, PUBLIC, TOKEN, get_settings
from django_socket_status.views.guard import error

__all__ = ["arefusal", "refusal"]

NOT_SET = (
    "Metrics are not served: set SOCKET_STATUS['METRICS_ACCESS'] to 'token', 'staff', "
    "'public' or the dotted path of a function."
)
NOT_GIVEN = (
    "Metrics are not served: SOCKET_STATUS['METRICS_ACCESS'] is 'token', and "
    "SOCKET_STATUS['METRICS_TOKEN'] is not set."
)
#: What the header ``Authorization`` begins with (RFC 6750, section 2.1).
SCHEME = "bearer "


def refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a request that may not read; ``None`` if it may."""
    access = get_settings().metrics_access
    if access in ("", AUTHENTICATED, TOKEN, PUBLIC):
        return _refusal_by_word(request, access)
    if is_allowed_now(request, access, METRICS_ACCESS):
        return None
    return _forbidden()


async def arefusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a request, as :func:`refusal`, on an event loop."""
    access = get_settings().metrics_access
    if access in ("", AUTHENTICATED, TOKEN, PUBLIC):
        return _refusal_by_word(request, access)
    if await is_allowed(request, access, METRICS_ACCESS):
        return None
    return _forbidden()


def _refusal_by_word(request: HttpRequest, access: str) -> HttpResponse | None:
    if access == PUBLIC:
        return None
    if access != TOKEN:
        return error(HTTPStatus.FORBIDDEN, NOT_SET)
    token = get_settings().metrics_token
    if not token:
        return error(HTTPStatus.FORBIDDEN, NOT_GIVEN)
    if _has_token(request, token):
        return None
    response = error(HTTPStatus.UNAUTHORIZED, "Send the token of METRICS_TOKEN.")
    response.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return response


def _has_token(request: HttpRequest, token: str) -> bool:
    """Compare in constant time, whatever characters the header has."""
    given = request.headers.get("Authorization", "")
    if given[: len(SCHEME)].lower() != SCHEME:
        return False
    sent = given[len(SCHEME) :].strip().encode(errors="replace")
    return hmac.compare_digest(sent, token.encode(errors="replace"))


def _forbidden() -> HttpResponse:
    return error(HTTPStatus.FORBIDDEN, "You may not read the metrics.")
