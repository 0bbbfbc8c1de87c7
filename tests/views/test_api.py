from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path, reverse
from django.utils.deprecation import MiddlewareMixin

from django_socket_status.exceptions import BackendError
from django_socket_status.records import Cursor
from django_socket_status.registry.registry import registry
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import READ_SECONDS, status_reader
from django_socket_status.views import api as views
from tests import asgi, test_access
from tests.support.asgi_driver import wait_until
from tests.support.held_sockets import (
    CallConsumer,
    STTRoomConsumer,
    close_socket,
    open_socket,
)
from tests.support.scripted_backend import SCRIPTED, Gate, fails_with, scripted

SUMMARY = "/socket-status/"
CONNECTIONS = "/socket-status/connections/"
WORKERS = "/socket-status/workers/"

SIGN_IN = "tests.views.test_api.SignIn"

urlpatterns = [path("socket-status/", include("django_socket_status.urls"))]

PEOPLE = {user.username or "nobody": user for user in test_access.EVERYBODY}


class SignIn(MiddlewareMixin):
    """Takes a header's word for who it is."""

    def process_request(self, request: HttpRequest) -> None:
        request.user = PEOPLE[request.headers.get("X-User", "nobody")]


class Requests:
    """Sends requests to the project, as one of the two kinds of server would."""

    def __init__(self, send: Callable[..., HttpResponse]) -> None:
        self._send = send

    def __call__(
        self, url: str = SUMMARY, user: str = "nobody", method: str = "get", **more: Any
    ) -> HttpResponse:
        headers = {"X-User": user, **more.pop("headers", {})}
        return self._send(method, url, headers=headers, **more)


def over_wsgi(method: str, url: str, **more: Any) -> HttpResponse:
    return getattr(Client(enforce_csrf_checks=True), method)(url, **more)


def over_asgi(method: str, url: str, **more: Any) -> HttpResponse:
    client = AsyncClient(enforce_csrf_checks=True)
    return asyncio.run(getattr(client, method)(url, **more))


@pytest.fixture(params=[over_wsgi, over_asgi], ids=["WSGI", "ASGI"])
def ask(request: pytest.FixtureRequest, settings: Any) -> Requests:
    settings.MIDDLEWARE = [
        "django.middleware.csrf.CsrfViewMiddleware",
        SIGN_IN,
    ]
    return Requests(request.param)


