"""Where workers report, and readers read: see :mod:`.base` for the contract."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.forks import after_fork
from django_socket_status.conf import SETTING, get_settings

__all__ = [
    "BaseBackend",
    "close_if_replaced",
    "create_backend",
    "forget_after_fork",
    "get_backend",
]

# A plain dict with one entry. ``setdefault`` is atomic, so two threads that both create
# a backend use the same one. (``django.utils.connection`` would make one for each
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
        backend = _backends.setdefault(_CURRENT, create_backend())
    return backend


def close_if_replaced(backend: BaseBackend) -> None:
    """Close a backend again that another one has replaced while it was used.

    A thread of this package calls it after it used the backend: a changed setting may
    have closed the backend, and the use has opened it again.
    """
    if _backends.get(_CURRENT) is not backend:
        backend.close()


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
    """Make the backend of a forked child forget its parent's connections."""
    for backend in _backends.values():
        backend.forget_after_fork()


def _drop(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING:
        backend = _backends.pop(_CURRENT, None)
        if backend is not None:
            backend.close()


setting_changed.connect(_drop, dispatch_uid="django_socket_status.backends")
# Registered here, so that it also runs in a process that only reads.
after_fork(forget_after_fork)
