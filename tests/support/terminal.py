"""Commands that a test runs: in this process, in another one, in a real terminal.

The other process is forked from one that has imported Django, except by
:func:`run_new`.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management import call_command

from tests.support.forking import Forked
from tests.support.source import ROOT

SECONDS = 90.0

START = """
import json, os, signal, sys
# A shell starts what runs in the background without it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from django.conf import settings
from tests import settings as ours
given = json.loads(os.environ["TERMINAL_SETTINGS"])
own = {name: getattr(ours, name) for name in dir(ours) if name.isupper()}
# The admin is a third of what a process imports, and no command needs it.
own["INSTALLED_APPS"] = [
    "django.contrib.auth", "django.contrib.contenttypes", "django_socket_status"
]
settings.configure(**{**own, **given})
from django.core.management import execute_from_command_line
"""

SCRIPT = (
    START
    + """
execute_from_command_line(["manage.py", "socket_status", *sys.argv[1:]])
"""
)

#: Runs a subcommand for each of its arguments, one after the other.
EACH = (
    START
    + """
for word in sys.argv[1:]:
    execute_from_command_line(["manage.py", "socket_status", word])
"""
)

#: Runs the command lines of its argument one after the other.
SEVERAL = (
    START
    + """
import contextlib, io
done = []
for words in json.loads(sys.argv[1]):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            execute_from_command_line(["manage.py", "socket_status", *words])
        except SystemExit as end:
            code = end.code or 0
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""
)


def called(*words: str) -> str:
    """Run the command in this process, and return what it printed."""
    stdout = io.StringIO()
    call_command("socket_status", *words, stdout=stdout)
    return stdout.getvalue()


def called_as_json(*words: str) -> Any:
    return json.loads(called(*words, "--json"))


def environment_of(**more: str) -> dict[str, str]:
    """Return the environment of a process with the settings of this one."""
    given = {"SOCKET_STATUS": settings.SOCKET_STATUS}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "COLUMNS", "LINES", "DJANGO_SETTINGS_MODULE")
    }
    return {
        **kept,
        "TERMINAL_SETTINGS": json.dumps(given, default=os.fspath),
        "TERM": "xterm",
        "PYTHONPATH": os.pathsep.join([str(ROOT), kept.get("PYTHONPATH", "")]),
        **more,
    }


class Done(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def run(*words: str) -> Done:
    """Run the command in another process."""
    return _forked(SCRIPT, *words)


def _forked(script: str, *words: str) -> Done:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with open(os.devnull) as nothing:
            streams = nothing.fileno(), out.fileno(), err.fileno()
            process = Forked(script, *words, env=environment_of(), streams=streams)
        try:
            code = process.wait(180)
        finally:
            process.kill()
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode())
    return Done(code, *told)


def run_new(*words: str, **environment: str) -> Done:
    """Run the command in a process that Python starts, as a shell does."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        env=environment_of(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def run_each(command_lines: Sequence[Sequence[str]]) -> list[Done]:
    """Run several command lines in one other process: it starts Django once."""
    done = _forked(SEVERAL, json.dumps(command_lines))
    assert done.code == 0, done.stderr
    return [Done(*it) for it in json.loads(done.stdout)]


class Terminal:
    """A terminal of a given size, in which the command runs."""

    def __init__(
        self, columns: int, lines: int, script: str, *words: str, **given: str
    ) -> None:
        self.text = ""
        self._end, inner = os.openpty()
        self._size(inner, columns, lines)
        self._child = Forked(
            script,
            *words,
            env=environment_of(**given),
            streams=(inner, inner, inner),
            is_in_session=True,
        )
        os.close(inner)

    def _size(self, descriptor: int, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, size)

    def resize(self, columns: int, lines: int) -> None:
        self._size(self._end, columns, lines)

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def forget(self) -> None:
        """Look only at what is drawn from now on."""
        self.text = ""

    def read(self) -> bool:
        """Read what is there; return false at the end."""
        if not select.select([self._end], [], [], 0.05)[0]:
            return True
        try:
            found = os.read(self._end, 65536)
        except OSError:
            return False
        self.text += found.decode(errors="replace")
        return bool(found)

    def until(self, is_as_expected: Callable[[str], object]) -> str:
        """Read until the text is as expected, and return it."""
        give_up_at = time.monotonic() + SECONDS
        while not is_as_expected(self.text):
            assert self.read(), f"the command ended: {self.text}"
            assert time.monotonic() < give_up_at, self.text
        return self.text

    def ended(self) -> int:
        """Read to the end, and return the exit code; negative for a signal."""
        give_up_at = time.monotonic() + SECONDS
        while self.read():
            assert time.monotonic() < give_up_at, self.text
        return self._child.wait(SECONDS)

    def close(self) -> None:
        self._child.kill()
        self._child.wait(SECONDS)
        os.close(self._end)


@contextmanager
def terminal(
    *words: str,
    columns: int = 80,
    lines: int = 24,
    script: str = SCRIPT,
    **environment: str,
) -> Iterator[Terminal]:
    opened = Terminal(columns, lines, script, *words, **environment)
    try:
        yield opened
    finally:
        opened.close()


SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(text: str) -> list[str]:
    """Return the lines of the last picture without what draws it."""
    picture = text.rpartition("\x1b[H")[2]
    return SEQUENCE.sub("", picture).replace("\r", "").split("\n")
