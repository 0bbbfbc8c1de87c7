from __future__ import annotations

import asyncio
import dataclasses
import datetime
import inspect
import sys
import types
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import models
from django.urls import path, set_script_prefix
from django.utils.functional import SimpleLazyObject

from django_socket_status import users
from django_socket_status.backends import get_backend
from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.endpoints import loaded as endpoints
from django_socket_status.endpoints.served import ServedEndpoints
from django_socket_status.exceptions import (
    BackendError,
    BackendUnusableError,
    StatusUnavailableError,
)
from django_socket_status.limits import MAX_LABELS, MAX_TYPE
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.records import (
    ConnectionPage,
    ConnectionRecord,
    Cursor,
    Summary,
)
from django_socket_status.registry.counts import Counts
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.reporter.worker import this_worker
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import SummaryRecord, UserIds, WorkerRecord
from django_socket_status.status.arguments import MAX_OFFSET
from django_socket_status.testing import reset_socket_status
from tests.support.applications import CallConsumer as RoutedConsumer
from tests.support.held_sockets import (
    CallConsumer,
    STTRoomConsumer,
    close_socket,
    open_socket,
)
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted

service = SocketStatusService()

#: Names of questions that have both forms, and what to ask.
QUESTIONS: dict[str, dict[str, Any]] = {
    "get_socket_info_summary": {},
    "get_summary": {},
    "get_workers": {},
    "get_connections": {},
    "has_listeners": {},
    "is_online": {"user": 7},
    "online_user_ids": {},
}


@pytest.fixture
def unreported(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Report to a backend that a test can tell what to do, and only on request."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}


@pytest.fixture
def application(settings: Any) -> Iterator[types.ModuleType]:
    """A module for ``ASGI_APPLICATION`` that was not walked yet."""
    module = types.ModuleType("services_asgi")
    module.application = URLRouter(  # type: ignore[attr-defined]
        [path("ws/call/<room>/", RoutedConsumer.as_asgi())]
    )
    sys.modules["services_asgi"] = module
    settings.ASGI_APPLICATION = "services_asgi.application"
    yield module
    del sys.modules["services_asgi"]


def lazy(user: object) -> Any:
    return SimpleLazyObject(lambda: user)


def both(name: str, **arguments: Any) -> Any:
    """Ask in both forms, and return the answer that they agree on."""
    answer = getattr(service, name)(**arguments)
    on_loop = asyncio.run(getattr(service, f"a{name}")(**arguments))
    if isinstance(answer, dict):
        assert {**on_loop, "timestamp": ""} == {**answer, "timestamp": ""}
    elif isinstance(answer, SummaryRecord):
        at = answer.timestamp
        assert dataclasses.replace(on_loop, timestamp=at) == answer
    elif name != "get_workers":
        assert on_loop == answer
    return answer


# What is not counted.


class CountedConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    socket_status_type = "chat"


class PlainConsumer(AsyncWebsocketConsumer):
    socket_status_type = "talk"


class ChoosyConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    def get_socket_status_type(self) -> str:
        return "chosen"


def serve(module: types.ModuleType, *routes: tuple[str, Any]) -> None:
    """Have the project serve applications, as a worker that has loaded it."""
    module.application = URLRouter(  # type: ignore[attr-defined]
        [path(route, app) for route, app in routes]
    )
    reset_socket_status()


@pytest.mark.parametrize("reported", [False, True])
def test_listeners_of_an_uncounted_type_are_not_known(application, settings, reported):
    serve(
        application,
        ("ws/chat/", CountedConsumer.as_asgi()),
        ("ws/talk/", PlainConsumer.as_asgi()),
        ("ws/behind/", SocketStatusMiddleware(PlainConsumer.as_asgi())),
    )
    if reported:
        served = endpoints.own_endpoints()
        settings.ASGI_APPLICATION = "not_loaded.application"
        get_backend().report_endpoints(served.to_text(), 10.0)
    summary = both("get_socket_info_summary")
    assert summary["uncounted_endpoints"] == {"talk": "/ws/talk/"}
    assert summary["ws_endpoints"].keys() == {"chat", "talk", "ws_behind"}
    assert both("has_listeners", type="chat") is False
    assert both("has_listeners") is False
    for ask in (
        service.has_listeners,
        lambda type: asyncio.run(service.ahas_listeners(type)),
    ):
        with pytest.raises(StatusUnavailableError, match="'talk' are not counted"):
            ask("talk")
    # One of its routes is counted and has a connection.
    open_socket(type("TalkConsumer", (CallConsumer,), {"socket_status_type": "talk"}))
    assert both("has_listeners", type="talk") is True


def test_project_that_counts_no_route_does_not_know_of_listeners(application):
    serve(application, ("ws/talk/", PlainConsumer.as_asgi()))
    with pytest.raises(StatusUnavailableError, match="WebSockets are not counted"):
        service.has_listeners()
    open_socket()
    assert service.has_listeners() is True


def test_type_that_no_endpoint_has_is_logged_once_with_the_closest(application, caplog):
    serve(application, ("ws/chat/", CountedConsumer.as_asgi()))
    for _ in range(2):
        assert both("has_listeners", type="chta") is False
        assert both("has_listeners", type="chat") is False
    assert [record.getMessage() for record in caplog.records] == [
        "No endpoint has the type 'chta'; the closest one is 'chat'."
    ]


def test_type_is_not_unknown_while_endpoints_are_not(settings, caplog):
    settings.ASGI_APPLICATION = "not_loaded.application"
    assert both("has_listeners", type="chta") is False
    assert not caplog.records


def test_type_that_a_consumer_or_a_setting_may_choose_is_not_unknown(
    application, settings, caplog
):
    serve(application, ("ws/chat/", CountedConsumer.as_asgi()))
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "ENDPOINTS": {"old": "/old/"}}
    assert both("has_listeners", type="old") is False
    serve(
        application,
        ("ws/chat/", CountedConsumer.as_asgi()),
        ("ws/choosy/", ChoosyConsumer.as_asgi()),
    )
    assert both("has_listeners", type="chosen") is False
    assert not caplog.records


