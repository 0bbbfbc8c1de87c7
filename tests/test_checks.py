from __future__ import annotations

import gc
import re
import subprocess
import sys
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.core.checks import CheckMessage, Error, Warning, run_checks
from django.core.management import get_commands

from django_socket_status import checks
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.checks.consumers import consumer_messages, imported_consumers
from django_socket_status.conf import FIELDS
from django_socket_status.consumers import SocketStatusMixin
from tests.source import ROOT, modules

PREFIX = "django_socket_status."


def found(*, deploy: bool = False) -> dict[str, CheckMessage]:
    """Return what the checks say of the settings, by id.

    Of consumers there may be odd ones, from other tests.
    """
    messages = run_checks(tags=[checks.TAG], include_deployment_checks=deploy)
    assert all(message.id.startswith(PREFIX) for message in messages)
    assert all(message.hint for message in messages)
    for message in messages:
        kind = Error if message.id.removeprefix(PREFIX).startswith("E") else Warning
        assert type(message) is kind
    named = {message.id.removeprefix(PREFIX): message for message in messages}
    return {key: it for key, it in named.items() if key not in ("E014", "W003")}


def only(**settings: Any) -> CheckMessage:
    ((_, message),) = found(**settings).items()
    return message


def test_project_in_order_has_nothing_to_hear():
    assert found() == {}


def test_no_id_means_two_things():
    pattern = re.compile(r'id="(django_socket_status\.[EWI]\d{3})"')
    named: Counter[str] = Counter()
    for file in modules().values():
        named.update(pattern.findall(file.read_text(encoding="utf-8")))
    assert named
    assert set(named.values()) == {1}


# The settings.


