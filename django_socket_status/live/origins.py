"""Decides which pages may open live push, by ``Origin``: RFC 6455, section 10.2.

Any page can start a handshake, the browser adds this site's cookies, and CORS does not
apply. So the server has to check ``Origin``.
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

    It may if ``ALLOWED_HOSTS`` names its host, or ``CSRF_TRUSTED_ORIGINS`` its origin.
    If ``ALLOWED_HOSTS`` has ``"*"``, a page of the handshake's own host may, too. The
    origin ``null`` and more than one origin are refused.

    Args:
        headers: The headers of the scope.
        cookies_decide: Whether access depends on cookies. If it does, a handshake with
            cookies but without ``Origin``, which all browsers send, is refused.
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
    # An origin has no path, user name or password.
    if text != f"{origin.scheme}://{origin.netloc}":
        return False
    return _is_trusted(text, origin) or _is_own(origin, headers)


def _is_own(origin: SplitResult, headers: Headers) -> bool:
    """Return whether an origin's host is one of this project's, with any port."""
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
    """Return the host of a handshake, as ``HttpRequest.get_host`` finds it."""
    hosts = _values(headers, b"host")
    if settings.USE_X_FORWARDED_HOST:
        hosts = _values(headers, b"x-forwarded-host") or hosts
    if len(hosts) != 1:
        return ""
    host, _ = split_domain_port(hosts[0].decode("latin-1"))
    return host


def _is_trusted(text: str, origin: SplitResult) -> bool:
    """Return whether ``CSRF_TRUSTED_ORIGINS`` has an origin, by Django's rules."""
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