@pytest.fixture
def backend(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A backend that a test can tell what to do, and no reporter in between."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "CACHE_SECONDS": 0}
    return scripted()


def error_of(response: HttpResponse) -> str:
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "private, no-store"
    error = json.loads(response.content)["error"]
    assert error.keys() == {"code", "message"}
    return error["code"]


def test_urls_have_their_names():
    assert reverse("socket_status:summary") == SUMMARY
    assert reverse("socket_status:connections") == CONNECTIONS
    assert reverse("socket_status:workers") == WORKERS


# The summary.


def test_summary_is_what_the_service_says(ask):
    open_socket()
    response = ask()
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    answered = json.loads(response.content)
    told = SocketStatusService.get_socket_info_summary()
    assert {**answered, "timestamp": ""} == {**told, "timestamp": ""}
    assert answered["sockets_by_type"] == {"call": 1}
    assert json.loads(ask().content)["total_sockets"] == 1


def test_own_sockets_are_in_the_answer_at_once(ask):
    for expected in range(1, 4):
        open_socket()
        assert json.loads(ask().content)["total_sockets"] == expected


def test_head_is_answered_as_get_without_the_body(ask):
    got, headed = ask(), ask(method="head")
    assert headed.status_code == 200
    assert headed.content == b""
    for name in ("ETag", "Cache-Control", "Content-Type"):
        assert headed.headers[name] == got.headers[name]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("url", [SUMMARY, CONNECTIONS])
def test_other_methods_are_refused_for_every_user_and_without_a_token(ask, method, url):
    for user in ("nobody", "staff"):
        response = ask(url, user, method)
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET, HEAD"
        assert error_of(response) == "method_not_allowed"


def test_answer_may_be_cached_privately_and_is_revalidated_each_time(ask):
    response = ask()
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["ETag"].startswith('W/"')
    assert "Vary" not in response.headers


def test_client_that_has_the_content_gets_304(ask):
    etag = ask().headers["ETag"]
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        response = ask(headers={"If-None-Match": known})
        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["ETag"] == etag
        assert response.headers["Cache-Control"] == "private, no-cache"
    assert ask(method="head", headers={"If-None-Match": etag}).status_code == 304


def test_content_changes_with_what_is_open_and_not_with_time(ask, settings):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CACHE_SECONDS": 0}
    first, second = ask(), ask()
    assert first.headers["ETag"] == second.headers["ETag"]
    at = [json.loads(response.content)["timestamp"] for response in (first, second)]
    assert at[0] < at[1]
    socket = open_socket()
    etag = first.headers["ETag"]
    changed = ask(headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    close_socket(socket)
    assert json.loads(ask().content)["workers"] == 0
    # The process that held it is listed, and goes on reporting.
    assert len(SocketStatusService.get_workers()) == 1


def test_answer_is_written_once_for_each_reading(ask, settings, monkeypatch):
    assert settings.ASGI_APPLICATION.startswith(asgi.__name__)
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CACHE_SECONDS": 60}
    written = []
    summarize = views.summarize
    monkeypatch.setattr(
        views, "summarize", lambda *parts: written.append(parts) or summarize(*parts)
    )
    assert len({ask().content for _ in range(5)}) == 1
    assert len(written) == 1
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "ENDPOINTS": {"call": "/ws/call/?by=<name>"},
    }
    assert b"?by=<name>" in ask().content
    assert len(written) == 2


# Who may read it.


@pytest.mark.parametrize("access", test_access.MATRIX)
def test_summary_is_for_whom_the_setting_names(ask, settings, access):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "SUMMARY_ACCESS": access}
    for name, user in PEOPLE.items():
        response = ask(user=name)
        if user in test_access.MATRIX[access]:
            assert response.status_code == 200
        else:
            assert_refused(response, user)
        # A cache must separate users as soon as the rule reads the user.
        assert ("Cookie" in response.headers.get("Vary", "")) is (access != "public")


@pytest.mark.parametrize("url", [CONNECTIONS, WORKERS])
@pytest.mark.parametrize("name", PEOPLE)
def test_lists_are_for_staff_whatever_the_setting_names(ask, settings, url, name):
    for access in ("public", "authenticated", "tests.test_access.is_customer"):
        settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "SUMMARY_ACCESS": access}
        response = ask(url, name)
        if name in ("staff", "superuser"):
            assert response.status_code == 200
        else:
            assert_refused(response, PEOPLE[name])


def assert_refused(response: HttpResponse, user: Any) -> None:
    if isinstance(user, AnonymousUser):
        assert response.status_code == 401
        assert error_of(response) == "unauthorized"
        assert "WWW-Authenticate" in response.headers
    else:
        assert response.status_code == 403
        assert error_of(response) == "forbidden"


def test_site_without_sign_in_answers_403(ask, settings):
    settings.MIDDLEWARE = []
    assert ask().status_code == 200
    response = ask(CONNECTIONS)
    assert response.status_code == 403
    assert error_of(response) == "forbidden"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("client_class", [Client, AsyncClient])
def test_people_are_known_by_their_session(settings, client_class):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "SUMMARY_ACCESS": "staff"}
    User.objects.create_user("ada", password="x", is_staff=True)
    client = client_class()

    def get(url: str) -> HttpResponse:
        sent = client.get(url)
        return asyncio.run(sent) if client_class is AsyncClient else sent

    refused = get(SUMMARY)
    assert refused.status_code == 401
    assert "Cookie" in refused.headers["Vary"]
    assert client.login(username="ada", password="x")
    for url in (SUMMARY, CONNECTIONS):
        response = get(url)
        assert response.status_code == 200
        assert "Cookie" in response.headers["Vary"]
        assert "private" in response.headers["Cache-Control"]
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "SUMMARY_ACCESS": "public"}
    # The session was not read.
    assert "Vary" not in get(SUMMARY).headers


def test_wrong_access_setting_is_an_error_of_the_server(settings):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "SUMMARY_ACCESS": "publik"}
    assert Client(raise_request_exception=False).get(SUMMARY).status_code == 500


