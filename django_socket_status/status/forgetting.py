"""Removes a user from the lists of closed connections and rejected handshakes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import get_args

from django_socket_status.activity.forgetting import without_user
from django_socket_status.activity.stored import Ended
from django_socket_status.backends.base import BaseBackend
from django_socket_status.status.arguments import UserOrKey, user_id_in
from django_socket_status.status.kept import not_kept
from django_socket_status.status.reader import status_reader
from django_socket_status.validation import valid_count

__all__ = ["aforget_user", "forget_user"]


def forget_user(user: UserOrKey) -> int:
    """Remove a user from the lists of closed and rejected connections.

    The entries stay, without a user; their labels stay, too. This covers what the
    backend keeps now. A connection of the user that is open, or that a worker has not
    reported as closed yet, is listed with the user when it is reported: within a
    heartbeat, or after an outage. So is one of a worker that was lost within the last
    six leases, or half a minute. Disconnect the user first, and call this again later,
    for these.

    Returns:
        How many entries were changed; 0 if the backend keeps no such lists.

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
    rewrite = functools.partial(without_user, user_id=user_id)

    def ask(backend: BaseBackend) -> int:
        if "rewrites" in backend.keeps:
            lists: tuple[Ended, ...] = get_args(Ended)
            return sum(valid_count(backend.rewrite_ended(it, rewrite)) for it in lists)
        if "endings" in backend.keeps:
            raise not_kept(backend, "list of closed connections that can be changed")
        return 0

    return ask