@pytest.mark.parametrize(
    ("given", "check_id", "message", "hint"),
    [
        ("memory", "E001", "must be a dictionary, not str", "SOCKET_STATUS = {"),
        (None, "E001", "must be a dictionary, not NoneType", "SOCKET_STATUS = {"),
        ({"LEASE_SECOND": 5}, "E002", "no key 'LEASE_SECOND'", "'LEASE_SECONDS'?"),
        ({"lease_seconds": 5}, "E002", "no key 'lease_seconds'", "'LEASE_SECONDS'?"),
        ({"COLOUR": "blue"}, "E002", "no key 'COLOUR'", "It has: BACKEND, OPTIONS"),
        ({5: 6}, "E002", "no key 5", "It has: BACKEND, OPTIONS"),
        ({"BACKEND": 5}, "E003", "must be text, not int", "SqliteBackend"),
        ({"OPTIONS": []}, "E003", "must be a dictionary whose keys", "it is {}"),
        ({"OPTIONS": {1: 2}}, "E003", "must be a dictionary whose keys", "it is {}"),
        ({"CACHE_SECONDS": "1"}, "E003", "a number of seconds, not str", "0.05"),
        ({"CACHE_SECONDS": True}, "E003", "a number of seconds, not bool", "0.05"),
        ({"CACHE_SECONDS": None}, "E003", "of seconds, not NoneType", "0.05"),
        ({"SUMMARY_ACCESS": print}, "E003", "must be text", "'public'"),
        ({"SUMMARY_ACCESS": None}, "E003", "must be text", "'public'"),
        ({"TYPES": "call"}, "E003", "must be a dictionary", "it is {}"),
        ({"ENDPOINTS": {None: "/"}}, "E003", "must be a dictionary", "it is {}"),
        ({"HEARTBEAT_SECONDS": 0}, "E004", "from 0.01 to 3600 seconds", "1.0"),
        ({"LEASE_SECONDS": -5}, "E004", "from 0.02 to 86400 seconds", "5.0"),
        ({"CACHE_SECONDS": -0.1}, "E004", "from 0 to 60 seconds", "0.05"),
        ({"STALE_SECONDS": float("nan")}, "E004", "from 0 to 86400", "30.0"),
        ({"STALE_SECONDS": float("inf")}, "E004", "from 0 to 86400", "30.0"),
        ({"STALE_SECONDS": 10**400}, "E004", "from 0 to 86400", "30.0"),
        ({"LEASE_SECONDS": 1.9}, "E005", "at least two heartbeats", "Make it 5"),
        ({"HEARTBEAT_SECONDS": 3}, "E005", "5 seconds with a heartbeat of 3", "15"),
        ({"REPORT_INTERVAL_SECONDS": 1.1}, "E006", "longer than a heartbeat", "wait"),
        ({"TYPES": {"CallConsumer": "call"}}, "E011", "is neither", "dotted path"),
        ({"TYPES": {"a.B": 5}}, "E012", "text of 1 to 64 characters", "stt_room"),
        ({"TYPES": {"a.B": ""}}, "E012", "text of 1 to 64 characters", "stt_room"),
        ({"TYPES": {"a.B": "x" * 65}}, "E012", "of 1 to 64 characters", "stt_room"),
        ({"TYPES": {"ws/": "a\nb"}}, "E012", "without control", "stt_room"),
        ({"ENDPOINTS": {"call": 5}}, "E013", "must be a URL for a type", "?role="),
        ({"ENDPOINTS": {"call": ""}}, "E013", "must be a URL for a type", "?role="),
        ({"ENDPOINTS": {"": "/"}}, "E013", "must be a URL for a type", "?role="),
        ({"ENDPOINTS": {"a": "x" * 2049}}, "E013", "1 to 2048 characters", "?role="),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_setting_that_breaks_a_rule_is_told_the_rule_and_the_fix(
    settings, given, check_id, message, hint
):
    settings.SOCKET_STATUS = given
    told = only()
    assert told.id == PREFIX + check_id
    assert message in told.msg
    assert hint in f"{told.hint} {told.msg}"
    assert isinstance(told, Error)


@pytest.mark.parametrize(
    "given",
    [
        {},
        types.MappingProxyType({"LEASE_SECONDS": 4}),
        {"CACHE_SECONDS": 0, "STALE_SECONDS": 0, "REPORT_INTERVAL_SECONDS": 0},
        {"LEASE_SECONDS": 2},
        {"HEARTBEAT_SECONDS": 2.5},
        {"REPORT_INTERVAL_SECONDS": 1},
        {"HEARTBEAT_SECONDS": 3600, "LEASE_SECONDS": 86_400},
        {"TYPES": {"ws/<room>/": "x" * 64, "a.b.C": "Ärger im Büro"}},
        {"ENDPOINTS": {"call": "/ws/call/<room>/?role=<role>"}},
        {"OPTIONS": {"path": "status"}},
        {"BACKEND": "django_socket_status.backends.memory.MemoryBackend"},
    ],
    ids=repr,
)
def test_setting_that_breaks_no_rule_is_left_in_peace(settings, given, tmp_path):
    if "path" in given.get("OPTIONS", {}):
        given = {"OPTIONS": {"path": tmp_path / "status"}}
    settings.SOCKET_STATUS = given
    assert found() == {}


def test_every_key_that_is_wrong_is_told(settings):
    settings.SOCKET_STATUS = {**dict.fromkeys(FIELDS, object()), "COLOUR": 1, "SIZE": 2}
    told = [message.msg for message in checks.check_settings()]
    assert len(told) == len(FIELDS) + 2
    for key in settings.SOCKET_STATUS:
        assert len([it for it in told if repr(key) in it]) == 1


# The backend.


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
DEMANDING = "tests.test_checks.DemandingBackend"


@pytest.mark.parametrize(
    ("given", "check_id", "message", "hint"),
    [
        ({"BACKEND": "no.such.Backend"}, "E007", "No module named 'no'", "alone"),
        ({"BACKEND": "nodots"}, "E007", "doesn't look like a module path", "alone"),
        ({"BACKEND": "tests.test_checks.Nothing"}, "E007", "does not define", "alone"),
        ({"BACKEND": "tests.broken"}, "E007", "cannot be imported", "alone"),
        ({"BACKEND": "tests.test_checks.PREFIX"}, "E008", "subclass of", "Memory"),
        ({"BACKEND": "tests.test_checks.only"}, "E008", "subclass of", "Memory"),
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
            {"BACKEND": "tests.test_checks.ExplosiveBackend"},
            "E009",
            "ZeroDivisionError: boom",
            "takes: none",
        ),
        ({"OPTIONS": {"path": 5}}, "E009", "path must be", "takes: path"),
    ],
)
def test_backend_that_cannot_be_used_is_told_why(
    settings, given, check_id, message, hint
):
    settings.SOCKET_STATUS = given
    told = only()
    assert told.id == PREFIX + check_id
    assert message in told.msg
    assert hint in told.hint
    assert "secret" not in f"{told.msg} {told.hint}"


def test_what_a_backend_says_of_itself_is_passed_on_and_it_is_closed(settings):
    settings.SOCKET_STATUS = {"BACKEND": DEMANDING, "OPTIONS": {"url": "here"}}
    before = DemandingBackend.closed
    assert only().msg == "here is odd."
    assert DemandingBackend.closed == before + 1


def test_status_file_that_cannot_be_written_is_told(settings, tmp_path):
    path = tmp_path / "no" / "such" / "directory" / "status"
    settings.SOCKET_STATUS = {"OPTIONS": {"path": path}}
    told = only()
    assert told.id == f"{PREFIX}W010"
    assert str(path) in told.msg


def test_checks_leave_no_status_file_behind(settings, tmp_path):
    settings.SOCKET_STATUS = {"OPTIONS": {"path": tmp_path / "status"}}
    assert found() == {}
    assert list(tmp_path.iterdir()) == []


# Who may read.


class TokenMiddleware(AuthenticationMiddleware):
    """Signs people in in a way of its own."""


@pytest.mark.parametrize(
    "access",
    ["publik", "", "no.such.rule", "tests.test_access.Rule", "tests.test_checks.BASE"],
)
def test_access_that_names_no_rule_is_told(settings, access):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": access}
    told = only()
    assert told.id == f"{PREFIX}E010"
    assert "'public', 'authenticated', 'staff' or the dotted path" in told.msg


@pytest.mark.parametrize(
    "access",
    ["public", "authenticated", "staff", "tests.test_access.is_customer"],
)
def test_access_that_names_a_rule_is_left_in_peace(settings, access):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": access}
    assert found() == {}


@pytest.mark.parametrize("access", ["authenticated", "staff"])
def test_rule_about_people_needs_a_middleware_that_knows_them(settings, access):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": access}
    settings.MIDDLEWARE = ["no.such.Middleware", "tests.test_checks.found"]
    told = only()
    assert told.id == f"{PREFIX}W004"
    assert repr(access) in told.msg
    settings.MIDDLEWARE = ["tests.test_checks.TokenMiddleware"]
    assert found() == {}


# The application.


@pytest.mark.parametrize("missing", [None, ""])
def test_project_without_an_asgi_application_is_told(settings, missing):
    settings.ASGI_APPLICATION = missing
    assert only().id == f"{PREFIX}W001"
    del settings.ASGI_APPLICATION
    assert only().id == f"{PREFIX}W001"


@pytest.fixture
def runserver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "argv", ["manage.py", "runserver"])
    get_commands.cache_clear()
    yield
    get_commands.cache_clear()


