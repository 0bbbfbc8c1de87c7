"""The columns of the lists: which there are, and which ones a URL asks for.

Their names are those of ``manage.py socket_status``, with one column for each label,
such as ``label.room``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_socket_status.admin.filters import LABEL_PREFIX
from django_socket_status.status.list_types import STATES, State

__all__ = ["DEFAULTS", "Column", "chosen", "columns_of", "query_value"]

OPEN_CLOSED: Sequence[State] = ("open", "closed")
CLOSED: Sequence[State] = ("closed",)
ENDED: Sequence[State] = ("closed", "rejected")

#: The most columns that a URL may ask for.
MAX_COLUMNS = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a list."""

    name: str
    """What the URL calls it."""
    title: str | Promise
    """What stands above it."""
    states: Sequence[State] = STATES
    """The lists that have it."""
    is_number: bool = False
    """Whether its values are aligned to the end."""


COLUMNS: Mapping[str, Column] = {
    it.name: it
    for it in (
        Column("user_id", _("User")),
        Column("type", pgettext_lazy("WebSocket", "Type")),
        Column("endpoint", _("Endpoint")),
        Column("labels", _("Labels")),
        Column("age", _("Connected for"), ("open",)),
        Column("status", _("Status"), ("rejected",)),
        Column("cause", _("Cause"), CLOSED),
        Column("close_code", _("Code"), CLOSED, is_number=True),
        Column("close_reason", _("Reason"), CLOSED),
        Column("duration_seconds", _("Lasted"), CLOSED, is_number=True),
        Column("closed_at", pgettext_lazy("time", "Closed"), CLOSED),
        Column("rejected_at", pgettext_lazy("time", "Rejected"), ("rejected",)),
        Column("connected_at", _("Connected at"), OPEN_CLOSED),
        Column("worker_id", _("Worker")),
        Column("host", _("Host")),
        Column("release", _("Release")),
        Column("connection_id", _("Connection"), OPEN_CLOSED),
    )
}

DEFAULTS: Mapping[State, Sequence[str]] = {
    "open": ("user_id", "type", "endpoint", "labels", "age", "worker_id"),
    "closed": (
        *("closed_at", "user_id", "type", "labels"),
        *("cause", "close_code", "close_reason", "duration_seconds"),
    ),
    "rejected": (
        *("rejected_at", "status", "type", "endpoint"),
        *("user_id", "labels", "worker_id"),
    ),
}


def columns_of(state: State) -> Sequence[Column]:
    """Return the columns that a list has, without those of single labels."""
    return [it for it in COLUMNS.values() if state in it.states]


def chosen(query: QueryDict, state: State) -> Sequence[Column]:
    """Return the columns that a URL asks for: ``cols=type,age``, or some ``col=type``.

    A column that the list does not have is left out. With none left, the default ones
    are returned.
    """
    names = [*query.get("cols", "").split(","), *query.getlist("col")]
    wanted = dict.fromkeys(it.strip() for it in names if it.strip())
    found = [it for it in map(_column, wanted) if it and state in it.states]
    return found[:MAX_COLUMNS] or [COLUMNS[name] for name in DEFAULTS[state]]


def query_value(columns: Sequence[Column], state: State) -> str | None:
    """Return the parameter ``cols`` of a URL; ``None`` for the default columns."""
    names = [it.name for it in columns]
    return None if names == list(DEFAULTS[state]) else ",".join(names)


def _column(name: str) -> Column | None:
    if name.startswith(LABEL_PREFIX) and name != LABEL_PREFIX:
        return Column(name[:80], name.removeprefix(LABEL_PREFIX)[:64])
    return COLUMNS.get(name)
