"""Removes a user from the stored form of ended connections."""

from __future__ import annotations

import json

from django_socket_status.activity.stored import Rewritten
from django_socket_status.records import OpenedConnection

__all__ = ["without_user"]

#: Where an entry has its user.
USER = OpenedConnection._fields.index("user_id")
#: What a reader takes for damaged: it says that the list is not complete.
DAMAGED = "{}"


def without_user(text: str, user_id: str) -> Rewritten | None:
    """Return the text of some entries without a user, ``None`` if it has no such user.

    What is damaged, so that nothing can list it, is removed if it may name the user.
    """
    # Every writer encodes a user like this: see :mod:`.entries`.
    encoded = json.dumps(user_id)
    if encoded not in text:
        return None
    try:
        body = json.loads(text)
        entries = list(body["entries"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return Rewritten(DAMAGED, 0)
    changed = damaged = 0
    for position, entry in enumerate(entries):
        if not isinstance(entry, list) or len(entry) <= USER:
            damaged += entry is not None
            entries[position] = None
        elif entry[USER] == user_id:
            entry[USER] = None
            changed += 1
    if not changed and not damaged:
        return None
    new = json.dumps({**body, "entries": entries}, separators=(",", ":"))
    return Rewritten(new, changed)