# When there is no answer.


def test_last_good_answer_is_marked_stale_and_later_there_is_none(
    ask, backend, monkeypatch
):
    open_socket()
    fresh = ask()
    backend.before_read = fails_with(BackendError("redis://:secret@10.0.0.7 is away"))
    stale = ask(headers={"If-None-Match": fresh.headers["ETag"]})
    assert stale.status_code == 200
    assert json.loads(stale.content)["stale"] is True
    assert json.loads(stale.content)["total_sockets"] == 1

    clock = status_reader._clock
    monkeypatch.setattr(status_reader._cache, "_clock", lambda: clock() + 31)
    unavailable = ask()
    assert unavailable.status_code == 503
    assert unavailable.headers["Retry-After"] == "2"
    assert error_of(unavailable) == "service_unavailable"
    assert b"secret" not in unavailable.content
    assert "ETag" not in unavailable.headers


@pytest.mark.parametrize("url", [SUMMARY, CONNECTIONS])
def test_answer_comes_while_the_backend_still_hangs(ask, backend, monkeypatch, url):
    assert READ_SECONDS < 1
    monkeypatch.setattr(status_reader, "read_seconds", 0.01)

    def is_refused_while_it_hangs() -> bool:
        assert ask(url, "staff").status_code == 503
        return gate.arrived.is_set()

    with Gate() as gate:
        backend.before_read = backend.before_question = gate
        wait_until(is_refused_while_it_hangs)
        for _ in range(3):
            assert is_refused_while_it_hangs()
        assert not gate.is_open


# Workers.


def test_workers_are_named_with_what_they_hold(ask):
    open_socket(CallConsumer, user=7)
    open_socket(STTRoomConsumer)
    response = ask(WORKERS, "staff")
    assert response.headers["Cache-Control"] == "private, no-store"
    answer = json.loads(response.content)
    (worker,) = answer.pop("workers")
    (status,) = SocketStatusService.get_workers()
    timestamp = datetime.fromisoformat(answer.pop("timestamp"))
    assert answer == {"coverage": "host", "stale": False}
    reported_at = datetime.fromisoformat(worker.pop("reported_at"))
    assert status.worker.started_at <= reported_at <= timestamp
    assert worker == {
        "worker_id": status.worker.worker_id,
        "host": status.worker.host,
        "pid": status.worker.pid,
        "server": status.worker.server,
        "started_at": status.worker.started_at.isoformat(),
        "is_late": False,
        "is_draining": False,
        "total_sockets": 2,
        "sockets_by_type": {"call": 1, "stt_room": 1},
        "complete": True,
        "condition": status.condition and status.condition.as_dict(),
    }


# Connections.


def test_connections_are_a_page_of_what_is_open(ask):
    first = open_socket(CallConsumer, user=7, room="<b>1</b>")
    assert json.loads(ask(CONNECTIONS, "staff").content)["total"] == 1
    open_socket(STTRoomConsumer)
    response = ask(CONNECTIONS, "staff")
    assert response.headers["Cache-Control"] == "private, no-store"
    answer = json.loads(response.content)
    (newest, oldest) = answer.pop("connections")
    assert answer == {
        "total": 2,
        "limit": 100,
        "offset": 0,
        "next_offset": None,
        "next_after": None,
        "complete": True,
    }
    assert (newest["type"], newest["user_id"], newest["labels"]) == (
        "stt_room",
        None,
        {},
    )
    (record,) = SocketStatusService.get_connections(type="call")
    assert oldest == {
        "connection_id": record.connection_id,
        "type": "call",
        "endpoint": "",
        "user_id": "7",
        "labels": {"room": "<b>1</b>"},
        "connected_at": record.connected_at.isoformat(),
        "worker_id": record.worker_id,
    }
    close_socket(first)


