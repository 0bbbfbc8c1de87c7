from __future__ import annotations

import pytest
from django.core.checks import CheckMessage, Warning

from django_socket_status.backends.memory import MemoryBackend
from tests.support.checks import MEMORY, PREFIX, REDIS, SQLITE, found, only


class DemandingBackend(MemoryBackend):
    closed = 0

    def __init__(self, *, url: str, timeout: float = 1.0) -> None:
        super().__init__()
        if not url:
            raise ValueError("url must not be empty")
        self.url = url

    def check(self) -> list[CheckMessage]:
        warning = Warning(f"{self.url} is odd.", hint="Even it.", id=f"{PREFIX}W999")
        return [warning]

    def close(self) -> None:
        type(self).closed += 1


class ExplosiveBackend(MemoryBackend):
    def __init__(self) -> None:
        raise ZeroDivisionError("boom")


BASE = "django_socket_status.backends.base.BaseBackend"
DEMANDING = "tests.checks.test_backend.DemandingBackend"


@pytest.mark.parametrize(
    ("given", "check_id", "message", "hint"),
    [
        ({"BACKEND": "no.such.Backend"}, "E007", "No module named 'no'", "alone"),
        ({"BACKEND": "nodots"}, "E007", "doesn't look like a module path", "alone"),
        (
            {"BACKEND": "tests.checks.test_backend.Nothing"},
            "E007",
            "does not define",
            "alone",
        ),
        ({"BACKEND": "tests.broken"}, "E007", "cannot be imported", "alone"),
        (
            {"BACKEND": "tests.support.checks.PREFIX"},
            "E008",
            "subclass of",
            "Memory",
        ),
        ({"BACKEND": "tests.support.checks.only"}, "E008", "subclass of", "Memory"),
        ({"BACKEND": BASE}, "E009", "abstract", "takes: none"),
        ({"BACKEND": DEMANDING}, "E009", "'url'", "takes: url, timeout"),
        (
            {"BACKEND": DEMANDING, "OPTIONS": {"url": ""}},
            "E009",
            "url must not be empty",
            "takes: url, timeout",
        ),
        (
            {"BACKEND": DEMANDING, "OPTIONS": {"url": "x", "colour": "a secret"}},
            "E009",
            "'colour'",
            "takes: url, timeout",
        ),
        (
            {"BACKEND": "tests.checks.test_backend.ExplosiveBackend"},
            "E009",
            "ZeroDivisionError: boom",
            "takes: none",
        ),
        ({"OPTIONS": {"path": 5}}, "E009", "path must be", "takes: path"),
    ],
)
def test_backend_that_cannot_be_used_is_an_error_with_the_reason(
    settings, given, check_id, message, hint
):
    settings.SOCKET_STATUS = given
    told = only()
    assert told.id == PREFIX + check_id
    assert message in told.msg
    assert hint in told.hint
    assert "secret" not in f"{told.msg} {told.hint}"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("redis", REDIS),
        ("valkey", REDIS),
        ("Redis", REDIS),
        ("RedisBackend", REDIS),
        ("redis.RedisBackend", REDIS),
        ("django_socket_status.backends.redis", REDIS),
        ("django_socket_status.backends.RedisBackend", REDIS),
        ("django_socket_status.backend.redis.RedisBackend", REDIS),
        ("django_socket_status.backends.redis.RedisBackend ", REDIS),
        ("django_socket_status.backends.redis.backend.redisbackend", REDIS),
        ("django_socket_status.backends.reddis.ReddisBackend", REDIS),
        ("django_socket_status.backends.redis.backend.RedisCache", REDIS),
        ("channels_redis.core.RedisChannelLayer", REDIS),
        ("sqlite", SQLITE),
        ("sqlite3", SQLITE),
        ("django.db.backends.sqlite3", SQLITE),
        ("django_socket_status.backends.sqlite.backend.SQLiteBackend", SQLITE),
        ("django_socket_status.backends.sqlite.backend.SqLiteBackend", SQLITE),
        ("django_socket_status.backends.sqlite.backend.Sqlite3Backend", SQLITE),
        ("django_socket_status.backends.sqlite", SQLITE),
        ("memory", MEMORY),
        ("locmem", MEMORY),
        ("django_socket_status.backends.memory.InMemoryBackend", MEMORY),
        ("django_socket_status.backends.mem.MemoryBackend", MEMORY),
        ("channels.layers.InMemoryChannelLayer", MEMORY),
    ],
)
def test_backend_that_was_probably_meant_is_named(settings, given, meant):
    settings.SOCKET_STATUS = {"BACKEND": given}
    told = only()
    assert told.id in (f"{PREFIX}E007", f"{PREFIX}E008")
    assert repr(given) in told.msg
    assert f"Did you mean {meant!r}?" in told.hint


@pytest.mark.parametrize(
    "given", ["", "no.such.Backend", "tests.support.checks.PREFIX"]
)
def test_backend_that_is_like_none_gets_all_names(settings, given):
    settings.SOCKET_STATUS = {"BACKEND": given}
    hint = only().hint
    assert all(repr(path) in hint for path in (SQLITE, REDIS, MEMORY))
    assert "Did you mean" not in hint


def test_option_that_the_backend_does_not_take_is_one_error(settings):
    settings.SOCKET_STATUS = {
        "BACKEND": DEMANDING,
        "OPTIONS": {"url": "redis://:secret@host", "Timeout": 5},
    }
    told = only()
    assert told.id == f"{PREFIX}E009"
    assert told.msg == (
        "SOCKET_STATUS['OPTIONS'] must be what DemandingBackend takes: it does not "
        "take 'Timeout'."
    )
    expected = "Did you mean 'timeout'? DemandingBackend takes: url, timeout."
    assert told.hint == expected


def test_option_with_a_wrong_value_is_one_error(settings):
    settings.SOCKET_STATUS = {"OPTIONS": {"path": 5}}
    told = only()
    assert told.msg.startswith("SOCKET_STATUS['OPTIONS'] must be what SqliteBackend ")
    assert told.msg.count("OPTIONS") == 1
    assert told.msg.count("must be") == 2


def test_what_a_backend_says_of_itself_is_passed_on_and_it_is_closed(settings):
    settings.SOCKET_STATUS = {"BACKEND": DEMANDING, "OPTIONS": {"url": "here"}}
    before = DemandingBackend.closed
    assert only().msg == "here is odd."
    assert DemandingBackend.closed == before + 1


def test_status_file_that_cannot_be_written_is_a_warning(settings, tmp_path):
    path = tmp_path / "no" / "such" / "directory" / "status"
    settings.SOCKET_STATUS = {"OPTIONS": {"path": path}}
    told = only()
    assert told.id == f"{PREFIX}W010"
    assert str(path) in told.msg


def test_checks_leave_no_status_file_behind(settings, tmp_path):
    settings.SOCKET_STATUS = {"OPTIONS": {"path": tmp_path / "status"}}
    assert found() == {}
    assert list(tmp_path.iterdir()) == []
