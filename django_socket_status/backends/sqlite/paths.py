"""The default path of the status file, and the user who owns it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from django_socket_status.backends.sqlite.deployment import file_name

__all__ = ["default_path", "temporary_directory", "user_id"]

#: The directories of :mod:`tempfile`, in its order, if the environment names none.
SYSTEM_DIRECTORIES = ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108 - the directory is private


def default_path() -> Path:
    """Return the default status file of this deployment.

    In a private directory of this user, in the temporary directory.

    Raises:
        OSError: there is no temporary directory that can be written.
    """
    user = user_id()
    name = os.environ.get("USERNAME", "user") if user is None else str(user)
    directory = temporary_directory() / f"django-socket-status-{name}"
    return directory / file_name()


def temporary_directory() -> Path:
    """Return the temporary directory that all processes of this user get.

    ``tempfile.gettempdir`` skips a directory that is full, and falls back to the
    working directory (see its documentation), so two processes may get two results.
    This function returns the first directory that the user may write, full or not, and
    never the working directory. A directory in ``tempfile.tempdir`` goes first.

    Raises:
        OSError: there is no such directory.
    """
    found = os.path.abspath(tempfile.gettempdir())
    if os.name == "nt" and not _is_working_directory(found):
        return Path(found)
    named = [os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    candidates = [*filter(os.path.isabs, named), *SYSTEM_DIRECTORIES]
    if found not in map(os.path.abspath, candidates) and not _is_working_directory(
        found
    ):
        return Path(found)
    for directory in candidates:
        if os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK):
            return Path(os.path.abspath(directory))
    raise FileNotFoundError(
        f"none of {', '.join(candidates)} is a directory that this user can write, and "
        "other processes need not share the working directory, which Python would take"
    )


def user_id() -> int | None:
    """Return the effective user id of this process; ``None`` on Windows."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def _is_working_directory(directory: str) -> bool:
    """Return whether this process works, or was started, in a directory."""
    working = {os.environ.get("PWD", "")}
    # A deploy may have removed the directory in which this process was started.
    with contextlib.suppress(OSError):
        working.add(os.getcwd())
    real = {os.path.realpath(path) for path in working if os.path.isabs(path)}
    return os.path.realpath(directory) in real