@pytest.mark.parametrize(
    ("query", "users"),
    [
        ("", ["8", "7", "7"]),
        ("type=call", ["8", "7"]),
        ("user=7", ["7", "7"]),
        ("user=7&type=call", ["7"]),
        ("user=ada", []),
        ("anonymous=true", []),
        ("anonymous=false", ["8", "7", "7"]),
        ("label.room=2", ["7"]),
        ("label.room=2&label.role=guest", []),
        ("limit=1", ["8"]),
        ("limit=1&offset=2", ["7"]),
        ("offset=3", []),
        ("type=&user=&label.room=&limit=&offset=", ["8", "7", "7"]),
        ("type=no%00such%F0%9F%98%80", []),
        ("user=%27%20OR%201=1", []),
    ],
)
def test_connections_are_filtered_by_the_query(ask, query, users):
    for consumer, user, room in (
        (STTRoomConsumer, 7, "2"),
        (CallConsumer, 7, "1"),
        (CallConsumer, 8, "1"),
    ):
        open_socket(consumer, user=user, room=room)
    answer = json.loads(ask(f"{CONNECTIONS}?{query}", "staff").content)
    assert [found["user_id"] for found in answer["connections"]] == users


def test_anonymous_connections_are_listed_alone(ask):
    open_socket(CallConsumer, user=7)
    open_socket(CallConsumer)
    answer = json.loads(ask(f"{CONNECTIONS}?anonymous=true", "staff").content)
    assert [found["user_id"] for found in answer["connections"]] == [None]
    assert answer["total"] == 1


def test_pages_lead_to_the_next_one(ask):
    for _ in range(5):
        open_socket()
    offset, found = 0, []
    while offset is not None:
        page = ask(f"{CONNECTIONS}?limit=2&offset={offset}", "staff")
        answer = json.loads(page.content)
        found += [it["connection_id"] for it in answer["connections"]]
        offset = answer["next_offset"]
    assert len(set(found)) == len(found) == 5


def test_pages_lead_to_the_next_one_whatever_closes(ask):
    held = [open_socket() for _ in range(6)]
    every = [it.connection_id for it in SocketStatusService.get_connections()]
    after, found = "", []
    while after is not None:
        page = ask(f"{CONNECTIONS}?limit=2&after={after}", "staff")
        answer = json.loads(page.content)
        found += [it["connection_id"] for it in answer["connections"]]
        if after:
            assert (answer["offset"], answer["next_offset"]) == (None, None)
        after = answer["next_after"]
        close_socket(held.pop())
        close_socket(held.pop(0))
    # Of the six, two closed before they were listed.
    assert found == every[:4]


@pytest.mark.usefixtures("backend")
def test_backend_that_takes_no_cursor_is_a_bad_request(ask, monkeypatch):
    page = SocketStatusService.get_connections()
    assert page.next_after is None
    after = Cursor(1e9, "a", 1).text
    url = f"{CONNECTIONS}?after={after}"
    assert ask(url, "staff").status_code == 200
    monkeypatch.setattr(scripted(), "pages_after", False, raising=False)
    response = ask(url, "staff")
    assert response.status_code == 400
    assert "after" in json.loads(response.content)["error"]["message"]


@pytest.mark.parametrize("after", ["x", "%3D%3D%3D", "AAAA", "f" * 22, "%00"])
def test_wrong_cursor_is_refused_by_the_name_of_its_parameter(ask, after):
    response = ask(f"{CONNECTIONS}?after={after}", "staff")
    assert response.status_code == 400
    message = json.loads(response.content)["error"]["message"]
    assert message.startswith("after must be")


@pytest.mark.parametrize(
    "query",
    [
        f"after={Cursor(1e9, 'a', 1).text}&offset=1",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=1.5",
        "limit=ten",
        "limit=%C2%B2",
        "limit=" + "9" * 5000,
        "offset=-1",
        "offset=1e9",
        "offset=1000000001",
        "anonymous=1",
        "anonymous=true&user=7",
        "tpye=call",
        "label=room",
        "&".join(f"label.l{number}=1" for number in range(17)),
        "&".join(f"label.l{number}=1" for number in range(1001)),
        "&".join("user=1" for _ in range(1001)),
    ],
    ids=lambda query: query[:20],
)
def test_query_that_says_nothing_we_know_is_refused(ask, query):
    response = ask(f"{CONNECTIONS}?{query}", "staff")
    assert response.status_code == 400
    assert error_of(response) == "bad_request"
    assert len(response.content) < 500