def test_log_of_unknown_types_is_bounded(application, caplog):
    serve(application, ("ws/chat/", CountedConsumer.as_asgi()))
    for number in range(150):
        assert service.has_listeners(f"type{number}") is False
    assert len(caplog.records) == 100


# The summary.


def test_summary_without_sockets_says_that_there_are_none(application):
    before = datetime.datetime.now(tz=datetime.timezone.utc)
    summary = both("get_socket_info_summary")
    assert set(summary) == set(Summary.__annotations__)
    at = datetime.datetime.fromisoformat(summary.pop("timestamp"))
    assert at.utcoffset() == datetime.timedelta(0)
    assert abs(at - before) < datetime.timedelta(minutes=1)
    assert summary == {
        "active": False,
        "total_sockets": 0,
        "sockets_by_type": {},
        "ws_endpoints": {"call": "/ws/call/<room>/"},
        "unique_users": 0,
        "anonymous_sockets": 0,
        "workers": 0,
        "coverage": "host",
        "stale": False,
        "endpoints_known": True,
        "uncounted_endpoints": {"call": "/ws/call/<room>/"},
    }


def test_summary_counts_types_users_and_the_anonymous():
    open_socket(STTRoomConsumer, user=User(pk=7))
    open_socket(STTRoomConsumer, user=User(pk=8))
    open_socket(CallConsumer, user=User(pk=7))
    open_socket(CallConsumer, user=AnonymousUser())
    summary = both("get_socket_info_summary")
    assert summary["active"] is True
    assert summary["total_sockets"] == 4
    assert list(summary["sockets_by_type"].items()) == [("call", 2), ("stt_room", 2)]
    assert summary["unique_users"] == 2
    assert summary["anonymous_sockets"] == 1
    assert summary["workers"] == 1


