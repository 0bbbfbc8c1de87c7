"""Asks the person at the terminal, and finds out who that is."""

from __future__ import annotations

import getpass
import os
import sys

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.output import Output
from django_socket_status.cli.text import clean

__all__ = ["confirmed", "verify_answerable", "who_asks"]

YES = ("y", "yes")


def verify_answerable() -> None:
    """Verify that a question can be answered.

    Raises:
        UsageError: the standard input is no terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to ask on. Give --yes to close the connections "
            "without a question, or --dry-run to see which ones match."
        )


def confirmed(question: str, output: Output) -> bool:
    """Ask a question on the standard error; return whether the answer is yes."""
    output.say(f"{clean(question)} [y/N] ", ending="")
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        # The input ended, and no line feed followed the question.
        output.say("")
    return answer.strip().lower() in YES


def who_asks(given: str | None) -> str:
    """Return who asks: what was given, or the user of the system."""
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        # A container may have a user without a name.
        return f"uid {os.getuid()}"
