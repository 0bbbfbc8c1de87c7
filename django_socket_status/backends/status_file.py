"""The files of the SQLite backend: where they are, whose, and whether still the same.

The status file itself is one line that names the current *generation*: a database and a
lock file beside it, with a random token in their names. Everything in a generation can
be told again by the workers, so the remedy for every doubt (a file is damaged, or was
removed by a cleaner of temporary directories, or a frozen process holds the write lock)
is one: put a new generation in its place. Whoever still has the old one open sees that
at its next look, and reports to the new one in full. A name of its own for each
generation keeps SQLite from replaying one's write-ahead log into another.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

from django_socket_status.backends.generation import Generation
from django_socket_status.backends.status_path import default_path, user_id
from django_socket_status.exceptions import BackendUnusableError

__all__ = ["StatusFile"]

MAGIC = b"django-socket-status 1 "
TOKEN_BYTES = 8
ELSEWHERE = (
    "Set SOCKET_STATUS['OPTIONS']['path'] to a file in a directory that this user can "
    "write and that has space left, or use "
    "django_socket_status.backends.memory.MemoryBackend."
)

#: Age at which a file of a generation that is not the current one is litter.
LEFTOVER_SECONDS = 60.0

_LINE = re.compile(re.escape(MAGIC) + rb"([0-9a-f]{%d})\n" % (2 * TOKEN_BYTES))


class StatusFile:
    """The file that names the current generation.

    Args:
        path: The file; ``None`` is :func:`default_path`.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._given = None if path is None else Path(path)

    @functools.cached_property
    def path(self) -> Path:
        """Return where the file is.

        Raises:
            BackendUnusableError: no temporary directory can be written.
        """
        if self._given is not None:
            return self._given
        try:
            return default_path()
        except OSError as error:
            raise BackendUnusableError(
                f"There is no place for a status file ({error}). {ELSEWHERE}"
            ) from error

    def stamp(self) -> tuple[int, ...] | None:
        """Return what changes when another generation becomes the current one.

        Nobody has this file open, so its inode can come back: the time is for that.
        """
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def current(self) -> Generation | None:
        """Return the current generation; ``None`` when nobody has made one.

        A file of ours that was cut short, by a full disk or a power failure, counts as
        nobody's.

        Raises:
            BackendUnusableError: the file or its directory is somebody else's, or
                cannot be read.
        """
        self._verify_directory()
        line, _ = self._read()
        return self._named_in(line)

    def make(
        self, doubted: Generation | None, prepare: Callable[[Path], None]
    ) -> Generation:
        """Return a new generation, or the one that another process just made.

        Args:
            doubted: The one that goes; ``None`` if there is none.
            prepare: Fills an empty database.

        Raises:
            BackendUnusableError: it cannot be made here.
        """
        self._verify_directory(create=True)
        line, owner = self._read()
        current = self._named_in(line)
        if current is not None and current != doubted:
            return current
        if owner not in {None, user_id()}:
            # Root can look, but the owner could not read what root makes.
            raise self._unusable(f"belongs to another user (uid {owner})")
        made = self._generation(secrets.token_hex(TOKEN_BYTES))
        news = self.path.with_name(f"{self.path.name}-{made.token}.new")
        try:
            _create_private(made.database)
            _create_private(made.locks)
            prepare(made.database)
            _create_private(news, MAGIC + made.token.encode("ascii") + b"\n")
            is_ours = self._publish(news, is_first=line is None)
        except (OSError, sqlite3.Error) as error:
            made.remove()
            with contextlib.suppress(OSError):
                news.unlink()
            raise self._unusable(f"cannot be written ({error})") from error
        if not is_ours:
            made.remove()
            made = self.current() or made
        if doubted is not None:
            doubted.remove()
        self._remove_leftovers(made)
        return made

    def verify_writable(self) -> None:
        """See, without writing, whether a generation could be made here.

        Raises:
            BackendUnusableError: it could not.
        """
        self._verify_directory()
        directory = self.path.parent
        if not directory.exists():
            directory = directory.parent
        if not os.access(directory, os.W_OK | os.X_OK):
            raise self._unusable(f"cannot be made: {directory} is not writable")

    def _publish(self, news: Path, *, is_first: bool) -> bool:
        """Name the new generation; false if another process named its first one."""
        if is_first:
            # A hard link, unlike a rename, replaces nothing.
            try:
                os.link(news, self.path)
            except FileExistsError:
                news.unlink()
                return False
            except OSError:
                # No hard links here. At worst, one of two has to report again.
                pass
            else:
                news.unlink()
                return True
        os.replace(news, self.path)
        return True

    def _remove_leftovers(self, current: Generation) -> None:
        """Remove what was left behind: by who died making it, or on Windows."""
        pattern = re.compile(
            rf"{re.escape(self.path.name)}-([0-9a-f]{{{2 * TOKEN_BYTES}}})"
            r"\.(db|db-wal|db-shm|db-journal|locks|new)"
        )
        oldest = time.time() - LEFTOVER_SECONDS
        with contextlib.suppress(OSError):
            for file in self.path.parent.iterdir():
                found = pattern.fullmatch(file.name)
                if found and found[1] != current.token and _is_older(file, oldest):
                    file.unlink(missing_ok=True)

    def _verify_directory(self, *, create: bool = False) -> None:
        """See that the directory is one, and nobody else's if it is the default.

        Raises:
            BackendUnusableError: it is not, or is missing although it was to be made.
        """
        directory = self.path.parent
        # One that was given may be a link, and is its owner's business.
        look = directory.lstat if self._given is None else directory.stat
        try:
            try:
                found = look()
            except FileNotFoundError:
                if not create:
                    return
                directory.mkdir(mode=0o700, exist_ok=True)
                found = look()
            if not stat.S_ISDIR(found.st_mode):
                raise self._unusable(f"has no place: {directory} is not a directory")
            if self._given is None:
                self._verify_private(directory, found)
        except OSError as error:
            raise self._unusable(f"has no place ({error})") from error

    def _verify_private(self, directory: Path, found: os.stat_result) -> None:
        user = user_id()
        if user is None:
            return
        if found.st_uid != user:
            raise self._unusable(
                f"is not safe: {directory} belongs to another user (uid {found.st_uid})"
            )
        if found.st_mode & 0o077:
            directory.chmod(0o700)

    def _read(self) -> tuple[bytes | None, int | None]:
        """Return what the file holds, and whose it is; ``None`` if it is not there."""
        # Neither a link nor a pipe that somebody put there may lead or hold us.
        flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            if self.path.is_symlink():
                raise self._unusable("is a symbolic link, and is not followed")
            file = os.open(self.path, os.O_RDONLY | flags)
            try:
                found = os.fstat(file)
                if not stat.S_ISREG(found.st_mode):
                    raise self._unusable("is not a regular file")
                line = os.read(file, 256)
            finally:
                os.close(file)
        except FileNotFoundError:
            return None, None
        except OSError as error:
            raise self._unusable(f"cannot be read ({error})") from error
        user = user_id()
        if user is None:
            return line, None
        if user not in {0, found.st_uid}:
            raise self._unusable(f"belongs to another user (uid {found.st_uid})")
        return line, found.st_uid

    def _named_in(self, line: bytes | None) -> Generation | None:
        if not line:
            return None
        found = _LINE.fullmatch(line)
        if found:
            return self._generation(found[1].decode("ascii"))
        if line.startswith(MAGIC) or MAGIC.startswith(line):
            return None
        raise BackendUnusableError(
            f"{self.path} is not a status file of this version of "
            "django-socket-status, and is left alone. Remove it if nobody needs it. "
            f"{ELSEWHERE}"
        )

    def _generation(self, token: str) -> Generation:
        return Generation.beside(self.path, token)

    def _unusable(self, what: str) -> BackendUnusableError:
        return BackendUnusableError(f"The status file {self.path} {what}. {ELSEWHERE}")


def _create_private(path: Path, content: bytes = b"") -> None:
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        if os.write(file, content) != len(content):
            raise OSError(f"{path} could not be written whole")
    finally:
        os.close(file)


def _is_older(file: Path, instant: float) -> bool:
    try:
        return file.stat().st_mtime < instant
    except OSError:
        return False
