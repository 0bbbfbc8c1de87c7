"""What several tests of the SQLite backend do and look at."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite.session import Handle
from django_socket_status.testing import FakeWorker


def total(backend: SqliteBackend) -> int:
    return sum(status.total_sockets for status in backend.read().workers)


def tell(backend: SqliteBackend, worker: FakeWorker) -> None:
    """Report as a worker does at its next heartbeat, for which nothing is lost."""
    if not backend.report(worker.change()):
        assert backend.report(worker.full())


def database_of(handle: Handle) -> sqlite3.Connection:
    link = handle._current.link
    assert link is not None
    return link.database


def generation_files(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}-*"))


def in_another_process(script: str, *arguments: object) -> None:
    """Do to a file what must not be done here, as it would lose us our locks on it."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    subprocess.run(command, check=True)


def open_files() -> set[str]:
    """Return the files that this process has open; on macOS, their descriptors."""
    found = set()
    for name in os.listdir("/dev/fd"):
        try:
            found.add(os.readlink(f"/dev/fd/{name}"))
        except OSError:
            found.add(name)
    return found
