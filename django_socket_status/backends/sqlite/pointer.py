"""The status file, which names the current generation of the SQLite backend's files.

The status file holds one line: the token of the current *generation*. A generation is
a database and two lock files, with that random token in their names, so that SQLite
cannot replay the journal of one into another. Workers can report everything again. So a
new generation replaces one that is damaged, removed by a cleaner of temporary
directories, or blocked by a frozen process. A process that has the old one open notices
that at its next use, and reports to the new one in full.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

from django.utils.functional import cached_property

from django_socket_status.backends.sqlite.generation import (
    Generation,
    create_private,
    publish,
    remove_leftovers,
)
from django_socket_status.backends.sqlite.other_users import OtherUsers
from django_socket_status.backends.sqlite.paths import default_path, user_id
from django_socket_status.exceptions import BackendUnusableError

__all__ = ["StatusFile"]

MAGIC = b"django-socket-status 1 "
TOKEN_BYTES = 8
#: Stands for whatever the status file has. None has a line like this.
ANY = b"*"
ELSEWHERE = (
    "Set SOCKET_STATUS['OPTIONS']['path'] to a file in a directory that this user can "
    "write and that has space left, or use "
    "django_socket_status.backends.memory.MemoryBackend."
)

_LINE = re.compile(re.escape(MAGIC) + rb"([0-9a-f]{%d})\n" % (2 * TOKEN_BYTES))


class StatusFile:
    """The file that names the current generation.

    Args:
        path: The file; ``None`` is :func:`default_path`, where each user has another.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._given = None if path is None else Path(path)
        self._had_directory = False
        self.others = OtherUsers(None if path is not None else lambda: self.path)

    @cached_property
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
                f"There is no directory for a status file ({error}). {ELSEWHERE}"
            ) from error

    def stamp(self) -> tuple[int, ...] | None:
        """Return what changes when another generation becomes the current one.

        No process keeps this file open, so a later file can get its inode. The time
        distinguishes them.
        """
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def current(self) -> Generation | None:
        """Return the current generation; ``None`` if there is none.

        A file that a full disk or a power failure cut short counts as none.

        Raises:
            BackendUnusableError: the file or its directory belongs to another user,
                or cannot be read.
        """
        self._verify_directory()
        line, _ = self._read()
        return self._named_in(line)

    def make(
        self,
        doubted: Generation | None,
        prepare: Callable[[Path], None],
        *,
        keep: bool = False,
    ) -> Generation:
        """Return a new generation, or the one that another process just made.

        Args:
            doubted: The one that the caller found unusable; ``None`` if there is none.
            prepare: Fills an empty database.
            keep: Whether the doubted one stays for a slow reader, as a leftover.

        Raises:
            BackendUnusableError: it cannot be made here.
        """
        self._verify_directory(create=True)
        line, owner = self._read()
        current = self._named_in(line)
        if current is not None and current != doubted:
            return current
        if owner not in {None, user_id()}:
            # Root can read the file, but its owner could not read what root writes.
            raise self._unusable(f"belongs to another user (uid {owner})")
        replaced = None if keep else doubted
        try:
            made = self._create(prepare, replaced, line)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(f"cannot be written ({error})") from error
        if replaced is not None:
            replaced.remove()
        remove_leftovers(self.path, spared=made)
        return made

    def _create(
        self,
        prepare: Callable[[Path], None],
        replaced: Generation | None,
        line: bytes | None,
    ) -> Generation:
        """Create a generation, or return the one that another process made first."""
        try:
            made, is_ours = self._create_once(prepare, line)
        except (OSError, sqlite3.Error):
            if replaced is None:
                raise
            # The disk may be full: free the space of the generation that goes anyway.
            replaced.remove()
            remove_leftovers(self.path, spared=replaced)
            made, is_ours = self._create_once(prepare, line)
        if is_ours:
            return made
        made.remove()
        # If the file of the other process was removed or cut short since, replace it.
        return self.current() or self._create_once(prepare, ANY)[0]

    def _create_once(
        self, prepare: Callable[[Path], None], line: bytes | None
    ) -> tuple[Generation, bool]:
        """Create the files of a generation, and :meth:`_publish` it."""
        made = self._generation(secrets.token_hex(TOKEN_BYTES))
        news = self.path.with_name(f"{self.path.name}-{made.token}.new")
        try:
            for file in (made.database, made.locks, made.guard):
                create_private(file)
            prepare(made.database)
            create_private(news, MAGIC + made.token.encode("ascii") + b"\n")
            return made, self._publish(news, line)
        except (OSError, sqlite3.Error, BackendUnusableError):
            made.remove()
            with contextlib.suppress(OSError):
                news.unlink()
            raise

    def verify_writable(self) -> None:
        """Verify that a generation could be made here, and create nothing.

        Raises:
            BackendUnusableError: it could not.
        """
        self._verify_directory()
        directory = self.path.parent
        if not directory.exists():
            directory = directory.parent
        if not os.access(directory, os.W_OK | os.X_OK):
            raise self._unusable(f"cannot be made: {directory} is not writable")

    def _publish(self, news: Path, line: bytes | None) -> bool:
        """Make a new generation current; false if another process was the first.

        Args:
            news: The line that names it.
            line: What it takes the place of. Another process may have replaced that
                meanwhile, and workers may have reported to its generation.
        """
        # At worst, two processes replace a line in one moment, and one reports again.
        if line in {None, ANY} or line == self._read()[0]:
            return publish(news, self.path, is_first=line is None)
        news.unlink()
        return False

    def _verify_directory(self, *, create: bool = False) -> None:
        """Verify the directory, and make the default one private to this user.

        Raises:
            BackendUnusableError: it is missing, no directory, or of another user.
        """
        directory = self.path.parent
        try:
            found = self._look_at(directory)
            if found is None and create:
                directory.mkdir(mode=0o700, exist_ok=True)
                found = self._look_at(directory)
            if found is None:
                return
            if not stat.S_ISDIR(found.st_mode):
                raise self._unusable(f"cannot be made: {directory} is not a directory")
            self._had_directory = True
            if self._given is None:
                self._make_private(directory, found)
        except OSError as error:
            raise self._unusable(f"cannot be reached ({error})") from error

    def _look_at(self, directory: Path) -> os.stat_result | None:
        """Return what is there; ``None`` if nothing is, and the directory may be made.

        A given directory that never existed is not made: its volume may not be mounted,
        or its name may be misspelled. One that existed before was removed by a cleaner.
        """
        try:
            # A given directory may be a link.
            return directory.lstat() if self._given is None else directory.stat()
        except FileNotFoundError:
            if self._given is None or self._had_directory:
                return None
        raise self._unusable(
            f"cannot be made: {directory} does not exist. Create it, or mount it"
        )

    def _make_private(self, directory: Path, found: os.stat_result) -> None:
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
        """Return the content and the owner; ``None`` for each if there is no file."""
        # Another user may have put a link or a pipe there.
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
            "django-socket-status, and is left alone. Remove it if you do not need it. "
            f"{ELSEWHERE}"
        )

    def _generation(self, token: str) -> Generation:
        return Generation.beside(self.path, token)

    def _unusable(self, what: str) -> BackendUnusableError:
        return BackendUnusableError(f"The status file {self.path} {what}. {ELSEWHERE}")
