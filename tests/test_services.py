from __future__ import annotations

import asyncio
import datetime
import sys
import types
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import SynchronousOnlyOperation
from django.urls import path
from django.utils.functional import SimpleLazyObject

from django_socket_status import endpoints
from django_socket_status.bounds import MAX_LABELS, MAX_TYPE
from django_socket_status.counting import Counts
from django_socket_status.exceptions import (
    BackendError,
    BackendUnusableError,
    StatusUnavailableError,
)
from django_socket_status.records import ConnectionPage, Summary
from django_socket_status.registry import registry
from django_socket_status.reporter import reporter
from django_socket_status.services import MAX_OFFSET, SocketStatusService
from tests.applications import CallConsumer as RoutedConsumer
from tests.held_sockets import (
    CallConsumer,
    STTRoomConsumer,
    close_socket,
    open_socket,
)
from tests.scripted_backend import SCRIPTED, fails_with, scripted

service = SocketStatusService()

#: Names of questions that have both forms, and what to ask.
QUESTIONS: dict[str, dict[str, Any]] = {
    "get_socket_info_summary": {},
    "get_workers": {},
    "get_connections": {},
    "has_listeners": {},
    "is_online": {"user": 7},
    "online_user_ids": {},
}


@pytest.fixture
def unreported(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Report to a backend that a test can tell what to do, and only on request."""
    monkeypatch.setattr(registry, "wake", lambda: None)
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}


@pytest.fixture
def application(settings: Any) -> Iterator[types.ModuleType]:
    """A module for ``ASGI_APPLICATION`` that nobody has looked at yet."""
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
    elif name != "get_workers":
        assert on_loop == answer
    return answer


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


def test_first_summary_leaves_the_loop_to_import_the_application_and_no_other_does(
    application, monkeypatch
):
    left = []
    to_thread = asyncio.to_thread

    async def leave(function, *arguments):
        left.append(function.__name__)
        return await to_thread(function, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", leave)

    async def ask_often() -> None:
        for _ in range(3):
            summary = await service.aget_socket_info_summary()
            assert summary["ws_endpoints"] == {"call": "/ws/call/<room>/"}

    asyncio.run(ask_often())
    assert left == ["get_ws_endpoints"]


def test_application_that_cannot_be_imported_is_not_tried_at_each_call(
    settings, monkeypatch
):
    tried = []

    def import_string(dotted_path):
        tried.append(dotted_path)
        raise ImportError(dotted_path)

    monkeypatch.setattr(endpoints, "import_string", import_string)
    settings.ASGI_APPLICATION = "no.such.application"
    for _ in range(3):
        assert both("get_socket_info_summary")["ws_endpoints"] == {}
    assert tried == ["no.such.application"]


def test_workers_are_those_whose_reports_are_summed_up():
    assert list(both("get_workers")) == []
    open_socket()
    (status,) = both("get_workers")
    assert status.counts == {"call": 1}
    assert status.worker.pid


# Whether anybody listens.


def test_somebody_listens_while_a_socket_is_open():
    assert not both("has_listeners")
    socket = open_socket()
    assert both("has_listeners")
    assert both("has_listeners", type="call")
    assert not both("has_listeners", type="stt_room")
    close_socket(socket)
    assert not both("has_listeners")


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
def test_nobody_is_said_to_listen_only_when_that_is_certain():
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


def test_asking_whether_anybody_listens_does_not_ask_the_backend_each_time(
    unreported, settings
):
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
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (types.SimpleNamespace(pk="ada"), "ada"),
        ("x" * 1000, "x" * 1000),
        ("a\nb", "a\nb"),
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
    monkeypatch.setattr(registry, "_counts", Counts())
    assert both("is_online", user=7) is True
    assert scripted().questions == 2


def test_user_of_this_very_process_is_online_without_a_question(unreported):
    open_socket(user=7)
    reporter.flush()
    assert both("is_online", user=7) is True
    assert scripted().questions == 0


@pytest.mark.parametrize(
    "nobody",
    [None, AnonymousUser(), User(), lazy(AnonymousUser()), lazy(None)],
    ids=["None", "anonymous", "unsaved", "lazy anonymous", "lazy None"],
)
def test_nobody_is_not_online_and_has_no_connections_to_list(nobody):
    open_socket(user=AnonymousUser())
    assert both("is_online", user=nobody) is False
    if nobody is None:
        assert len(both("get_connections", user=nobody)) == 1
        return
    with pytest.raises(ValueError, match="primary key"):
        service.get_connections(user=nobody)
    with pytest.raises(ValueError, match="primary key"):
        asyncio.run(service.aget_connections(user=nobody))


@pytest.mark.parametrize("wrong", [True, 1.5, b"7", object(), ["7"], User])
def test_what_is_no_user_is_refused(wrong):
    for ask in (service.is_online, lambda user: service.get_connections(user=user)):
        with pytest.raises(TypeError, match="a user or a primary key"):
            ask(wrong)


async def test_lazy_user_that_takes_a_query_is_refused_on_a_loop():
    def query():
        raise SynchronousOnlyOperation("it takes a query")

    with pytest.raises(SynchronousOnlyOperation):
        await service.ais_online(SimpleLazyObject(query))


# Connections.


def test_connections_are_listed_by_what_is_asked_for():
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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"limit": 0}, "from 1 to 1000"),
        ({"limit": 1001}, "from 1 to 1000"),
        ({"limit": -1}, "from 1 to 1000"),
        ({"offset": -1}, "from 0 to"),
        ({"offset": MAX_OFFSET + 1}, "from 0 to"),
        ({"labels": {"room": None}}, "must have a value"),
        ({"labels": {f"l{i}": i for i in range(MAX_LABELS + 1)}}, "at most 16"),
    ],
)
def test_what_would_list_something_else_than_it_seems_to_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        service.get_connections(**wrong)
    with pytest.raises(ValueError, match=message):
        asyncio.run(service.aget_connections(**wrong))


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
    assert names == {*QUESTIONS, *(f"a{name}" for name in QUESTIONS)}
