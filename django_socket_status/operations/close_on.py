"""Notices logouts, changed passwords and deactivated users, as ``CLOSE_ON`` says.

The receivers only queue what happened: they neither wait nor run a query, and what is
wrong in them never reaches the view.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.core.signals import request_started, setting_changed
from django.db import router, transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from django_socket_status.conf import SETTING, get_settings, read_settings
from django_socket_status.control.revocation import SessionEnd, UserEnd
from django_socket_status.control.session_keys import keyed_hashes
from django_socket_status.operations.keeping import (
    forget_kept,
    hashes_of_session,
    take_kept,
)
from django_socket_status.operations.revoking import revoker
from django_socket_status.users import user_id_of

__all__ = ["follow_settings"]

logger = logging.getLogger("django_socket_status")

P = ParamSpec("P")

_ID = "django_socket_status.close_on"


def follow_settings() -> None:
    """Connect the receivers that ``CLOSE_ON`` needs, now and when it changes."""
    setting_changed.connect(_on_setting, dispatch_uid=_ID)
    _connect()


def _on_setting(*, setting: str, **kwargs: object) -> None:
    if setting == SETTING:
        _connect()


def _connect() -> None:
    events = set(read_settings().close_on)
    signs_out = "logout" in events
    changes = "password_change" in events
    _switch(user_logged_out, _on_logout, is_on=signs_out)
    _switch(request_started, forget_kept, is_on=changes)
    for model in _user_models():
        is_watched = changes or "deactivation" in events
        _switch(post_save, _on_save, is_on=is_watched, sender=model)
        # Connected, it makes Django load users in order to delete them.
        is_watched = "deactivation" in events
        _switch(post_delete, _on_delete, is_on=is_watched, sender=model)


def _switch(signal: Any, receiver: Any, *, is_on: bool, sender: Any = None) -> None:
    if is_on:
        signal.connect(receiver, sender=sender, dispatch_uid=_ID)
    else:
        signal.disconnect(receiver, sender=sender, dispatch_uid=_ID)


def _user_models() -> Iterator[type[Model]]:
    """Yield the user model, and its proxies and children: each sends its signals."""
    try:
        user_model = get_user_model()
    except ImproperlyConfigured:
        return
    for model in apps.get_models():
        if issubclass(model, user_model):
            yield model


def _guarded(receiver: Callable[P, None]) -> Callable[P, None]:
    """Return a receiver that logs what it raises: a view must not fail for it."""

    @functools.wraps(receiver)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            receiver(*args, **kwargs)
        except Exception:
            logger.warning("CLOSE_ON failed; sockets may stay open.", exc_info=True)

    return guarded


@_guarded
def _on_logout(*, request: Any, user: Any, **kwargs: object) -> None:
    session = getattr(request, "session", None)
    if not isinstance(session, SessionBase) or not session.session_key:
        # As of ``channels.auth.logout``, which does not tell which session it is.
        return
    end = SessionEnd(hashes=hashes_of_session(session), user_id=user_id_of(user))
    _put_after_flush(session, end)


def _database_of(session: Any) -> str | None:
    """Return the database that keeps a session, if one does."""
    model = getattr(session, "model", None)
    return None if model is None else router.db_for_write(model)


def _put_after_flush(session: Any, end: SessionEnd) -> None:
    """Queue an end once its session is flushed, and that is committed.

    Django flushes a session after it has sent the signal.
    """
    flush, aflush = session.flush, session.aflush
    using = _database_of(session)

    def restore() -> None:
        for name in ("flush", "aflush"):
            session.__dict__.pop(name, None)

    def flush_and_tell() -> None:
        restore()
        flush()
        _put_on_commit(end, using)

    async def aflush_and_tell() -> None:
        restore()
        await aflush()
        if using is None:
            _put(end)
        else:
            # Where the queries run, there may be a transaction.
            await sync_to_async(_put_on_commit)(end, using)

    session.flush, session.aflush = flush_and_tell, aflush_and_tell


@_guarded
def _on_save(
    *,
    instance: Any,
    created: bool,
    using: str,
    update_fields: Any = None,
    **kwargs: object,
) -> None:
    user_id = user_id_of(instance)
    if created or user_id is None:
        return
    events = get_settings().close_on
    end = None
    if "deactivation" in events and _is_saved("is_active", update_fields):
        end = None if _is_active(instance) else _deactivated(user_id)
    if end is None and "password_change" in events:
        if getattr(instance, "_password", None) is None:
            return
        if _is_saved("password", update_fields):
            end = _password_changed(instance, user_id)
    if end is not None:
        _put_on_commit(end, using)


def _is_saved(name: str, update_fields: Any) -> bool:
    return update_fields is None or name in update_fields


def _is_active(user: Any) -> bool:
    try:
        user._meta.get_field("is_active")
    except FieldDoesNotExist:
        return bool(getattr(user, "is_active", True))
    # Reading a deferred attribute would query the database.
    return bool(user.__dict__.get("is_active", True))


def _deactivated(user_id: str) -> UserEnd:
    return UserEnd(user_id=user_id, reason="deactivation")


def _password_changed(user: Any, user_id: str) -> UserEnd:
    return UserEnd(
        user_id=user_id,
        reason="password_change",
        current=tuple(it for found in _auth_hashes(user) for it in keyed_hashes(found)),
        keep=take_kept(user_id),
    )


def _auth_hashes(user: Any) -> Iterator[str]:
    """Yield what sessions have of the new password, if the user's class says that."""
    if hasattr(user, "get_session_auth_hash"):
        yield user.get_session_auth_hash()
    if hasattr(user, "get_session_auth_fallback_hash"):
        yield from user.get_session_auth_fallback_hash()


@_guarded
def _on_delete(*, instance: Any, using: str, **kwargs: object) -> None:
    # Read now: Django takes the key away.
    user_id = user_id_of(instance)
    if user_id is not None:
        _put_on_commit(_deactivated(user_id), using)


@_guarded
def _put_on_commit(end: SessionEnd | UserEnd, using: str | None) -> None:
    """Queue an end when the transaction is committed, if there is one."""
    put = functools.partial(_put, end)
    if using is not None and transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(put, using=using)
    else:
        put()


@_guarded
def _put(end: SessionEnd | UserEnd) -> None:
    revoker.put(end)