@pytest.mark.usefixtures("runserver")
def test_who_runs_a_runserver_that_speaks_wsgi_is_told():
    told = only()
    assert told.id == f"{PREFIX}W002"
    assert "'daphne' first" in told.hint


@pytest.mark.usefixtures("runserver")
def test_who_runs_a_runserver_of_somebody_elses_is_left_in_peace(monkeypatch):
    """It may well speak ASGI."""
    from django.core.management.commands.runserver import Command

    class OtherCommand(Command):
        __module__ = "uvicorn_runserver.management.commands.runserver"

    monkeypatch.setitem(get_commands(), "runserver", OtherCommand())
    assert found() == {}


# The consumers.


class GoodConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    pass


class LastConsumer(WebsocketConsumer, SocketStatusMixin):
    """In an order that works as well."""


class BareConsumer(SocketStatusMixin, SyncConsumer):
    def websocket_connect(self, message: Any) -> None:
        raise NotImplementedError


class Application(SocketStatusMixin):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError


class ProjectMixin(SocketStatusMixin):
    """Of no use until it is a part of something."""


class ProjectConsumer(ProjectMixin, AsyncWebsocketConsumer):
    pass


class ProjectBase(SocketStatusMixin, AsyncConsumer):
    """Takes no message itself."""