def test_summary_is_the_callers_to_keep():
    open_socket()
    first = service.get_socket_info_summary()
    first["sockets_by_type"].clear()
    first["ws_endpoints"]["mine"] = "/mine/"
    second = service.get_socket_info_summary()
    assert second["sockets_by_type"] == {"call": 1}
    assert "mine" not in second["ws_endpoints"]


def test_summary_imports_nothing_and_says_that_endpoints_are_not_known(
    settings, tmp_path, monkeypatch
):
    (tmp_path / "unloaded_asgi.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.ASGI_APPLICATION = "unloaded_asgi.application"
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "ENDPOINTS": {"legacy": "/old/"},
    }
    summary = both("get_socket_info_summary")
    assert summary["endpoints_known"] is False
    assert summary["ws_endpoints"] == {}
    assert "unloaded_asgi" not in sys.modules


def test_endpoints_that_a_worker_reported_are_in_the_summary(settings):
    settings.ASGI_APPLICATION = "unloaded_asgi.application"
    served = ServedEndpoints(urls={"call": "/ws/<room>/"}, live_url="/ws/live/")
    get_backend().report_endpoints(served.to_text(), 10.0)
    summary = both("get_socket_info_summary")
    assert summary["endpoints_known"] is True
    assert summary["ws_endpoints"] == {"call": "/ws/<room>/"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"urls": 3}', "[" * 100_000])
def test_endpoints_that_are_damaged_are_not_known(settings, text):
    settings.ASGI_APPLICATION = "unloaded_asgi.application"
    get_backend().report_endpoints(text, 10.0)
    assert both("get_socket_info_summary")["endpoints_known"] is False


def test_backend_without_endpoints_still_has_counts(unreported, monkeypatch):
    monkeypatch.setattr(scripted(), "read_endpoints", fails_with(OSError("no")))
    summary = both("get_socket_info_summary")
    assert summary["total_sockets"] == 0
    assert summary["stale"] is False


def test_root_path_is_in_front_of_the_endpoints(application, settings):
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "ENDPOINTS": {"legacy": "/old/", "far": "wss://example.com/"},
    }
    expected = {
        "call": "/app/ws/call/<room>/",
        "legacy": "/old/",
        "far": "wss://example.com/",
    }
    settings.FORCE_SCRIPT_NAME = "/app/"
    assert both("get_socket_info_summary")["ws_endpoints"] == expected
    settings.FORCE_SCRIPT_NAME = None
    set_script_prefix("/app/")
    try:
        listed = service.get_socket_info_summary()["ws_endpoints"]
    finally:
        set_script_prefix("/")
    assert listed == expected


def test_summary_is_also_a_typed_record():
    open_socket(user=User(pk=7))
    record = both("get_summary")
    names = [field.name for field in dataclasses.fields(SummaryRecord)]
    assert names == [*Summary.__annotations__]
    summary = service.get_socket_info_summary()
    for name in set(names) - {"timestamp"}:
        assert getattr(record, name) == summary[name]  # type: ignore[literal-required]
    assert isinstance(record.timestamp, datetime.datetime)
    assert record.timestamp.utcoffset() == datetime.timedelta(0)


def test_workers_have_the_names_of_the_json_and_the_old_ones():
    open_socket(user=User(pk=7))
    open_socket()
    (record,) = both("get_workers")
    assert isinstance(record, WorkerRecord)
    worker = this_worker()
    assert record.worker_id == worker.worker_id
    assert (record.host, record.pid) == (worker.host, worker.pid)
    assert (record.server, record.started_at) == (worker.server, worker.started_at)
    assert (record.total_sockets, record.anonymous_sockets) == (2, 1)
    assert record.sockets_by_type == {"call": 2}
    assert (record.is_late, record.complete) == (False, True)
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    assert abs(record.reported_at - now) < datetime.timedelta(minutes=1)
    assert record.worker == worker
    assert (record.counts, record.anonymous) == ({"call": 2}, 1)
    assert record.age_seconds >= 0


def test_workers_are_those_whose_reports_are_summed_up():
    assert list(both("get_workers")) == []
    open_socket()
    (status,) = both("get_workers")
    assert status.counts == {"call": 1}
    assert status.worker.pid


