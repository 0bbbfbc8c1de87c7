"""The routes of the actions."""

from __future__ import annotations

from collections.abc import Sequence

from django_socket_status.admin.access import Permission
from django_socket_status.admin.actions.command_view import command, stop
from django_socket_status.admin.actions.disconnect_view import disconnect
from django_socket_status.admin.actions.drain_view import drain
from django_socket_status.admin.actions.drained_view import drained, stop_drain
from django_socket_status.admin.actions.log_views import change, history
from django_socket_status.admin.routes import GET, POST, Route

__all__ = ["ROUTES"]

#: The pages of an action name connections and their users.
NEEDS: tuple[Permission, ...] = ("view_connection", "disconnect_connection")
#: The pages of a drain name workers.
DRAIN_NEEDS: tuple[Permission, ...] = ("view_status", "disconnect_connection")

ROUTES: Sequence[Route] = (
    Route(
        name="disconnect",
        path="disconnect/",
        view=disconnect,
        needs=NEEDS,
        methods=(*GET, *POST),
    ),
    Route(name="command", path="command/<str:command_id>/", view=command, needs=NEEDS),
    Route(
        name="stop",
        path="command/<str:command_id>/stop/",
        view=stop,
        needs=NEEDS,
        methods=POST,
    ),
    Route(
        name="drain",
        path="drain/",
        view=drain,
        needs=DRAIN_NEEDS,
        methods=(*GET, *POST),
    ),
    Route(
        name="drained",
        path="drain/<str:command_id>/",
        view=drained,
        needs=DRAIN_NEEDS,
    ),
    Route(
        name="stop_drain",
        path="drain/<str:command_id>/stop/",
        view=stop_drain,
        needs=DRAIN_NEEDS,
        methods=POST,
    ),
    # Django's log of the admin and its templates reverse these two names.
    Route(
        name="change",
        path="<path:object_id>/change/",
        view=change,
        needs=("view_connection",),
    ),
    Route(
        name="history",
        path="<path:object_id>/history/",
        view=history,
        needs=("view_connection",),
    ),
)
