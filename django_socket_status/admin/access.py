"""Which permissions of the admin page a user has."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from django.http import HttpRequest

from django_socket_status.models import SocketStatus

__all__ = ["PERMISSIONS", "Access", "Permission", "access_of"]

#: ``view_status``: counts, plots and workers. ``view_connection``: connections and
#: their users. ``disconnect_connection``: closing connections. None implies another.
Permission = Literal["view_status", "view_connection", "disconnect_connection"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)


class Access(NamedTuple):
    """The permissions of one user; templates get it as ``access``."""

    view_status: bool
    view_connection: bool
    disconnect_connection: bool

    def has(self, *permissions: Permission) -> bool:
        """Return whether the user has all these permissions."""
        return all(getattr(self, permission) for permission in permissions)


def access_of(request: HttpRequest) -> Access:
    """Return the permissions of the user of a request."""
    label = SocketStatus._meta.app_label
    user = request.user
    return Access(*(user.has_perm(f"{label}.{name}") for name in PERMISSIONS))
