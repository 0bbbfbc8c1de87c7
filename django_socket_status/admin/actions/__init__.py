"""The routes of the actions."""

from __future__ import annotations

from collections.abc import Sequence

from django_socket_status.admin.access import Permission
from django_socket_status.admin.actions.command_view import command, stop
from django_socket_status.admin.actions.disconnect_view import disconnect
from django_socket_status.admin.actions.log_views import change, history
from django_socket_status.admin.routes import GET, POST, Route

__all__ = ["ROUTES"]

#: The pages of an action name connections and their users.
NEEDS: tuple[Permission, ...] = ("view_connection", "disconnect_connection")

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
    # The names that the log of the admin, and templates of Django, ask for.
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