# Whether anybody listens.


def test_has_listeners_while_a_socket_is_open():
    assert not both("has_listeners")
    socket = open_socket()
    assert both("has_listeners")
    assert both("has_listeners", type="call")
    assert not both("has_listeners", type="stt_room")
    close_socket(socket)
    assert not both("has_listeners")


def test_has_listeners_with_labels():
    socket = open_socket(room="blue", role="host")
    open_socket(STTRoomConsumer, room="red")

    def listens(kind: str | None = None, **labels: Any) -> Any:
        return both("has_listeners", type=kind, labels=labels)

    assert listens("call", room="blue")
    assert listens("call", room="blue", role="host")
    assert listens(room="blue")
    assert not listens("call", room="red")
    assert not listens("stt_room", room="blue")
    assert not listens("chat", room="blue")
    assert not listens("call", room="blue", role="guest")
    assert listens("call")
    assert service.has_listeners("call", {"room": "blue"})
    close_socket(socket)
    assert not listens("call", room="blue")
    assert not listens(room="blue")


def test_labels_take_a_question_only_where_the_type_has_a_connection(unreported):
    assert not service.has_listeners("call", {"room": "blue"})
    assert scripted().questions == 0
    open_socket(room="blue")
    assert service.has_listeners("call", {"room": "blue"})
    assert scripted().questions == 1


@pytest.mark.usefixtures("unreported")
def test_has_listeners_with_labels_raises_while_reports_are_missing():
    open_socket(room="blue")
    service.has_listeners()
    backend = scripted()
    found = backend.get_connections

    def incomplete(query):
        return dataclasses.replace(found(query), complete=False)

    backend.get_connections = incomplete  # type: ignore[method-assign]
    assert both("has_listeners", labels={"room": "blue"})
    for ask in (
        lambda: service.has_listeners(labels={"room": "red"}),
        lambda: asyncio.run(service.ahas_listeners(labels={"room": "red"})),
    ):
        with pytest.raises(StatusUnavailableError, match="still being reported"):
            ask()


def test_type_is_as_long_as_it_is_kept(settings):
    name = "x" * (MAX_TYPE + 1)
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "TYPES": {f"{CallConsumer.__module__}.{CallConsumer.__qualname__}": name},
    }
    open_socket()
    assert both("has_listeners", type=name)
    assert len(both("get_connections", type=name)) == 1


@pytest.mark.usefixtures("unreported")
def test_has_listeners_is_false_only_when_that_is_certain():
    open_socket()
    service.has_listeners()
    scripted().before_read = fails_with(BackendUnusableError("no room"))
    open_socket()
    assert service.get_socket_info_summary()["coverage"] == "process"
    assert both("has_listeners", type="call")
    with pytest.raises(StatusUnavailableError, match="whether anybody listens"):
        service.has_listeners("stt_room")
    with pytest.raises(StatusUnavailableError, match="whether anybody listens"):
        asyncio.run(service.ahas_listeners("stt_room"))


def test_has_listeners_does_not_read_the_backend_each_time(unreported, settings):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CACHE_SECONDS": 60}
    for _ in range(100):
        assert not service.has_listeners("call")
    assert scripted().reads == 1


# Users.


@pytest.mark.parametrize(
    ("connected", "asked"),
    [
        (User(pk=7), User(pk=7)),
        (User(pk=7), 7),
        (User(pk=7), "7"),
        (User(pk=7), lazy(User(pk=7))),
        (lazy(User(pk=7)), User(pk=7)),
        (uuid.UUID(int=7), uuid.UUID(int=7)),
        (uuid.UUID(int=7), types.SimpleNamespace(pk=str(uuid.UUID(int=7)))),
        (types.SimpleNamespace(pk="ada"), types.SimpleNamespace(pk="ada")),
        ("x" * 1000, types.SimpleNamespace(pk="x" * 1000)),
        ("a\nb", types.SimpleNamespace(pk="a\nb")),
    ],
)
def test_user_is_online_while_connected(connected, asked):
    if isinstance(connected, SimpleLazyObject):
        assert connected.pk
    socket = open_socket(user=connected)
    reporter.flush()
    assert both("is_online", user=asked) is True
    (record,) = both("get_connections", user=asked)
    assert list(both("online_user_ids")) == [record.user_id]
    assert both("is_online", user=8) is False
    close_socket(socket)
    assert both("is_online", user=asked) is False
    assert list(both("online_user_ids")) == []


