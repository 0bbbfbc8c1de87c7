"""Removes a user from the lists of closed connections and rejected handshakes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import get_args

from django_socket_status.activity.forgetting import without_user
from django_socket_status.activity.stored import Ended, Rewritten
from django_socket_status.backends.base import BaseBackend
from django_socket_status.status.arguments import UserOrKey, user_id_in
from django_socket_status.status.forgotten import Mark
from django_socket_status.status.kept import not_kept
from django_socket_status.status.reader import status_reader
from django_socket_status.validation import valid_count

__all__ = ["aforget_user", "forget_user"]


def forget_user(user: UserOrKey) -> int:
    """Remove a user from the lists of closed and rejected connections.

    The entries stay, without a user; their labels stay, too. A connection that is open,
    or that a worker has not reported as ended yet, or that a lost worker held, is
    listed without the user when it ends or is reported, if it opened before this call.
    What is reported later has the user in the store: readers hide it. Call this again
    later to remove it there.

    Returns:
        How many stored entries were changed; 0 if the backend keeps no such lists.

    Raises:
        ValueError: the user is anonymous.
        TypeError: the argument is neither a user nor a primary key.
        StatusUnavailableError: the backend failed or did not answer in time. Some
            entries may have been changed: call this again.
        NotKeptError: the backend keeps the lists and cannot change them.
    """
    return status_reader.ask(_question(user), searches=True)


async def aforget_user(user: UserOrKey) -> int:
    """Remove a user from the lists, as :meth:`forget_user`."""
    return await status_reader.aask(_question(user), searches=True)


def _question(user: UserOrKey) -> Callable[[BaseBackend], int]:
    user_id = user_id_in(user)
    if user_id is None:
        raise ValueError("user must have a primary key: anonymous users have none.")

    def ask(backend: BaseBackend) -> int:
        if "rewrites" in backend.keeps:
            lists: tuple[Ended, ...] = get_args(Ended)
            return sum(_forget(backend, it, user_id) for it in lists)
        if "endings" in backend.keeps:
            raise not_kept(backend, "list of closed connections that can be changed")
        return 0

    return ask


def _forget(backend: BaseBackend, ended: Ended, user_id: str) -> int:
    mark = Mark(user_id, time.time())

    def rewrite(text: str) -> Rewritten | None:
        return mark.added_to(text) or without_user(text, user_id)

    changed = valid_count(backend.rewrite_ended(ended, rewrite))
    if not mark.is_kept and "endings" in backend.keeps:
        backend.keep_ended(ended, mark.entries())
    return changed
