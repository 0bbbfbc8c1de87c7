"""The activity file, beside the status file and under the same protections."""

from __future__ import annotations

import os
from pathlib import Path

from django.utils.functional import cached_property

from django_socket_status.backends.sqlite.generation import stored_bytes
from django_socket_status.backends.sqlite.pointer import StatusFile

__all__ = ["ActivityFile"]


class ActivityFile(StatusFile):
    """The file that names the current generation of the activity's database.

    Args:
        path: The path that was given for the status file; ``None`` for the default.
        beside: The status file.
    """

    def __init__(self, path: str | os.PathLike[str] | None, beside: StatusFile) -> None:
        super().__init__(path)
        self._beside = beside
        # A reader must know of other users, who have files of their own.
        self.others = beside.others

    @cached_property
    def path(self) -> Path:
        """Return where the file is."""
        beside = self._beside.path
        return beside.with_name(f"{beside.name}.activity")

    def used_bytes(self) -> int:
        """Return the bytes that all its generations take."""
        return stored_bytes(self.path)