def test_user_on_another_worker_is_online(unreported, monkeypatch):
    open_socket(user=7)
    reporter.flush()
    monkeypatch.setattr(registry, "_counts", Counts(str))
    assert both("is_online", user=7) is True
    assert scripted().questions == 2


def test_user_of_this_very_process_is_online_without_a_question(unreported):
    open_socket(user=7)
    reporter.flush()
    assert both("is_online", user=7) is True
    assert scripted().questions == 0


@pytest.mark.parametrize(
    "nobody",
    [AnonymousUser(), User(), lazy(AnonymousUser())],
    ids=["anonymous", "unsaved", "lazy anonymous"],
)
def test_anonymous_user_is_not_online_and_has_no_connections_to_list(nobody):
    open_socket(user=AnonymousUser())
    assert both("is_online", user=nobody) is False
    with pytest.raises(ValueError, match="primary key"):
        service.get_connections(user=nobody)
    with pytest.raises(ValueError, match="primary key"):
        asyncio.run(service.aget_connections(user=nobody))


#: The last ones are no primary keys of the user model, whose keys are numbers.
NO_USERS = [True, 1.5, b"7", object(), ["7"], User, lazy(None), "ada", "7.5", ""]


def refused_by_both(name: str, error: type[Exception], message: str, **given: Any):
    """Ask in both forms, and expect the same refusal."""
    with pytest.raises(error, match=message):
        getattr(service, name)(**given)
    if name == "iter_connections":
        with pytest.raises(error, match=message):
            service.aiter_connections(**given)
        return
    with pytest.raises(error, match=message):
        asyncio.run(getattr(service, f"a{name}")(**given))


@pytest.mark.parametrize("wrong", NO_USERS, ids=lambda it: type(it).__name__)
def test_what_is_no_user_is_refused(wrong):
    message = "user must be a user or a primary key"
    for name in ("is_online", "get_connections", "iter_connections"):
        refused_by_both(name, TypeError, message, user=wrong)


def test_none_is_no_user_to_look_for():
    """A variable without a value is not an anonymous user."""
    message = "user must be a user or a primary key, not None"
    refused_by_both("is_online", TypeError, message, user=None)
    open_socket()
    assert len(both("get_connections", user=None)) == 1


@pytest.fixture
def uuid_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the primary key of the user model be a UUID."""
    monkeypatch.setattr(users, "_key_field", lambda: models.UUIDField())


@pytest.fixture
def text_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the primary key of the user model be a text."""
    monkeypatch.setattr(users, "_key_field", lambda: models.CharField(max_length=9))


def assert_known_by(key: object, user_id: str) -> None:
    """Hold a connection of a user with a key, and ask for it in all forms."""
    user = types.SimpleNamespace(pk=key)
    socket = open_socket(user=user)
    (record,) = both("get_connections", user=key)
    assert record.user_id == user_id
    assert record.user_pk == key
    assert type(record.user_pk) is type(key)
    online = both("online_user_ids")
    assert isinstance(online, UserIds)
    assert key in online
    assert user in online
    assert lazy(user) in online
    assert user_id in online
    assert online == {user_id}
    assert [*online] == [user_id]
    assert online.pks == {key}
    for other in (8, "8", None, True, 7.5, "ada", uuid.UUID(int=8), AnonymousUser()):
        assert other not in online
    close_socket(socket)


def test_integer_key_is_known_as_itself_and_as_text():
    assert_known_by(7, "7")


