"""Which pages may open our WebSocket: RFC 6455, section 10.2.

A browser sends the cookies of this site with a handshake that any page starts, and no
CORS rule stops it, so whoever serves WebSockets has to look at ``Origin`` itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

__all__ = ["origin_is_allowed"]

#: As ``HttpRequest.get_host`` has them, for DEBUG without ALLOWED_HOSTS.
LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]

Headers = Iterable[tuple[bytes, bytes]]


def origin_is_allowed(headers: Headers, *, cookies_decide: bool) -> bool:
    """Return whether the page behind a handshake may listen.

    It may if its host is named in ``ALLOWED_HOSTS``, or its origin in
    ``CSRF_TRUSTED_ORIGINS``. Where ``ALLOWED_HOSTS`` names none and says ``"*"``, its
    host has to be the one that the handshake itself asks for. ``null`` may never, nor
    may more than one origin.

    Args:
        headers: Those of the scope.
        cookies_decide: Whether cookies say who may read. Without ``Origin``, which all
            browsers send, nobody may then listen who sends any.
    """
    headers = tuple(headers)
    origins = _values(headers, b"origin")
    if not origins:
        return not (cookies_decide and _values(headers, b"cookie"))
    if len(origins) > 1:
        return False
    try:
        text = origins[0].decode("ascii")
        origin = urlsplit(text)
    except ValueError:
        return False
    # What else there is to a URL, a name and a password included, is in no origin.
    if text != f"{origin.scheme}://{origin.netloc}":
        return False
    return _is_trusted(text, origin) or _is_own(origin, headers)


def _is_own(origin: SplitResult, headers: Headers) -> bool:
    """Return whether an origin is on a host of this project. Ports do not matter."""
    host, _ = split_domain_port(origin.netloc)
    if not host or origin.scheme not in ("http", "https"):
        return False
    allowed = settings.ALLOWED_HOSTS
    if settings.DEBUG and not allowed:
        allowed = LOCAL_HOSTS
    if validate_host(host, [pattern for pattern in allowed if pattern != "*"]):
        return True
    return "*" in allowed and host == _host_asked_for(headers)


def _host_asked_for(headers: Headers) -> str:
    """Return the host that a handshake is for, as ``HttpRequest.get_host`` finds it."""
    hosts = _values(headers, b"host")
    if settings.USE_X_FORWARDED_HOST:
        hosts = _values(headers, b"x-forwarded-host") or hosts
    if len(hosts) != 1:
        return ""
    host, _ = split_domain_port(hosts[0].decode("latin-1"))
    return host


def _is_trusted(text: str, origin: SplitResult) -> bool:
    """Return whether ``CSRF_TRUSTED_ORIGINS`` holds an origin, as Django reads it."""
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        if "*" not in trusted:
            if trusted == text:
                return True
            continue
        pattern = urlsplit(trusted)
        domain = pattern.netloc.lstrip("*")
        if pattern.scheme == origin.scheme and is_same_domain(origin.netloc, domain):
            return True
    return False


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name.lower() == wanted]
