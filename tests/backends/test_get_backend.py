from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_socket_status import backends
from django_socket_status.backends import create_backend, get_backend
from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.concurrency import forks
from django_socket_status.testing.contract.harness import in_fork

pytestmark = pytest.mark.python

MEMORY = {"BACKEND": "django_socket_status.backends.memory.MemoryBackend"}


class NotABackend:
    pass


def test_default_is_the_sqlite_file_of_the_project(settings) -> None:
    del settings.SOCKET_STATUS
    backend = get_backend()
    assert isinstance(backend, SqliteBackend)
    assert backend.path.parent.name == f"django-socket-status-{os.geteuid()}"


def test_options_are_the_arguments(settings, tmp_path: Path) -> None:
    settings.SOCKET_STATUS = {"OPTIONS": {"path": str(tmp_path / "status")}}
    backend = get_backend()
    assert isinstance(backend, SqliteBackend)
    assert backend.path == tmp_path / "status"


def test_every_caller_gets_the_same() -> None:
    found: list[BaseBackend] = []
    threads = [
        threading.Thread(target=lambda: found.append(get_backend())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(map(id, found)) == {id(get_backend())}


def test_other_settings_are_another_backend_and_the_old_one_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[BaseBackend] = []
    monkeypatch.setattr(SqliteBackend, "close", lambda self: closed.append(self))
    before = get_backend()
    with override_settings(SOCKET_STATUS=MEMORY):
        assert isinstance(get_backend(), MemoryBackend)
        assert closed == [before]
    assert get_backend() is not before
    assert isinstance(get_backend(), SqliteBackend)


def test_other_peoples_settings_change_nothing() -> None:
    before = get_backend()
    with override_settings(DEBUG=True):
        assert get_backend() is before


def test_making_one_does_no_io(settings, tmp_path: Path) -> None:
    settings.SOCKET_STATUS = {"OPTIONS": {"path": tmp_path / "missing" / "status"}}
    create_backend()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"BACKEND": "nowhere.Backend"}, "cannot be imported"),
        ({"BACKEND": "Backend"}, "cannot be imported"),
        ({"BACKEND": f"{__name__}.NotABackend"}, "is not a subclass of"),
        ({"BACKEND": f"{__name__}.in_fork"}, "is not a subclass of"),
        ({"OPTIONS": {"file": "/tmp/status"}}, r"does not take .*'file'"),
        ({"OPTIONS": {"path": 7}}, "must be a path, not 7"),
        ({"OPTIONS": {"path": b"/tmp/status"}}, "must be a path, not b'/tmp/status'"),
        ({"OPTIONS": {"path": "status"}}, "must be an absolute path, not 'status'"),
        ({"OPTIONS": {"path": "~/status"}}, "must be an absolute path"),
        ({"OPTIONS": {"path": "/tmp/a\0b"}}, "must be an absolute path"),
        ({"OPTIONS": {"path": ""}}, "must be an absolute path"),
    ],
)
def test_what_is_configured_wrongly_is_said(settings, given, message) -> None:
    settings.SOCKET_STATUS = given
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured, match=message):
            get_backend()


def test_forked_child_lets_go_even_if_only_readers_used_it() -> None:
    get_backend()
    assert backends.forget_after_fork in forks._callbacks

    def look() -> None:
        assert isinstance(get_backend(), SqliteBackend)
        assert get_backend().read().workers == ()

    get_backend().read()
    assert in_fork(look)


def test_forked_child_of_a_process_without_a_backend_has_none() -> None:
    assert in_fork(backends.forget_after_fork)
