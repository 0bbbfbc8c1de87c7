from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.testing import FakeWorker
from tests.support.backends import database_of, total


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    backend = SqliteBackend(path=tmp_path / "sockets")
    yield backend
    backend.close()


@pytest.fixture
def check(backend: SqliteBackend) -> Callable[[], list[str]]:
    """Return what returns the ids of the messages about the status file."""

    def check() -> list[str]:
        return [str(it.id).rpartition(".")[2] for it in backend.check()]

    return check


def report(backend: SqliteBackend, name: str = "a") -> FakeWorker:
    worker = FakeWorker(name)
    assert backend.report(worker.full([worker.open()]))
    return worker


def test_worker_of_this_deployment_is_no_stranger(backend, check) -> None:
    assert check() == []
    report(backend)
    assert check() == []


@pytest.mark.parametrize("differs", ["secret key", "database"])
def test_worker_of_another_deployment_is_a_warning(
    backend, check, settings, monkeypatch: pytest.MonkeyPatch, differs: str
) -> None:
    """The same user, directory and settings module, with another environment."""
    with monkeypatch.context() as theirs:
        if differs == "database":
            theirs.setitem(settings.DATABASES["default"], "NAME", "staging")
        else:
            theirs.setattr(django_settings, "SECRET_KEY", "another")
        worker = report(backend)
    assert total(backend) == 1
    (message,) = backend.check()
    assert message.id == "django_socket_status.W019"
    assert str(worker.worker.pid) in message.msg
    assert str(backend.path) in message.msg
    assert message.hint is not None and "DEPLOYMENT" in message.hint
    backend.goodbye("a")
    assert check() == []


def test_key_that_is_rotated_is_no_other_deployment(backend, check, settings) -> None:
    old = settings.SECRET_KEY
    report(backend)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [old]
    assert check() == []


def test_key_that_each_process_makes_is_one_deployment_if_it_has_a_name(
    backend, check, settings
) -> None:
    settings.SOCKET_STATUS = {"DEPLOYMENT": "shop"}
    report(backend)
    settings.SECRET_KEY = "another"
    assert check() == []
    settings.SOCKET_STATUS = {"DEPLOYMENT": "shop staging"}
    assert check() == ["W019"]


def test_project_without_a_key_can_report_without_a_warning(
    backend, check, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as theirs:
        theirs.setattr(django_settings, "SECRET_KEY", "")
        report(backend)
        assert check() == []
    assert check() == []


def test_nothing_is_known_of_workers_of_the_first_version(backend, check) -> None:
    """Which may have made the file, and have no such table."""
    report(backend)
    database = database_of(backend._writer)
    database.execute("DROP TABLE project")
    assert check() == []
    report(backend, "b")
    assert check() == []
    assert database.execute("SELECT worker_id FROM project").fetchall() == [("b",)]


def test_table_keeps_no_worker_that_is_gone(backend) -> None:
    for name in "abc":
        report(backend, name)
        backend.goodbye(name)
    report(backend, "d")
    database = database_of(backend._writer)
    assert database.execute("SELECT worker_id FROM project").fetchall() == [("d",)]


def test_no_secret_is_written(backend, settings) -> None:
    settings.SECRET_KEY = "marked-secret-key"
    report(backend)
    database = database_of(backend._writer)
    ((secret, base),) = database.execute("SELECT secret, base FROM project").fetchall()
    assert "marked" not in secret + base
    assert len(secret) == 16