class RoomConsumer(ProjectBase):
    async def websocket_connect(self, message: Any) -> None:
        raise NotImplementedError


class Quiet:
    """Keeps the mixin from seeing the classes below."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Tell nobody."""


def told_of(*classes: Any) -> list[CheckMessage]:
    return list(consumer_messages(classes))


def imports(*classes: type) -> bool:
    known = imported_consumers()
    return all(sum(it is cls for it in known) == 1 for cls in classes)


def test_consumers_that_count_are_left_in_peace():
    classes = {
        GoodConsumer,
        LastConsumer,
        BareConsumer,
        Application,
        ProjectMixin,
        ProjectConsumer,
        ProjectBase,
        RoomConsumer,
    }
    assert imports(*classes)
    assert told_of(*classes) == []


def test_order_of_bases_in_which_the_mixin_is_passed_over_is_told_once():
    class WrongConsumer(Quiet, AsyncWebsocketConsumer, SocketStatusMixin):
        pass

    class SubConsumer(WrongConsumer):
        pass

    assert imports(WrongConsumer, SubConsumer)
    (told,) = told_of(SubConsumer, WrongConsumer)
    assert told.id == f"{PREFIX}E014"
    assert f"{__name__}.test_order_of_bases" in told.msg
    assert (
        "class WrongConsumer(SocketStatusMixin, Quiet, AsyncWebsocketConsumer)"
        in told.hint
    )

    class RightConsumer(SocketStatusMixin, Quiet, AsyncWebsocketConsumer):
        pass

    assert told_of(RightConsumer) == []


def test_call_that_was_put_in_place_of_the_mixins_is_told():
    class PatchedConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        pass

    PatchedConsumer.__call__ = AsyncWebsocketConsumer.__call__
    (told,) = told_of(PatchedConsumer)
    assert told.id == f"{PREFIX}E014"


def test_class_that_serves_no_websocket_has_nothing_to_count():
    class Nothing(SocketStatusMixin):
        pass

    class PageConsumer(SocketStatusMixin, AsyncHttpConsumer):
        pass

    class WorkerConsumer(SocketStatusMixin, SyncConsumer):
        def send_mail(self, message: Any) -> None:
            raise NotImplementedError

    told = told_of(WorkerConsumer, PageConsumer, Nothing)
    assert [message.id for message in told] == [f"{PREFIX}W003"] * 3
    assert [message.msg.split()[0].rpartition(".")[2] for message in told] == [
        "Nothing",
        "PageConsumer",
        "WorkerConsumer",
    ]


def test_consumer_that_cannot_be_in_a_set_is_judged_as_any_other():
    class Unhashable(type):
        def __eq__(cls, other: object) -> bool:
            return cls is other

        __hash__ = None

    class WrongConsumer(
        Quiet, AsyncWebsocketConsumer, SocketStatusMixin, metaclass=Unhashable
    ):
        pass

    assert imports(WrongConsumer)
    (told,) = told_of(WrongConsumer)
    assert told.id == f"{PREFIX}E014"
    del WrongConsumer
    gc.collect()


def test_consumers_of_the_process_are_checked():
    class WrongConsumer(Quiet, AsyncWebsocketConsumer, SocketStatusMixin):
        pass

    def mentioned() -> bool:
        told = run_checks(tags=[checks.TAG])
        return any(__name__ in message.msg for message in told)

    assert mentioned()
    del WrongConsumer
    gc.collect()


# A deployment.


def test_deployment_that_is_open_to_everybody_is_reminded(settings):
    assert set(found(deploy=True)) == {"W006"}
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}
    assert found(deploy=True) == {}


def test_deployment_without_an_application_is_told_once(settings):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}
    settings.ASGI_APPLICATION = ""
    assert set(found(deploy=True)) == {"W001"}


