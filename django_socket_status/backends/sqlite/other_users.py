"""Which other users of this host run workers of this deployment.

The default directory is private to its user, so workers of two users write two status
files. A reader must not take the workers in one file for all workers. So the workers of
each user touch an empty file, the *sign*, in a directory that every user can list. The
name and the owner of a sign are the user's id; its time is that of the last report.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from django_socket_status.backends.sqlite.paths import user_id
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import BackendUnusableError

__all__ = ["OtherUsers"]

logger = logging.getLogger("django_socket_status")

#: For how long the result of one look at the directory is used.
KEEP_SECONDS = 1.0
#: Only so many signs are read, since any user of the host can make files there.
MOST = 64

#: As for ``/tmp``: every user can add files, and remove only their own.
OPEN_TO_ALL = 0o1777


class OtherUsers:
    """Leaves the sign of this user, and finds the signs of others.

    Never raises an OSError: where signs cannot be made, no users are found.

    Args:
        path: Returns the default status file; ``None`` if a path was given, which all
            users share.
    """

    def __init__(self, path: Callable[[], Path] | None) -> None:
        self._path = path if user_id() is not None else None
        self._looked_at = float("-inf")
        self._found: tuple[int, ...] = ()

    def announce(self) -> None:
        """Make or touch the sign of this user. Call it once a second."""
        if self._path is None:
            return
        with contextlib.suppress(OSError, BackendUnusableError):
            sign = self._directory() / str(user_id())
            try:
                # Another user may own the directory, and could have put a link there.
                os.utime(sign, follow_symlinks=False)
            except FileNotFoundError:
                self._make(sign)

    def users(self) -> tuple[int, ...]:
        """Return the ids of other users who reported within the last lease."""
        if self._path is None:
            return ()
        now = monotonic()
        if not 0 <= now - self._looked_at < KEEP_SECONDS:
            before, self._found = self._found, self._look()
            self._looked_at = now
            if self._found and not before:
                logger.warning("%s", self.reason())
        return self._found

    def reason(self) -> str:
        """Return why the answer is incomplete; empty if there are no other users."""
        users = self.users()
        if not users:
            return ""
        told = ", ".join(map(str, users))
        return (
            f"Workers of another user (uid {told}) report this deployment to another "
            f"status file, which this user (uid {user_id()}) cannot read. Run all "
            "processes as one user, or set SOCKET_STATUS['OPTIONS']['path'] and run "
            "the others as its owner."
        )

    def verify_none(self) -> None:
        """Verify that no other user reports this deployment.

        Raises:
            BackendUnusableError: another user does.
        """
        if self.users():
            raise BackendUnusableError(self.reason())

    def _directory(self) -> Path:
        """Return where the signs are, beside the private directories.

        Raises:
            BackendUnusableError: there is no temporary directory.
        """
        assert self._path is not None  # noqa: S101 - each caller has asked
        path = self._path()
        return path.parent.with_name(f".django-socket-status-{path.name}")

    def _make(self, sign: Path) -> None:
        with contextlib.suppress(FileExistsError):
            sign.parent.mkdir()
            sign.parent.chmod(OPEN_TO_ALL)
        if not sign.parent.is_symlink():
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            os.close(os.open(sign, flags, 0o600))

    def _look(self) -> tuple[int, ...]:
        oldest = time.time() - get_settings().lease_seconds - KEEP_SECONDS
        users: set[int] = set()
        with (
            contextlib.suppress(OSError, BackendUnusableError),
            os.scandir(self._directory()) as signs,
        ):
            for sign in itertools.islice(signs, MOST):
                found = sign.stat(follow_symlinks=False)
                # Only a sign that belongs to the user whom it names counts.
                if sign.name == str(found.st_uid) and found.st_mtime >= oldest:
                    users.add(found.st_uid)
        return tuple(sorted(users - {user_id()}))
