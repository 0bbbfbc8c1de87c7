"""A process that holds WebSockets, and does what a test tells it.

All is real but the sockets: the registry, the reporter with its thread, the backend,
the service. It is forked by a server that has imported this module, so that it is there
in no time.
"""

from __future__ import annotations

import atexit
import logging
import os
import resource
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import django
from django.conf import settings

django.setup()

from django.contrib.auth.models import User  # noqa: E402

from django_socket_status.backends import get_backend  # noqa: E402
from django_socket_status.backends.sqlite import connection as sqlite_link  # noqa: E402
from django_socket_status.backends.sqlite import kernel_locks  # noqa: E402
from django_socket_status.exceptions import StatusUnavailableError  # noqa: E402
from django_socket_status.reporter.thread import reporter  # noqa: E402
from django_socket_status.services import SocketStatusService  # noqa: E402
from django_socket_status.status import reader as status  # noqa: E402
from django_socket_status.testing import isolated_socket_status  # noqa: E402
from tests.faults.watching import Sample, Watch  # noqa: E402
from tests.support.held_sockets import close_socket, open_socket  # noqa: E402
from tests.support.pulse import Pulse, Span  # noqa: E402

PATIENT_SECONDS = 15.0


class Site:
    """What a process of a project does, and what it says of itself."""

    def __init__(self) -> None:
        self._held: list[Any] = []
        self._watch: Watch | None = None
        self._pulse = Pulse()
        self._said = Said()
        logging.getLogger("django_socket_status").addHandler(self._said)

    def open(self, number: int = 1, user: str | None = None) -> None:
        owner = User(pk=user) if user is not None else None
        self._held += [open_socket(user=owner, room="blue") for _ in range(number)]

    def close(self, number: int = 1) -> None:
        for _ in range(number):
            close_socket(self._held.pop())

    def churn(self, number: int) -> None:
        """Open and close sockets, and report each time."""
        for _ in range(number):
            self.open(2)
            self.close(1)
            self.flush()

    def flush(self) -> bool:
        return reporter.flush()

    def summary(self) -> Any:
        try:
            return SocketStatusService.get_socket_info_summary()
        except StatusUnavailableError as error:
            return {"error": str(error)}

    def ids(self) -> list[str]:
        """Return what is listed: nothing, where nothing is known."""
        try:
            page = SocketStatusService.get_connections(limit=1000)
        except StatusUnavailableError:
            return []
        return sorted(connection.connection_id for connection in page)

    def watch(self) -> None:
        """Read the summary from now on, on a separate thread."""
        self._watch = Watch(self.summary)

    def seen(self) -> list[Sample]:
        """Return each answer since then, and ask no more."""
        watch, self._watch = self._watch, None
        return watch.stop() if watch is not None else []

    def stalls(self) -> list[Span]:
        """Return when this process was not given a processor."""
        return self._pulse.stalls()

    def warnings(self) -> list[str]:
        """Return what was warned of since it was last asked for."""
        return self._said.taken()

    def hold_reports(self, seconds: float) -> None:
        """Run, and let no report out for a while."""
        with reporter.sender._lock:
            time.sleep(seconds)

    def freeze_between_reports(self) -> None:
        """Stop while nothing is written: a write would hold up the other processes."""
        with reporter.sender._lock:
            os.kill(os.getpid(), signal.SIGSTOP)

    def freeze_while_writing(self) -> None:
        """Stop in the middle of a transaction, until the test continues it."""
        backend: Any = get_backend()
        with backend._writer.transaction():
            os.kill(os.getpid(), signal.SIGSTOP)

    def freeze_while_reading(self) -> None:
        backend: Any = get_backend()
        with backend._reader.reading() as link:
            link.database.execute("SELECT * FROM worker").fetchall()
            os.kill(os.getpid(), signal.SIGSTOP)

    def read_files(self, pattern: str) -> None:
        """Open and close files beside the status file, as a backup would."""
        for file in get_backend().path.parent.glob(pattern):  # type: ignore[attr-defined]
            file.read_bytes()

    def shift_clock(self, seconds: float) -> None:
        """Be wrong about the time of day from now on."""
        right = time.time
        time.time = lambda: right() + seconds

    def limit_file_size(self, size: int) -> None:
        """Have every write beyond this size fail; -1 is no limit."""
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    def become_nobody(self) -> None:
        """Give up the rights of root, to whom every directory is writable."""
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)


class Said(logging.Handler):
    """Keeps the warnings, with their tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(self.format(record))

    def taken(self) -> list[str]:
        taken, self._messages = self._messages, []
        return taken


def serve(
    given: dict[str, Any],
    commands: Connection,
    errors: Path,
    busy_seconds: float,
    has_ofd: bool,
) -> None:
    """Answer each command, until the test sends no more."""
    with errors.open("w") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    settings.SOCKET_STATUS = given
    if "path" in given["OPTIONS"]:
        # What is asked of a file is who is right, and not how soon.
        status.status_reader.read_seconds = status.FLUSH_SECONDS = PATIENT_SECONDS
    sqlite_link.BUSY_SECONDS = busy_seconds
    kernel_locks.MAY_HAVE_OFD &= has_ofd
    site = Site()
    rehearse(site)
    while True:
        try:
            do, arguments = commands.recv()
        except EOFError:
            break
        commands.send(getattr(site, do)(**arguments))
    # Not done at the end of a process of this kind, as opposed to all others.
    atexit._run_exitfuncs()


def rehearse(site: Site) -> None:
    """Import what is imported late, before the process loses the right to read it."""
    with isolated_socket_status():
        site.open()
        site.close()
        site.summary()
        site.ids()
