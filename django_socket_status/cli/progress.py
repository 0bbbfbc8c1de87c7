"""Shows how far a long operation has come, on the standard error of a terminal."""

from __future__ import annotations

from django_socket_status.cli.output import Output

__all__ = ["Progress"]


class Progress:
    """A line that is replaced in place, and removed at the end.

    Args:
        output: Where to show it.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._is_shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_shown:
            self._output.progress("")

    def show(self, done: int, total: int | None) -> None:
        """Show how many were read, and of how many if that is known."""
        known = "" if total is None else f" of {total}"
        self.say(f"{done}{known} connections read")

    def say(self, text: str) -> None:
        """Show how far the operation has come, in words."""
        self._is_shown = True
        self._output.progress(text)