@pytest.mark.usefixtures("uuid_users")
def test_uuid_key_is_known_as_itself_and_as_text():
    key = uuid.UUID(int=7)
    assert_known_by(key, str(key))
    open_socket(user=types.SimpleNamespace(pk=key))
    assert both("is_online", user=key.hex) is True


@pytest.mark.usefixtures("text_users")
def test_text_key_is_known_as_itself():
    assert_known_by("grace", "grace")
    assert both("is_online", user="ada") is False


def test_key_that_the_user_model_cannot_have_stays_text():
    open_socket(user=types.SimpleNamespace(pk="ada"))
    open_socket(user=types.SimpleNamespace(pk="007"))
    open_socket(user=types.SimpleNamespace(pk=None))
    keys = {record.user_pk for record in both("get_connections")}
    assert keys == {"ada", "007", None}


def test_any_text_is_a_key_where_there_is_no_user_model(settings):
    settings.AUTH_USER_MODEL = "nowhere.User"
    open_socket(user=types.SimpleNamespace(pk="ada"))
    assert both("is_online", user="ada") is True
    assert both("online_user_ids").pks == {"ada"}


async def test_lazy_user_that_takes_a_query_is_refused_on_a_loop():
    def query():
        raise SynchronousOnlyOperation("it takes a query")

    with pytest.raises(SynchronousOnlyOperation):
        await service.ais_online(SimpleLazyObject(query))


# Connections.


def test_connections_are_listed_by_the_query():
    first = open_socket(CallConsumer, user=7, room="1")
    reporter.flush()
    open_socket(CallConsumer, user=8, room="1")
    reporter.flush()
    open_socket(STTRoomConsumer, user=7, room="2", role="staff")
    page = both("get_connections")
    assert isinstance(page, ConnectionPage)
    assert [(it.type, it.user_id, dict(it.labels)) for it in page] == [
        ("stt_room", "7", {"room": "2", "role": "staff"}),
        ("call", "8", {"room": "1"}),
        ("call", "7", {"room": "1"}),
    ]
    assert page.total == 3
    assert len({it.connection_id for it in page}) == 3

    def users(**wanted: Any) -> list[str | None]:
        return [it.user_id for it in both("get_connections", **wanted)]

    assert users(type="call") == ["8", "7"]
    assert users(user=7) == ["7", "7"]
    assert users(labels={"room": 1}) == ["8", "7"]
    assert users(labels={"room": "2", "role": "staff"}) == ["7"]
    assert users(labels={"room": "2", "role": "guest"}) == []
    assert users(type="call", user="8", labels={"room": "1"}) == ["8"]
    assert users(labels={}) == ["7", "8", "7"]
    close_socket(first)
    assert users(type="call") == ["8"]


def test_connections_come_in_pages():
    for _ in range(5):
        open_socket()
    every = [it.connection_id for it in service.get_connections()]
    first = both("get_connections", limit=2)
    assert (first.total, first.limit, first.next_offset) == (5, 2, 2)
    last = both("get_connections", limit=2, offset=4)
    assert (len(last), last.next_offset) == (1, None)
    middle = both("get_connections", limit=2, offset=2)
    assert [it.connection_id for it in (*first, *middle, *last)] == every
    beyond = both("get_connections", offset=100)
    assert (len(beyond), beyond.total, beyond.next_offset) == (0, 5, None)


def test_pages_continue_after_one_another():
    held = [open_socket() for _ in range(5)]
    every = [*both("get_connections")]
    first = both("get_connections", limit=2)
    assert first.next_after is not None
    # The newest, which move the pages that are found by their offset.
    close_socket(held[4])
    close_socket(held[3])
    open_socket()
    second = both("get_connections", limit=2, after=first.next_after)
    assert [*second] == every[2:4]
    assert (second.total, second.offset, second.next_offset) == (4, 0, None)
    last = both("get_connections", limit=2, after=second.next_after)
    assert [*last] == every[4:]
    assert last.next_after is None
    assert [*both("get_connections", limit=2, after=None)] != every[:2]


