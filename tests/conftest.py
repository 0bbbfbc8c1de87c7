"""Every test starts with no connection, no thread and a status file of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import translation

from django_socket_status import status
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.testing import isolated_socket_status, reset_socket_status
from tests.asgi_driver import own_threads

#: How long a thread may take to end.
SECONDS = 10.0


def tells_no_time(record: logging.LogRecord) -> bool:
    """Leave out what asyncio says, in development mode, of a callback that took long.

    How long one took says how busy the machine was, and nothing about the code.
    """
    return not str(record.msg).startswith("Executing %s took")


logging.getLogger("asyncio").addFilter(tells_no_time)


@pytest.fixture(scope="session", autouse=True)
def databases_are_closed() -> Iterator[None]:
    """Close what Django keeps open: a database in memory ends with its connection."""
    yield
    close_databases()
    # Of asgiref's thread as well, on which async tests query.
    asyncio.run(sync_to_async(close_databases)())


def close_databases() -> None:
    for wrapper in connections.all(initialized_only=True):
        if wrapper.connection is not None:
            wrapper.connection.close()


@pytest.fixture(autouse=True)
def every_thread_ends() -> Iterator[None]:
    """See that nothing of this test happens in the next one."""
    yield
    # An application that is collected only now closes its socket: that wakes it again.
    reset_socket_status()
    left = own_threads()
    for thread in left:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in left), left


@pytest.fixture(autouse=True)
def default_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the default status file, too, from the tests of other processes."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(autouse=True)
def socket_status(tmp_path: Path) -> Iterator[None]:
    """Report to a status file that nobody else has."""
    with isolated_socket_status(
        BACKEND=SQLITE_BACKEND, OPTIONS={"path": tmp_path / "status"}
    ):
        yield


@pytest.fixture(autouse=True)
def readers_wait_for_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take an answer that comes late for one: not every test is about limits."""
    monkeypatch.setattr(status.status_reader, "read_seconds", SECONDS)
    monkeypatch.setattr(status, "FLUSH_SECONDS", SECONDS)


@pytest.fixture(autouse=True)
def language_is_forgotten() -> Iterator[None]:
    """Speak the project's language again, and not that of the last request."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def channels_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Channels from looking after database connections before each message.

    As Channels' own communicators do: a test without the database may not even close
    a connection that one before it has opened.
    """
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)
