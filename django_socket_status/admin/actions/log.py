"""The log of the admin: one entry for each action, whatever it closes.

An entry belongs to a connection, or to the commands of an action on several. Neither is
a row of a table, so ``log_views.py`` answers the links to both. The texts are in
the language of the user who acted: Django translates only its own entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet

from django_socket_status.limits import bounded_text
from django_socket_status.models import SocketStatus

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

__all__ = [
    "action_id",
    "command_ids",
    "entries_of",
    "entry_of_action",
    "note",
]

#: The length of ``object_repr`` in the log.
MAX_REPR = 200
#: Enough for the ids of a thousand connections.
MAX_MESSAGE = 60_000
#: The most commands of one action.
MAX_COMMANDS = 20
#: Between the ids of an action. Django quotes other characters in an entry's link.
BETWEEN = "."
_COMMAND = re.compile(r"[0-9a-f]{16}")


def action_id(ids: Iterable[str]) -> str:
    """Return the id of an action, for its URL: the ids of its commands."""
    return BETWEEN.join(ids)


def command_ids(action: str) -> Sequence[str]:
    """Return the ids of the commands of an action; none if the text is no such id."""
    ids = action.split(BETWEEN)
    if len(ids) > MAX_COMMANDS or not all(map(_COMMAND.fullmatch, ids)):
        return ()
    return tuple(dict.fromkeys(ids))


def note(
    user: AbstractBaseUser | AnonymousUser, object_id: str, what: str, message: str
) -> LogEntry:
    """Write the entry of one action.

    Args:
        user: Who acted.
        object_id: The id of a connection, or of an action.
        what: What was acted on, in words.
        message: What was done to it; holds the id of the action.
    """
    entry: LogEntry = LogEntry.objects.create(
        user_id=user.pk,
        content_type=_content_type(),
        object_id=object_id,
        object_repr=bounded_text(what, MAX_REPR),
        action_flag=CHANGE,
        # Django reads a text that begins with "[" as JSON.
        change_message=bounded_text(message, MAX_MESSAGE).lstrip("["),
    )
    return entry


def entries_of(object_id: str) -> QuerySet[LogEntry]:
    """Return the entries about a connection or an action, oldest first.

    Those of actions on several connections name each in their text.
    """
    about = Q(object_id=object_id) | Q(change_message__contains=object_id)
    found = LogEntry.objects.filter(about, content_type=_content_type())
    found = found.select_related("user").order_by("action_time", "pk")
    return cast("QuerySet[LogEntry]", found)


def entry_of_action(action: str) -> LogEntry | None:
    """Return the entry that was written when an action began; ``None`` if none was."""
    return entries_of(action).first()


def _content_type() -> Any:
    return ContentType.objects.get_for_model(SocketStatus, for_concrete_model=False)
