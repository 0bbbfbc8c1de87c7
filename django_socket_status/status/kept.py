"""Tells readers what is not kept, why, and how to have it kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django_socket_status.activity.stored import Ended, Kept
from django_socket_status.backends.base import BaseBackend
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import NotKeptError

__all__ = ["kept", "no_details", "not_kept", "verify_list"]

T = TypeVar("T")

#: The settings that bound a list; 0 keeps none.
_LIMITS: dict[Ended, tuple[str, ...]] = {
    "closed": ("closed_limit", "closed_seconds"),
    "rejected": ("rejected_limit", "closed_seconds"),
}


def kept(
    what: Kept, name: str, question: Callable[[BaseBackend], T]
) -> Callable[[BaseBackend], T]:
    """Return the question, for a backend that keeps what it is about.

    Args:
        what: What the backend has to keep.
        name: How users call it.
        question: Called with the backend if it does.

    Raises:
        NotKeptError: when it is asked, and the backend does not keep that.
    """

    def ask(backend: BaseBackend) -> T:
        if what not in backend.keeps:
            raise not_kept(backend, name)
        return question(backend)

    return ask


def verify_list(backend: BaseBackend, ended: Ended) -> None:
    """Verify that a list of ended connections is kept.

    Raises:
        NotKeptError: the backend keeps no connections, or a setting keeps none.
    """
    if not backend.wants_details:
        raise no_details(backend, ended)
    if "endings" not in backend.keeps:
        raise not_kept(backend, f"list of {ended} connections")
    for name in _LIMITS[ended]:
        if not getattr(get_settings(), name):
            raise NotKeptError(
                f"There is no list of {ended} connections: "
                f"SOCKET_STATUS['{name.upper()}'] is 0. Set it to a number above 0."
            )


def no_details(backend: BaseBackend, state: str) -> NotKeptError:
    """Return the error for a list of a backend that keeps numbers alone."""
    return NotKeptError(
        f"There is no list of {state} connections: {_path(backend)} keeps numbers "
        "alone, as it is configured. Set SOCKET_STATUS['OPTIONS']['details'] to "
        "True in every process."
    )


def not_kept(backend: BaseBackend, name: str) -> NotKeptError:
    """Return the error for what a backend does not keep."""
    return NotKeptError(
        f"{_path(backend)} keeps no {name}. Use a backend that does, such as those of "
        "this package, in SOCKET_STATUS['BACKEND']."
    )


def _path(backend: BaseBackend) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"
