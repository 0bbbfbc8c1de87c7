"""The files beside a status file: of the current generation, and left by former ones.

See :mod:`.pointer` for what a generation is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django_socket_status.backends.sqlite.kernel_locks import FileId, file_id
from django_socket_status.backends.sqlite.paths import user_id

__all__ = [
    "LEFTOVER_SECONDS",
    "Generation",
    "create_private",
    "publish",
    "remove_leftovers",
    "stored_bytes",
    "used_bytes",
]

#: Age at which a file of another generation than the current one is removed.
LEFTOVER_SECONDS = 60.0

#: The unit of ``st_blocks`` of :func:`os.stat` on every file system.
BLOCK_BYTES = 512


@dataclasses.dataclass(frozen=True, slots=True)
class Generation:
    """The names of a database, the lock file of workers, and that of transactions."""

    token: str
    database: Path
    locks: Path
    guard: Path

    @classmethod
    def beside(cls, path: Path, token: str) -> Generation:
        """Return the generation with this token of the status file at ``path``."""
        name = f"{path.name}-{token}"
        return cls(
            token=token,
            database=path.with_name(f"{name}.db"),
            locks=path.with_name(f"{name}.locks"),
            guard=path.with_name(f"{name}.guard"),
        )

    @property
    def files(self) -> tuple[str, ...]:
        """Return the files without which there is no generation."""
        return os.fspath(self.database), os.fspath(self.locks), os.fspath(self.guard)

    @property
    def extras(self) -> tuple[str, ...]:
        """Return what SQLite makes beside the database, here and in older versions."""
        return tuple(f"{self.database}-{end}" for end in ("journal", "wal", "shm"))

    def file_ids(self) -> tuple[FileId | None, ...]:
        """Return which file has each name, ``None`` for one that is not there."""
        return tuple(_id_of(file) for file in self.files)

    def progress(self) -> tuple[object, ...]:
        """Return values that change while a writing process makes progress.

        SQLite copies each page into the journal before the first change to it.
        """
        return tuple(_progress(f"{self.database}{end}") for end in ("", "-journal"))

    def has_journal(self) -> bool:
        """Return whether a transaction runs, or was interrupted by a crash."""
        try:
            return os.stat(f"{self.database}-journal").st_size > 0
        except OSError:
            return False

    def is_whole(self) -> bool:
        """Return whether all files are there and belong to this user.

        Root reads a generation of another user. A link in it could lead root to any
        file of the system, so all must be regular files of one owner.
        """
        user = user_id()
        try:
            found = [os.lstat(file) for file in self.files]
        except OSError:
            return False
        owners = {it.st_uid for it in found}
        if len(owners) != 1 or not all(stat.S_ISREG(it.st_mode) for it in found):
            return False
        return user in {None, 0} or owners == {user}

    def remove(self) -> None:
        """Remove the files, and give their space back at once.

        A process that has the database open would keep its space. So it is emptied
        first: what then reads it gets an error from SQLite and looks for the current
        generation. That is safe without shared memory only, so not for a generation of
        an older version, which has no guard.
        """
        if os.path.exists(self.guard):
            _empty(self.database)
        for file in (*self.files, *self.extras):
            # The file is gone already, or still open on Windows.
            with contextlib.suppress(OSError):
                os.unlink(file)


def create_private(path: Path, content: bytes = b"") -> None:
    """Create a file that only this user can read.

    Raises:
        OSError: it exists already, or cannot be written whole.
    """
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        if os.write(file, content) != len(content):
            raise OSError(f"{path} could not be written whole")
    finally:
        os.close(file)


def publish(news: Path, path: Path, *, is_first: bool) -> bool:
    """Give a file its final name; false if another process was the first.

    Args:
        news: The file.
        path: Its final name.
        is_first: Whether no file may have that name.
    """
    if is_first:
        # A hard link, unlike a rename, replaces nothing.
        try:
            os.link(news, path)
        except FileExistsError:
            news.unlink()
            return False
        except OSError:
            # The file system has no hard links. At worst, two processes make a first
            # generation at once, and one of them reports again.
            pass
        else:
            news.unlink()
            return True
    os.replace(news, path)
    return True


def remove_leftovers(path: Path, spared: Generation) -> None:
    """Remove old files of other generations: replaced, moved or not finished ones."""
    oldest = time.time() - LEFTOVER_SECONDS
    for file in _files(path):
        if file.token != spared.token and file.found.st_mtime < oldest:
            if file.kind == "db":
                Generation.beside(path, file.token).remove()
            with contextlib.suppress(OSError):
                os.unlink(file.path)


def used_bytes(path: Path, current: Generation) -> tuple[int, int]:
    """Return the bytes of the current generation, and of all others."""
    mine = others = 0
    for file in _files(path):
        if file.token == current.token:
            mine += file.size
        else:
            others += file.size
    return mine, others


def stored_bytes(path: Path) -> int:
    """Return the bytes of all generations."""
    return sum(file.size for file in _files(path))


def _id_of(file: str) -> FileId | None:
    try:
        return file_id(os.stat(file))
    except OSError:
        return None


def _progress(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _empty(file: Path) -> None:
    # Not through a descriptor: closing it would end this process's record locks.
    with contextlib.suppress(OSError):
        found = os.lstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            os.truncate(file, 0)


class _File(NamedTuple):
    path: str
    token: str
    kind: str
    found: os.stat_result

    @property
    def size(self) -> int:
        """Return the bytes that the file takes on the disk."""
        return getattr(self.found, "st_blocks", 0) * BLOCK_BYTES or self.found.st_size


def _files(path: Path) -> Iterator[_File]:
    pattern = re.compile(
        rf"{re.escape(path.name)}-([0-9a-f]{{16}})"
        r"\.(db|db-wal|db-shm|db-journal|locks|guard|new)"
    )
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            name = pattern.fullmatch(entry.name)
            if name:
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    yield _File(entry.path, name[1], name[2], found)
