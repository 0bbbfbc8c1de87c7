"""The link to the current generation of the status file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django_socket_status.backends.sqlite.activity.layout import Layout
from django_socket_status.backends.sqlite.connection import Link
from django_socket_status.backends.sqlite.fork_safety import is_inherited
from django_socket_status.backends.sqlite.generation import Generation
from django_socket_status.backends.sqlite.pointer import StatusFile
from django_socket_status.exceptions import BackendError

__all__ = ["ATTEMPTS", "CurrentLink"]

#: How often to try again if the status file is replaced while it is opened.
ATTEMPTS = 5


class CurrentLink:
    """Opens the generation that the status file names, and notices when it changes.

    Args:
        file: The status file.
        clock: Seconds, as the leases are measured.
        layout: What it holds.
    """

    def __init__(
        self, file: StatusFile, clock: Callable[[], float], layout: Layout
    ) -> None:
        self._file = file
        self._clock = clock
        self._layout = layout
        #: The open link; ``None`` before the first use, and after :meth:`drop`.
        self.link: Link | None = None
        #: The generation that was last the current one.
        self.generation: Generation | None = None

    def drop(self) -> None:
        """Close the files. The next use opens them again."""
        link, self.link = self.link, None
        if link is not None:
            link.close()

    def get(self, *, create: bool) -> Link | None:
        """Return a link to the current generation; replace one that is in doubt."""
        old = self.link
        is_sound = old is None or not old.is_open or old.is_sound()
        if old is not None and old.is_open and is_sound:
            pointer = self._file.stamp()
            if pointer == old.pointer or self._still_names(old, pointer):
                return old
        doubted = None if is_sound or old is None else old.generation
        self.link = None
        try:
            self.link = self._opened(doubted, create=create or old is not None)
        finally:
            # After opening: a process that closes its lock file loses its record locks.
            if old is not None:
                old.close()
        return self.link

    def replace(self, doubted: Generation | None) -> bool:
        """Replace a generation that is in doubt with an empty one.

        Returns:
            Whether this process did it, and no other was the first.

        Raises:
            BackendUnusableError: it cannot be made here.
        """
        databases = []

        def prepare(path: Path) -> None:
            databases.append(path)
            self._layout.create(
                path, made_at=self._clock(), replaces=doubted is not None
            )

        return self._file.make(doubted, prepare).database in databases

    def forget(self) -> Link | None:
        """Forget the link without closing it, as a forked child must, and return it."""
        link, self.link = self.link, None
        self.generation = None
        return link

    def is_undisturbed(self) -> bool:
        """Return whether the files are there, and not replaced by other ones."""
        if self.link is not None:
            return self.link.is_sound()
        return self.generation is None or self.generation.is_whole()

    def _still_names(self, link: Link, pointer: tuple[int, ...] | None) -> bool:
        """Return whether the status file was only touched, and note that it was."""
        if pointer is None or self._file.current() != link.generation:
            return False
        link.pointer = pointer
        return True

    def _opened(self, doubted: Generation | None, *, create: bool) -> Link | None:
        for _ in range(ATTEMPTS):
            pointer = self._file.stamp()
            named = self._file.current()
            if named is None and not create:
                return None
            if named is None or named == doubted or not self._is_usable(named):
                self.replace(named or self.generation)
                doubted = None
                continue
            self.generation = named
            try:
                return Link(named, pointer, self._layout)
            except FileNotFoundError:
                continue
        raise BackendError(
            f"The {self._layout.kind} {self._file.path} is being replaced."
        )

    def _is_usable(self, generation: Generation) -> bool:
        return generation.is_whole() and not is_inherited(generation)
