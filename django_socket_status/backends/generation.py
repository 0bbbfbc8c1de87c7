"""One generation of the SQLite backend's files; see :mod:`.status_file`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

from django_socket_status.backends.status_path import user_id

__all__ = ["Generation", "Stamp"]

#: What tells a file from any other one that was or will be in its place, as long as
#: somebody has it open: device and inode.
Stamp = tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Generation:
    """A database, and a lock file that says which workers live."""

    token: str
    database: Path
    locks: Path

    @classmethod
    def beside(cls, path: Path, token: str) -> Generation:
        """Return the generation with this token of the status file at ``path``."""
        name = f"{path.name}-{token}"
        return cls(
            token=token,
            database=path.with_name(f"{name}.db"),
            locks=path.with_name(f"{name}.locks"),
        )

    @property
    def files(self) -> tuple[str, ...]:
        """Return every file, the two first without which there is no generation."""
        name = os.fspath(self.database)
        return name, os.fspath(self.locks), f"{name}-wal", f"{name}-shm"

    def stamps(self) -> tuple[Stamp | None, ...]:
        """Return the stamp of each file, ``None`` for one that is not there."""
        return tuple(_stamp(file) for file in self.files)

    def is_whole(self) -> bool:
        """Return whether the files without which it is none are there, and ours."""
        user = user_id()
        try:
            owners = {os.stat(file).st_uid for file in self.files[:2]}
        except OSError:
            return False
        return user in {None, 0} or owners == {user}

    def remove(self) -> None:
        """Remove the files; whoever has them open can still close them."""
        for file in self.files:
            # Gone already, or still open on Windows: it does no harm.
            with contextlib.suppress(OSError):
                os.unlink(file)


def _stamp(file: str) -> Stamp | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino
