"""Where workers report, and readers read: see :mod:`.base` for the contract."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_socket_status.backends.base import BaseBackend
from django_socket_status.conf import SETTING, get_settings
from django_socket_status.forks import after_fork

__all__ = ["BaseBackend", "create_backend", "forget_after_fork", "get_backend"]

# A plain dict with one entry: ``setdefault`` is one step, so that two threads that come
# first agree on one backend. (``django.utils.connection`` would make one for each
# task.)
_backends: dict[str, BaseBackend] = {}
_CURRENT = "current"


def get_backend() -> BaseBackend:
    """Return this process's backend, made from the settings at the first call.

    Raises:
        ImproperlyConfigured: ``BACKEND`` cannot be imported, is no backend, or does not
            take ``OPTIONS``.
    """
    backend = _backends.get(_CURRENT)
    if backend is None:
        after_fork(forget_after_fork)
        backend = _backends.setdefault(_CURRENT, create_backend())
    return backend


def create_backend() -> BaseBackend:
    """Return a new backend as the settings say. No I/O.

    Raises:
        ImproperlyConfigured: see :func:`get_backend`.
    """
    settings = get_settings()
    try:
        cls = import_string(settings.backend)
    except ImportError as error:
        msg = f"SOCKET_STATUS['BACKEND'] {settings.backend!r} cannot be imported."
        raise ImproperlyConfigured(f"{msg} {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, BaseBackend)):
        raise ImproperlyConfigured(
            f"SOCKET_STATUS['BACKEND'] {settings.backend!r} is not a subclass of "
            "django_socket_status.backends.base.BaseBackend."
        )
    try:
        return cls(**settings.options)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"{settings.backend} does not take SOCKET_STATUS['OPTIONS']: {error}"
        ) from error


def forget_after_fork() -> None:
    """Let the backend of a forked child let go of what is its parent's."""
    for backend in _backends.values():
        backend.forget_after_fork()


def _drop(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        backend = _backends.pop(_CURRENT, None)
        if backend is not None:
            backend.close()


setting_changed.connect(_drop, dispatch_uid="django_socket_status.backends")