# A project as people make it.


class Project:
    """A project made by ``startproject``, and its ``manage.py``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._run("-m", "django", "startproject", "shop", ".")
        self.asgi = directory / "shop" / "asgi.py"
        self.set(
            'INSTALLED_APPS += ["django_socket_status"]',
            'ASGI_APPLICATION = "shop.asgi.application"',
        )

    def set(self, *lines: str) -> None:
        with (self.directory / "shop" / "settings.py").open("a") as file:
            file.write("".join(f"\n{line}\n" for line in lines))

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run("manage.py", *words)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.directory,
            env={"PYTHONPATH": str(ROOT), "TMPDIR": str(self.directory)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def ids(self, *words: str) -> list[str]:
        """Return the ids of our messages that ``check`` shows."""
        result = self.manage("check", *words)
        return re.findall(r"\(django_socket_status\.([EWI]\d{3})\)", result.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_new_project_stays_clean(project):
    assert project.manage("check").returncode == 0
    result = project.manage("check", "--fail-level", "INFO")
    assert (result.returncode, result.stderr) == (0, "")
    assert "no issues (0 silenced)" in result.stdout
    result = project.manage("makemigrations", "--check")
    assert (result.returncode, result.stderr) == (0, "")
    assert "No changes detected" in result.stdout
    deployed = project.ids("--deploy", "--tag", "socket_status")
    assert deployed == ["W006"]


def test_wrong_setting_fails_the_check_of_a_project(project):
    project.set('SOCKET_STATUS = {"LEASE_SECOND": 5}')
    result = project.manage("check")
    assert result.returncode == 1
    assert "(django_socket_status.E002)" in result.stderr
    assert "HINT: Did you mean 'LEASE_SECONDS'?" in result.stderr


def test_project_without_users_stays_clean(project):
    project.set(
        'INSTALLED_APPS = ["django_socket_status"]',
        "MIDDLEWARE = []",
        "TEMPLATES = []",
        'ROOT_URLCONF = "shop.empty"',
        'SOCKET_STATUS = {"SUMMARY_ACCESS": "public"}',
    )
    (project.directory / "shop" / "empty.py").write_text("urlpatterns = []\n")
    result = project.manage("check", "--fail-level", "INFO")
    assert (result.returncode, result.stderr) == (0, "")


def test_application_is_imported_by_the_check_of_a_deployment_alone(project):
    project.asgi.write_text('raise SystemExit("nobody imports me")\n')
    assert project.ids() == []
    assert project.ids("--deploy") == ["W005", "W006"]
    assert "SystemExit: nobody imports me" in project.manage("check", "--deploy").stderr


def test_consumers_are_known_to_the_check_of_a_deployment(project):
    project.asgi.write_text(
        "from channels.consumer import AsyncConsumer\n"
        "from django_socket_status.consumers import SocketStatusMixin\n"
        "class MailConsumer(SocketStatusMixin, AsyncConsumer):\n"
        "    pass\n"
        "application = MailConsumer.as_asgi()\n"
    )
    assert project.ids() == []
    assert project.ids("--deploy") == ["W003", "W006"]
    # Once somebody else imports it, it is told by the check of every day.
    (project.directory / "shop" / "apps.py").write_text(
        "from django.apps import AppConfig\n"
        "class ShopConfig(AppConfig):\n"
        "    name = 'shop'\n"
        "    def ready(self):\n"
        "        import shop.asgi\n"
    )
    project.set('INSTALLED_APPS += ["shop"]')
    assert project.ids() == ["W003"]
    assert project.ids("--deploy") == ["W003", "W006"]


@pytest.mark.parametrize("place", ["first", "last"])
def test_daphne_that_does_not_get_its_turn_is_told(project, place):
    order = {
        "first": 'INSTALLED_APPS = ["daphne", *INSTALLED_APPS]',
        "last": 'INSTALLED_APPS = [*INSTALLED_APPS, "daphne"]',
    }
    project.set(order[place])
    assert project.ids() == ([] if place == "first" else ["W002"])
