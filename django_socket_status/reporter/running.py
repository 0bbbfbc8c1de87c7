"""Names what another thread runs: its functions, without arguments or frames."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import PurePath
from types import CodeType

from django_socket_status.concurrency.threads import has_gil
from django_socket_status.limits import bounded_text

__all__ = ["Function", "joined", "run_by_loop", "running"]

#: The most characters of what a thread runs.
MAX_NAME = 256

#: Modules that run an event loop: what they call is above them.
LOOPS = ("asyncio", "uvloop")
#: Packages that are between a loop and the code of the project.
BETWEEN = (*LOOPS, "contextlib", "contextvars", "django_socket_status", "functools")
#: What a loop calls to wait for events.
WAITING = ("selectors",)

STANDARD_LIBRARY = os.path.dirname(os.__file__)
#: The folders of installed packages; the second one is Debian's.
INSTALLED = ("site-packages", "dist-packages")


class Function:
    """A function that runs: its module, and its code."""

    __slots__ = ("code", "module")

    def __init__(self, module: str, code: CodeType) -> None:
        self.module, self.code = module, code

    @property
    def package(self) -> str:
        """Return the first part of the module."""
        return self.module.partition(".")[0]

    @property
    def name(self) -> str:
        """Return module and name, with the class from Python 3.11 on."""
        return f"{self.module}.{getattr(self.code, 'co_qualname', self.code.co_name)}"

    @property
    def is_installed(self) -> bool:
        """Return whether this is of Python, or of a package that was installed."""
        file = self.code.co_filename
        return (
            file.startswith((STANDARD_LIBRARY, "<frozen "))
            or not {*INSTALLED}.isdisjoint(PurePath(file).parts)
            or self.package in BETWEEN
        )


def running(ident: int | None) -> Sequence[Function]:
    """Return the functions that a thread runs, outermost first; some microseconds.

    Empty if no such thread runs Python code, and without the GIL, where frames of
    another thread must not be read.
    """
    if ident is None or not has_gil():
        return ()
    frame = sys._current_frames().get(ident)
    found: list[Function] = []
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        found.append(Function(module, frame.f_code))
        frame = frame.f_back
    return found[::-1]


def joined(functions: Sequence[Function]) -> str | None:
    """Return the names, each once: ``"a.outer, in b.inner"``; ``None`` without one."""
    names = dict.fromkeys(it.name for it in functions)
    return bounded_text(", in ".join(names), MAX_NAME) if names else None


def run_by_loop(ident: int | None) -> str | None:
    """Return what an event loop runs in a thread.

    That is the innermost function that is neither of Python nor of an installed
    package, and the innermost one of all. ``None`` while the loop waits for events.
    """
    called = running(ident)
    of_loop = [n for n, it in enumerate(called) if it.package in LOOPS]
    if not of_loop:
        return None
    above = [it for it in called[of_loop[0] :] if it.package not in BETWEEN]
    if not above or above[-1].package in WAITING:
        return None
    own = [it for it in above if not it.is_installed]
    return joined([*own[-1:], above[-1]])
