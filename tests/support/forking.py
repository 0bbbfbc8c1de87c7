"""Runs Python scripts in processes that have imported Django and the package already.

``python -c`` spends half a second of processor time on imports. A script that runs here
is forked from a process that has done them once. It has its own arguments, environment,
working directory and standard streams, and it ends as Python ends. What a process
imports, and what Python reads when it starts, needs a process of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.source import ROOT

#: What scripts import that needs no settings.
IMPORTED = (
    "django.core.management.commands.check",
    "django.db.backends.sqlite3.base",
    "django.db.models.sql.compiler",
    "django.forms",
    "django.urls",
    "django_socket_status.backends.sqlite",
    "django_socket_status.checks",
    "django_socket_status.cli.run",
    "django_socket_status.cli.subcommands",
    "django_socket_status.management.commands.socket_status",
    "tests.settings",
)

SERVER = "from tests.support import forking; exec(forking.serve(), globals())"


class Forked:
    """A process that runs a script.

    Args:
        script: What ``python -c`` would run.
        words: The arguments.
        env: The whole environment.
        streams: The descriptors of standard input, output and error. They stay open
            here.
        is_in_session: Whether it begins a session, whose terminal is its input.
    """

    def __init__(
        self,
        script: str,
        *words: str,
        env: Mapping[str, str],
        streams: tuple[int, int, int],
        is_in_session: bool = False,
    ) -> None:
        self._said, its_end = socket.socketpair()
        asked = json.dumps([script, words, dict(env), str(Path.cwd()), is_in_session])
        data = asked.encode()
        server = _server()
        with its_end:
            size = len(data).to_bytes(4, "big")
            socket.send_fds(server, [size], [its_end.fileno(), *streams])
            server.sendall(data)
        self._code: int | None = None
        self.pid = self._hear()

    def _hear(self) -> int:
        data = self._said.recv(4, socket.MSG_WAITALL)
        assert len(data) == 4, "the process that forks has ended"
        return int.from_bytes(data, "big", signed=True)

    def send_signal(self, number: signal.Signals) -> None:
        if self._code is None:
            # It may have ended.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float) -> int:
        """Return its exit code; negative for a signal."""
        if self._code is None:
            if not select.select([self._said], [], [], seconds)[0]:
                raise TimeoutError(f"process {self.pid} has not ended")
            self._code = self._hear()
            self._said.close()
        return self._code


@functools.lru_cache(maxsize=1)
def _server() -> socket.socket:
    """Start the process that forks; it ends with this one."""
    ours, its_end = socket.socketpair()
    with its_end:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(its_end.fileno())],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(
                    [str(ROOT), os.environ.get("PYTHONPATH", "")]
                ),
            },
            stdin=subprocess.DEVNULL,
            pass_fds=[its_end.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def serve() -> str:
    """Fork for each request; return the script, in the process that is to run it."""
    for name in IMPORTED:
        importlib.import_module(name)
    # A collection would copy what is shared.
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            size, descriptors, *_ = socket.recv_fds(requests, 4, 4)
            _reap()
            if not size:
                raise SystemExit
            data = requests.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
            if not os.fork():
                break
            for it in descriptors:
                os.close(it)
    # Outside of the loop, which belongs to the process that forks.
    return _watch(json.loads(data), *descriptors)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _watch(asked: Any, told: int, *streams: int) -> str:
    """Fork the process, say how it ends, and end; return the script in the process."""
    with socket.socket(fileno=told) as tests:
        pid = os.fork()
        if pid:
            for it in streams:
                os.close(it)
            status = os.waitpid(pid, 0)[1] if _tell(tests, pid) else 0
            _tell(tests, os.waitstatus_to_exitcode(status))
            os._exit(0)
    return _become(*asked, streams)


def _tell(tests: socket.socket, number: int) -> bool:
    # They have ended where this fails.
    with contextlib.suppress(OSError):
        tests.sendall(number.to_bytes(4, "big", signed=True))
        return True
    return False


def _become(
    script: str,
    words: list[str],
    env: dict[str, str],
    directory: str,
    is_in_session: bool,
    streams: tuple[int, ...],
) -> str:
    """Look like a process that Python has just started with the script."""
    if is_in_session:
        os.setsid()
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
    for number, it in enumerate(streams):
        os.dup2(it, number)
        os.close(it)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(directory)
    sys.argv[:] = ["-c", *words]
    sys.stdin = sys.__stdin__ = _stream(0, "r", "strict")
    sys.stdout = sys.__stdout__ = _stream(1, "w", "strict")
    sys.stderr = sys.__stderr__ = _stream(2, "w", "backslashreplace")
    return script


def _stream(number: int, mode: str, errors: str) -> Any:
    # Python writes to a terminal, and all that it says of errors, line by line.
    buffering = 1 if number == 2 else -1
    return os.fdopen(
        number, mode, buffering, encoding="utf-8", errors=errors, closefd=False
    )
