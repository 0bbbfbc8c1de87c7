"""Every test starts with no connection, no thread and a new status file."""

from __future__ import annotations

import asyncio
import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import translation

from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.endpoints import loaded as endpoints
from django_socket_status.status import reader as status
from django_socket_status.testing import isolated_socket_status, reset_socket_status
from tests.support.asgi_driver import own_threads

#: How long a thread may take to end.
SECONDS = 60.0


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
def undisturbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep from a test what other tests, or a busy machine, would do to it.

    One fixture, since each that is autouse costs time in thousands of tests.
    """
    # The default status file, too, is not that of another process.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # An answer that comes late is one: not every test is about limits.
    monkeypatch.setattr(status.status_reader, "read_seconds", SECONDS)
    monkeypatch.setattr(status, "FLUSH_SECONDS", SECONDS)
    # Channels looks after database connections before each message. A test without
    # the database may not even close one that an earlier test has opened, so Channels'
    # own communicators do the same.
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)
    yield
    # The next test speaks the project's language, and not that of the last request.
    translation.deactivate()


@pytest.fixture(autouse=True)
def socket_status(tmp_path: Path) -> Iterator[None]:
    """Report to a status file that no other test has."""
    with isolated_socket_status(
        BACKEND=SQLITE_BACKEND, OPTIONS={"path": tmp_path / "status"}
    ):
        yield


@pytest.fixture
def as_project(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Serve an application as ``ASGI_APPLICATION``, loaded as in a worker."""

    def serve(application: Any) -> Any:
        module = types.ModuleType("as_project_asgi")
        module.application = application  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.ASGI_APPLICATION = "as_project_asgi.application"
        endpoints.reset()
        return application

    return serve