@pytest.mark.usefixtures("unreported")
def test_backend_that_takes_no_cursor_is_told_apart_from_a_last_page(monkeypatch):
    for _ in range(5):
        open_socket()
    after = both("get_connections", limit=2).next_after
    monkeypatch.setattr(scripted(), "pages_after", False, raising=False)
    refused_by_both("get_connections", ValueError, "pages_after is False", after=after)
    page = both("get_connections", limit=2)
    assert (page.next_offset, page.next_after) == (2, None)
    monkeypatch.setattr("django_socket_status.status.lists.MAX_LIMIT", 3)
    monkeypatch.setattr("django_socket_status.status.paging.OVERLAP", 1)
    assert iterated() == [*service.get_connections()]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"after": "?"}, "after must be the next_after of another page"),
        ({"after": ""}, "after must be"),
        (
            {"after": Cursor(1e9, "a", 1).text, "offset": 1},
            "after and offset exclude each other",
        ),
        ({"limit": 0}, "from 1 to 1000"),
        ({"limit": 1001}, "from 1 to 1000"),
        ({"limit": -1}, "from 1 to 1000"),
        ({"offset": -1}, "from 0 to"),
        ({"offset": MAX_OFFSET + 1}, "from 0 to"),
        ({"labels": {"room": None}}, r"labels\['room'\] must have a value"),
        ({"user": 7, "anonymous": True}, "exclude each other"),
        ({"labels": {f"l{i}": i for i in range(MAX_LABELS + 1)}}, "at most 16"),
    ],
)
def test_what_would_list_something_else_than_it_seems_to_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        service.get_connections(**wrong)
    with pytest.raises(ValueError, match=message):
        asyncio.run(service.aget_connections(**wrong))


PAGING = {"limit", "offset", "after"}

