"""Which sessions keep their connections when the password of their user changes."""

from __future__ import annotations

import contextvars
import weakref
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from django_socket_status.control.revocation import MAX_HASHES
from django_socket_status.control.session_keys import keyed_hashes, loaded_data
from django_socket_status.limits import bounded_user_id

__all__ = ["forget_kept", "hashes_of_session", "keep_session", "take_kept"]

#: Where a session has the keyed hashes of its earlier keys.
EARLIER = "_socket_status_earlier_keys"


class _Kept(NamedTuple):
    request: weakref.ref[HttpRequest]
    user_id: str
    hashes: tuple[str, ...]


_kept: contextvars.ContextVar[tuple[_Kept, ...]] = contextvars.ContextVar(
    "django_socket_status_kept", default=()
)


def keep_session(request: HttpRequest) -> None:
    """Let the session of a request keep its connections when the password changes.

    Call it in the view, before it saves the user with the new password. It holds for
    the next change of this user's password in the same request. Connections of the
    user's other sessions close, if ``CLOSE_ON`` has ``"password_change"``.

    Args:
        request: The request of the view, with a session.
    """
    session: Any = request.session
    user_id = session.get(SESSION_KEY)
    if user_id is None or not session.session_key:
        # No user is signed in, or the session is new and has no connections.
        return
    hashes = hashes_of_session(session)
    # Django gives the session another key. A logout has to find these connections.
    session[EARLIER] = list(hashes)
    kept = _Kept(weakref.ref(request), bounded_user_id(user_id), hashes)
    _kept.set((*_alive(), kept))


def hashes_of_session(session: Any) -> tuple[str, ...]:
    """Return the keyed hashes of a session's key, and of its earlier keys.

    Loads nothing: a session that is not loaded has only its key.
    """
    earlier = loaded_data(session).get(EARLIER)
    known = earlier if isinstance(earlier, list) else []
    own = keyed_hashes(session.session_key) if session.session_key else ()
    return tuple(dict.fromkeys([*own, *known]))[:MAX_HASHES]


def take_kept(user_id: str) -> tuple[str, ...]:
    """Return, once, the hashes of the sessions that keep their connections."""
    found = _alive()
    if not found:
        return ()
    _kept.set(tuple(it for it in found if it.user_id != user_id))
    return tuple(
        hashed for it in found if it.user_id == user_id for hashed in it.hashes
    )


def _alive() -> tuple[_Kept, ...]:
    return tuple(it for it in _kept.get() if it.request() is not None)


def forget_kept(**kwargs: object) -> None:
    """Forget all of them: another request begins on this thread."""
    if _kept.get():
        _kept.set(())
