"""Where a command writes: a terminal, a pipe or a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from django_socket_status.cli.tables import STAR, Mark
from django_socket_status.cli.text import encodable

__all__ = ["Output"]

#: Bold and yellow, which is readable on dark and on light.
COLORED = Mark(before="\x1b[1;33m", after="\x1b[0m", width=0)


class Output:
    """The standard output and the standard error of a command.

    Args:
        stdout: A stream as Django's commands have it.
        stderr: The same, for what is not part of the answer.
        environment: The environment variables: ``NO_COLOR`` and ``TERM`` count.
        colors: ``False`` for ``--no-color``, ``True`` for ``--force-color``, ``None``
            to let the environment decide.
    """

    def __init__(
        self,
        stdout: Any,
        stderr: Any,
        *,
        environment: Mapping[str, str] = os.environ,
        colors: bool | None = None,
    ) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._is_dumb = environment.get("TERM") == "dumb"
        # https://no-color.org: any value but an empty one.
        self.has_colors = (
            not environment.get("NO_COLOR") if colors is None else bool(colors)
        )

    @property
    def is_terminal(self) -> bool:
        """Return whether the answer goes to a terminal that can be redrawn."""
        return self._stdout.isatty() and not self._is_dumb

    @property
    def mark(self) -> Mark:
        """Return how a changed cell is marked."""
        return COLORED if self.has_colors else STAR

    def size(self) -> os.terminal_size:
        """Return the size of the terminal now, in columns and lines."""
        try:
            size = os.get_terminal_size(self._stdout.fileno())
        except (AttributeError, OSError, ValueError):
            return shutil.get_terminal_size()
        # A terminal whose size was never set reports 0.
        return size if size.columns and size.lines else shutil.get_terminal_size()

    def width(self) -> int | None:
        """Return the columns of the terminal; ``None`` if the output is no terminal."""
        return self.size().columns if self._stdout.isatty() else None

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines of the answer."""
        for line in lines:
            self.raw(f"{line}\n")
        self._stdout.flush()

    def raw(self, text: str) -> None:
        """Write a part of the answer as it is."""
        safe = encodable(text, getattr(self._stdout, "encoding", None))
        self._stdout.write(safe, ending="")

    def flush(self) -> None:
        """Send what was written."""
        self._stdout.flush()

    def say(self, text: str, *, ending: str = "\n") -> None:
        """Write a text that is no part of the answer to the standard error."""
        safe = encodable(text, getattr(self._stderr, "encoding", None))
        # Django's style of the standard error would color the text as an error.
        self._stderr.write(safe, lambda it: it, ending=ending)
        self._stderr.flush()

    def progress(self, text: str) -> None:
        """Show what a long operation does, in place; an empty text removes it."""
        if self._stderr.isatty() and not self._is_dumb:
            self.say(f"\r{text}\x1b[K", ending="")
