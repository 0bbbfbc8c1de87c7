"""The session of a connection, as a keyed hash: no session key is stored or sent.

A session key signs a client in, as a password does. So commands carry an HMAC of the
key under the project's ``SECRET_KEY``, and a worker computes the same for its
connections when a command arrives. Nothing here runs a query or loads a session.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends import signed_cookies
from django.contrib.sessions.backends.base import SessionBase
from django.http import parse_cookie
from django.utils.encoding import force_bytes
from django.utils.functional import LazyObject, empty

from django_socket_status.asgi import Scope

__all__ = ["auth_hash_of", "keyed_hashes", "loaded_data", "session_key_of"]

_PURPOSE = b"django_socket_status.session"
#: Half of a SHA-256: as long as what a session key has in it.
_BYTES = 16


def keyed_hashes(text: str) -> tuple[str, ...]:
    """Return the keyed hash of a text under ``SECRET_KEY``, and under its fallbacks.

    While a project changes its key, two processes have one of them in common.
    """
    message = text.encode(errors="surrogatepass")
    return tuple(
        _as_text(hmac.digest(_derived(force_bytes(secret)), message, "sha256"))
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )


def _as_text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest[:_BYTES]).rstrip(b"=").decode()


@functools.lru_cache(maxsize=8)
def _derived(secret: bytes) -> bytes:
    return hashlib.sha256(_PURPOSE + secret).digest()


def session_key_of(scope: Scope) -> str | None:
    """Return the key of the session that a connection belongs to, if it has one.

    The session in the scope counts, as it is now. Without one, or if it was not looked
    up yet, the cookie of the handshake counts.
    """
    session = _session_of(scope)
    if session is None:
        return _cookie_of(scope)
    if isinstance(session, signed_cookies.SessionStore):
        # The cookie is the session, and its key the whole content.
        return None
    key: str | None = session.session_key
    return key


def auth_hash_of(scope: Scope) -> str | None:
    """Return what the session has of the user's password, if it is loaded."""
    found = loaded_data(_session_of(scope)).get(HASH_SESSION_KEY)
    return found if isinstance(found, str) else None


def loaded_data(session: object) -> Mapping[str, Any]:
    """Return what is loaded of a session; nothing if reading it would load it."""
    data = getattr(session, "__dict__", {}).get("_session_cache")
    return data if isinstance(data, dict) else {}


def _session_of(scope: Scope) -> SessionBase | None:
    session: object = scope.get("session")
    if isinstance(session, LazyObject):
        session = session.__dict__.get("_wrapped", empty)
    return session if isinstance(session, SessionBase) else None


def _cookie_of(scope: Scope) -> str | None:
    cookies = scope.get("cookies")
    if not isinstance(cookies, Mapping):
        headers = (
            value.decode("latin-1")
            for name, value in scope.get("headers", ())
            if name.lower() == b"cookie"
        )
        cookies = parse_cookie("; ".join(headers))
    found = cookies.get(settings.SESSION_COOKIE_NAME)
    return found if isinstance(found, str) and found else None