WRONG_TYPES = [
    ({"limit": "2"}, "limit must be an int, not a str"),
    ({"limit": 2.0}, "limit must be an int, not a float"),
    ({"limit": True}, "limit must be an int, not a bool"),
    ({"limit": None}, "limit must be an int, not None"),
    ({"offset": "0"}, "offset must be an int, not a str"),
    ({"after": 7}, "after must be a str or None, not a int"),
    ({"after": b"x"}, "after must be a str or None, not a bytes"),
    ({"type": 5}, "type must be a str or None, not a int"),
    ({"type": b"call"}, "type must be a str or None, not a bytes"),
    ({"type": CallConsumer}, "type must be a str or None, not the class CallConsumer"),
    ({"labels": "x"}, "labels must be a mapping of names to values, not a str"),
    ({"labels": ""}, "labels must be a mapping"),
    ({"labels": [("room", "1")]}, "labels must be a mapping"),
    ({"labels": {5: "x"}}, "labels: a name must be a str, not a int"),
    ({"labels": {"room": ["1"]}}, r"labels\['room'\] must be .*, not a list"),
    ({"labels": {"room": b"1"}}, r"labels\['room'\] must be .*, not a bytes"),
    ({"labels": {"room": User(pk=1)}}, r"labels\['room'\] must be .*, not a User"),
    ({"anonymous": 1}, "anonymous must be True or False, not a int"),
    ({"anonymous": None}, "anonymous must be True or False, not None"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_TYPES)
def test_argument_of_the_wrong_type_is_refused_by_name(wrong, message):
    refused_by_both("get_connections", TypeError, message, **wrong)
    if not wrong.keys() & PAGING:
        refused_by_both("iter_connections", TypeError, message, **wrong)
    if not wrong.keys() & {*PAGING, "anonymous"}:
        refused_by_both("has_listeners", TypeError, message, **wrong)


@pytest.mark.parametrize(
    "value", [7, 1.5, True, uuid.UUID(int=7), datetime.date(2026, 11, 30)], ids=str
)
def test_label_is_looked_for_by_what_a_route_may_capture(value):
    open_socket(room=value)
    assert len(both("get_connections", labels={"room": value})) == 1
    assert both("has_listeners", labels={"room": value})


def test_anonymous_connections_are_listed_alone():
    open_socket(user=7)
    first = open_socket(user=AnonymousUser(), room="1")
    reporter.flush()
    open_socket(STTRoomConsumer)
    page = both("get_connections", anonymous=True)
    assert [it.type for it in page] == ["stt_room", "call"]
    assert [it.user_pk for it in page] == [None, None]
    assert page.total == 2
    assert both("get_connections", anonymous=True, type="call").total == 1
    assert both("get_connections", anonymous=True, labels={"room": 1}).total == 1
    assert both("get_connections", anonymous=False).total == 3
    close_socket(first)
    assert both("get_connections", anonymous=True).total == 1


def iterated(**wanted: Any) -> list[ConnectionRecord]:
    """Iterate in both forms, and return what they agree on."""

    async def on_loop() -> list[ConnectionRecord]:
        return [it async for it in service.aiter_connections(**wanted)]

    found = [*service.iter_connections(**wanted)]
    assert asyncio.run(on_loop()) == found
    return found


def test_every_connection_is_iterated_over_once(monkeypatch):
    monkeypatch.setattr("django_socket_status.status.lists.MAX_LIMIT", 7)
    monkeypatch.setattr("django_socket_status.status.paging.OVERLAP", 2)
    assert iterated() == []
    for number in range(60):
        consumer = [CallConsumer, STTRoomConsumer][number % 2]
        open_socket(consumer, user=number % 2 or None)
    every = [*service.get_connections()]
    assert len(every) == 60
    assert iterated() == every
    assert iterated(type="call") == [it for it in every if it.type == "call"]
    assert iterated(anonymous=True) == [it for it in every if it.user_id is None]
    assert iterated(user=1) == [it for it in every if it.user_id == "1"]


@pytest.mark.usefixtures("unreported")
def test_iteration_that_may_miss_connections_says_so():
    open_socket()
    service.has_listeners()
    backend = scripted()
    found = backend.get_connections

    def incomplete(query):
        return dataclasses.replace(found(query), complete=False)

    backend.get_connections = incomplete  # type: ignore[method-assign]
    with pytest.raises(StatusUnavailableError, match="still being reported"):
        iterated()


# When there is no answer.


@pytest.mark.usefixtures("unreported")
@pytest.mark.parametrize("name", QUESTIONS)
def test_question_without_an_answer_is_never_a_zero(name):
    backend = scripted()
    backend.before_read = fails_with(BackendError("it is away"))
    backend.before_question = fails_with(BackendError("it is away"))
    with pytest.raises(StatusUnavailableError, match="it is away"):
        getattr(service, name)(**QUESTIONS[name])
    with pytest.raises(StatusUnavailableError, match="it is away"):
        asyncio.run(getattr(service, f"a{name}")(**QUESTIONS[name]))


@pytest.mark.usefixtures("unreported")
def test_what_this_process_cannot_report_is_not_left_out_of_an_answer():
    backend = scripted()
    backend.before_report = fails_with(BackendError("it takes nothing"))
    open_socket(user=7)
    assert both("is_online", user=7) is True
    assert both("online_user_ids") == {"7"}
    summary = both("get_socket_info_summary")
    assert (summary["total_sockets"], summary["stale"]) == (1, True)
    with pytest.raises(StatusUnavailableError, match="it takes nothing"):
        service.get_connections()
    with pytest.raises(StatusUnavailableError, match="it takes nothing"):
        asyncio.run(service.aget_connections())


def test_every_question_has_both_forms():
    names = {name for name in vars(SocketStatusService) if not name.startswith("_")}
    activity = {"get_totals", "get_history", "forget_user"}
    commands = {"disconnect", "get_command", "stop_command"}
    commands |= {"drain", "get_drain", "stop_drain"}
    questions = {*QUESTIONS, *activity, *commands, "iter_connections"}
    assert names == {*questions, *(f"a{name}" for name in questions)}
    for name in questions:
        sync = inspect.signature(getattr(service, name))
        on_loop = inspect.signature(getattr(service, f"a{name}"))
        assert sync.parameters == on_loop.parameters
