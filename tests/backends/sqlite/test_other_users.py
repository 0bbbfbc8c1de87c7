from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from django_socket_status.backends.sqlite import SqliteBackend, other_users
from django_socket_status.backends.sqlite.other_users import OtherUsers
from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker

OTHER_USER = 4711


@pytest.fixture
def others(tmp_path: Path) -> OtherUsers:
    return OtherUsers(lambda: tmp_path / "private" / "shop-1")


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what makes this process take itself for another user."""
    monkeypatch.setattr(other_users, "KEEP_SECONDS", 0.0)
    return lambda user: monkeypatch.setattr(os, "geteuid", lambda: user)


def signs(tmp_path: Path) -> Path:
    return tmp_path / ".django-socket-status-shop-1"


def test_user_who_reports_is_seen_by_another(
    others: OtherUsers, become: Callable[[int], None]
) -> None:
    user = os.geteuid()
    assert others.users() == ()
    others.announce()
    assert others.users() == ()
    assert others.reason() == ""
    others.verify_none()
    become(OTHER_USER)
    assert others.users() == (user,)
    assert f"uid {user}" in others.reason()
    with pytest.raises(BackendUnusableError, match=f"uid {user}"):
        others.verify_none()


def test_user_is_forgotten_a_lease_after_the_last_report(
    others: OtherUsers, become: Callable[[int], None], tmp_path: Path, settings
) -> None:
    settings.SOCKET_STATUS = {"LEASE_SECONDS": 60.0}
    user = os.geteuid()
    others.announce()
    sign = signs(tmp_path) / str(user)
    old = time.time() - 70
    os.utime(sign, (old, old))
    become(OTHER_USER)
    assert others.users() == ()
    become(user)
    others.announce()
    become(OTHER_USER)
    assert others.users() == (user,)


def test_each_user_can_leave_a_sign_and_remove_no_other(
    others: OtherUsers, tmp_path: Path
) -> None:
    others.announce()
    assert signs(tmp_path).stat().st_mode & 0o7777 == 0o1777
    (sign,) = signs(tmp_path).iterdir()
    assert sign.stat().st_mode & 0o7777 == 0o600
    assert sign.read_bytes() == b""


def test_sign_of_a_user_counts_for_no_other(
    others: OtherUsers, become: Callable[[int], None], tmp_path: Path
) -> None:
    others.announce()
    for name in ("5", "root", "-1", "x" * 200):
        (signs(tmp_path) / name).touch()
    become(OTHER_USER)
    (user,) = {found.st_uid for found in [signs(tmp_path).stat()]}
    assert others.users() == (user,)


def test_link_is_not_followed(others: OtherUsers, tmp_path: Path) -> None:
    """Another user may own the directory, and put into it what they like."""
    mine = tmp_path / "mine"
    mine.touch()
    os.utime(mine, (1, 1))
    signs(tmp_path).mkdir()
    (signs(tmp_path) / str(os.geteuid())).symlink_to(mine)
    others.announce()
    assert mine.stat().st_mtime == 1
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (signs(tmp_path) / str(os.geteuid())).unlink()
    signs(tmp_path).rmdir()
    signs(tmp_path).symlink_to(elsewhere)
    others.announce()
    assert list(elsewhere.iterdir()) == []


def test_where_no_sign_can_be_left_there_are_none(
    others: OtherUsers, tmp_path: Path
) -> None:
    signs(tmp_path).touch()
    others.announce()
    assert others.users() == ()


def test_no_more_than_a_bounded_number_of_signs_is_looked_at(
    others: OtherUsers, become: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    others.announce()
    become(OTHER_USER)
    assert others.users()
    monkeypatch.setattr(other_users, "MOST", 0)
    assert not others.users()


def test_directory_is_looked_at_once_a_second(
    others: OtherUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(others, "_look", lambda: (looks.append(1), ())[1])
    for _ in range(3):
        others.users()
    assert looks == [1]


def test_given_path_is_the_same_for_all_users(
    become: Callable[[int], None], tmp_path: Path
) -> None:
    backend, worker = SqliteBackend(path=tmp_path / "sockets"), FakeWorker("a")
    assert backend.report(worker.full([worker.open()]))
    backend.close()
    assert {it.name.partition("-")[0] for it in tmp_path.iterdir()} == {"sockets"}


def test_system_without_users_has_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows."""
    monkeypatch.setattr(other_users, "user_id", lambda: None)
    others = OtherUsers(lambda: tmp_path / "private" / "shop-1")
    others.announce()
    assert others.users() == ()
    assert list(tmp_path.iterdir()) == []


# What a backend makes of it.


def test_reader_of_another_user_does_not_say_zero(
    become: Callable[[int], None],
) -> None:
    user = os.geteuid()
    serving, worker = SqliteBackend(), FakeWorker("a")
    assert serving.report(worker.full([worker.open()]))
    serving.close()
    become(OTHER_USER)
    reader = SqliteBackend()
    for attempt in (
        reader.read,
        lambda: reader.get_connections(ConnectionQuery()),
        lambda: reader.is_online("7"),
        reader.online_user_ids,
    ):
        with pytest.raises(BackendUnusableError, match=f"uid {user}.*path"):
            attempt()
    (message,) = reader.check()
    assert message.id == "django_socket_status.W018"
    assert f"uid {user}" in message.msg
    assert message.hint is not None and "OPTIONS" in message.hint


def test_answer_of_one_of_two_users_is_not_complete(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    backend, worker = SqliteBackend(), FakeWorker("a")
    assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.read().complete
    monkeypatch.setattr(other_users, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(OtherUsers, "_look", lambda self: (OTHER_USER,))
    for _ in range(2):
        assert not backend.read().complete
    assert len(backend.read().workers) == 1
    assert not backend.get_connections(ConnectionQuery()).complete
    assert backend.is_online("7")
    with pytest.raises(BackendError, match=f"uid {OTHER_USER}"):
        backend.is_online("8")
    with pytest.raises(BackendError, match=f"uid {OTHER_USER}"):
        backend.online_user_ids()
    assert [str(OTHER_USER) in it.message for it in caplog.records] == [True]
    backend.close()


def test_missing_temporary_directory_is_the_only_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", fail)
    (message,) = SqliteBackend().check()
    assert message.id == "django_socket_status.W010"