@pytest.mark.parametrize("url", [SUMMARY, CONNECTIONS, WORKERS])
def test_too_many_parameters_are_refused_in_json(ask, url):
    query = "&".join(f"n{number}=1" for number in range(1001))
    response = ask(f"{url}?{query}", "staff")
    assert response.status_code == 400
    assert error_of(response) == "bad_request"


# In the company of the middleware that projects have.


CACHES = (
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
)


@pytest.mark.parametrize("url", [SUMMARY, CONNECTIONS])
def test_site_wide_cache_keeps_nothing_for_the_next_one(ask, settings, url):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "SUMMARY_ACCESS": "staff"}
    settings.MIDDLEWARE = [CACHES[0], SIGN_IN, CACHES[1]]
    open_socket(user=7)
    allowed = ask(url, "staff")
    assert allowed.status_code == 200
    assert "Expires" not in allowed.headers
    assert ask(url).status_code == 401
    assert ask(url, "customer").status_code == 403
    open_socket(user=8)
    assert ask(url, "staff").content != allowed.content


def test_public_summary_is_not_kept_by_a_site_wide_cache_either(ask, settings):
    settings.MIDDLEWARE = list(CACHES)
    open_socket()
    first = ask()
    open_socket()
    assert ask().content != first.content


def test_conditional_get_middleware_has_nothing_to_add(ask, settings):
    settings.MIDDLEWARE = ["django.middleware.http.ConditionalGetMiddleware", SIGN_IN]
    etag = ask().headers["ETag"]
    assert etag.startswith("W/")
    assert ask(headers={"If-None-Match": etag}).status_code == 304
    connections = ask(CONNECTIONS, "staff")
    assert connections.status_code == 200
    assert "ETag" not in connections.headers
    assert "ETag" not in ask(CONNECTIONS).headers


def test_gzip_middleware_changes_how_it_travels_and_not_what_it_is(ask, settings):
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware"]
    # It leaves alone what is too small to gain.
    urls = {f"type_{number}": "/ws/<room>/" for number in range(50)}
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "CACHE_SECONDS": 60,
        "ENDPOINTS": urls,
    }
    plain = ask()
    zipped = ask(headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert zipped.headers["ETag"] == plain.headers["ETag"]
    assert gzip.decompress(zipped.content) == plain.content
    headers = {"Accept-Encoding": "gzip", "If-None-Match": zipped.headers["ETag"]}
    assert ask(headers=headers).status_code == 304


def test_language_of_the_reader_changes_nothing(ask, settings):
    settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", SIGN_IN]
    settings.USE_I18N = settings.USE_THOUSAND_SEPARATOR = True
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CACHE_SECONDS": 60}
    for url, status in ((SUMMARY, 200), (CONNECTIONS, 401)):
        answers = [ask(url, headers={"Accept-Language": it}) for it in ("en", "de")]
        assert {response.status_code for response in answers} == {status}
        assert answers[0].content == answers[1].content


def test_middleware_that_wants_everybody_to_sign_in_leaves_it_to_the_setting(
    ask, settings
):
    settings.MIDDLEWARE = [
        SIGN_IN,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert ask().status_code == 200
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "SUMMARY_ACCESS": "authenticated",
    }
    for url in (SUMMARY, CONNECTIONS):
        assert ask(url).status_code == 401


def test_project_with_a_transaction_for_each_request_is_served(ask, settings):
    from django.db import connections

    databases = connections.settings
    before = databases["default"]["ATOMIC_REQUESTS"]
    databases["default"]["ATOMIC_REQUESTS"] = True
    try:
        assert ask().status_code == 200
        assert ask(CONNECTIONS).status_code == 401
    finally:
        databases["default"]["ATOMIC_REQUESTS"] = before


def test_project_without_any_middleware_is_served(ask, settings):
    settings.MIDDLEWARE = []
    settings.ROOT_URLCONF = "tests.views.test_api"
    assert ask().status_code == 200


async def test_crowd_of_pollers_is_served_by_one_loop(backend):
    open_socket()
    responses = await asyncio.gather(*(AsyncClient().get(SUMMARY) for _ in range(50)))
    assert {
        json.loads(response.content)["total_sockets"] for response in responses
    } == {1}
    assert backend.reads < 50
