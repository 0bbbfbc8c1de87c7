"""What a worker does to itself when the soak asks for it, over HTTP."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import faulthandler
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from django.conf import settings

import django_socket_status
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from tests.soak.diary import diary

PATH = "/soak/"

FORKS = 4
#: Of a child that asks once. One that waits for a lock that it inherited never ends.
CHILD_SECONDS = 20.0
#: So that a fork comes between any two steps of another thread.
SWITCH_SECONDS = 1e-5

COPIES = 5


def fork() -> None:
    """Fork while sockets are open; each child asks, and none of them is a worker.

    A child holds the sockets of clients until it ends, so it must not stay.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        for number in range(FORKS):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pid = os.fork()
            if not pid:
                _be_a_child(runs_exit_handlers=number % 2 == 1)
            assert _status_of(pid) == 0
    finally:
        sys.setswitchinterval(before)


def _be_a_child(*, runs_exit_handlers: bool) -> None:
    status = 1
    # Says where it hangs, if it does.
    faulthandler.dump_traceback_later(CHILD_SECONDS / 2)
    try:
        with contextlib.suppress(StatusUnavailableError):
            workers = SocketStatusService.get_workers()
            assert os.getpid() not in {it.pid for it in workers}
        if runs_exit_handlers:
            atexit._run_exitfuncs()
        status = 0
    finally:
        os._exit(status)


def _status_of(child: int) -> int:
    until = time.monotonic() + CHILD_SECONDS
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("a forked child hangs")


def _place() -> Path:
    return Path(settings.SOCKET_STATUS["OPTIONS"]["path"]).parent


def copy_directory() -> None:
    """Copy the directory of the status file.

    The kernel drops the record locks of a process that closes a file: POSIX, fcntl.
    """
    for _ in range(COPIES):
        with tempfile.TemporaryDirectory() as target, contextlib.suppress(shutil.Error):
            # Files come and go meanwhile.
            shutil.copytree(_place(), target, dirs_exist_ok=True)


def close_files() -> None:
    """Open and close each file of the status, its lock file too."""
    for file in _place().iterdir():
        with contextlib.suppress(FileNotFoundError):
            file.open("rb").close()


def events() -> Any:
    """Return what the signals have told."""
    return diary.told()


def where() -> str:
    """Return the file of the package, which tells its version."""
    return str(django_socket_status.__file__)


ACTS = {it.__name__: it for it in (fork, copy_directory, close_files, events, where)}


def with_acts(application: Any) -> Any:
    """Do on a thread what a path below ``/soak/`` names; its result is the answer."""

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        if not scope["path"].startswith(PATH):
            return await application(scope, receive, send)
        act: Any = ACTS[scope["path"].removeprefix(PATH)]
        body = json.dumps(await asyncio.to_thread(act)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return respond
