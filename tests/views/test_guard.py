"""One view for both of Django's handlers, each of which finds what it can run."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest, SuspiciousOperation, TooManyFieldsSent
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.urls import path, reverse
from django.views.decorators.cache import never_cache

from django_socket_status.views.api import summary
from django_socket_status.views.guard import json_view
from tests.support.held_sockets import open_socket

pytestmark = pytest.mark.python

#: On which thread, and whether by way of a coroutine, a question was answered.
asked: list[tuple[int, str]] = []


def note() -> str:
    asked.append((threading.get_ident(), "now"))
    return "now"


async def anote() -> str:
    asked.append((threading.get_ident(), "later"))
    return "later"


@json_view(ask=note, aask=anote)
def noted(request: HttpRequest, found: str) -> HttpResponse:
    """Answer how it was asked."""
    return HttpResponse(found)


def wrong(request: HttpRequest) -> dict[str, Any]:
    raise raised[-1]


raised: list[Exception] = []

failing = json_view(ask=note, aask=anote, parse=wrong)(lambda *given: HttpResponse())

urlpatterns = [
    path("noted/", noted),
    path("decorated/", never_cache(noted)),
    path("failing/", failing),
    path("summary/", summary),
]


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    asked.clear()


# Which handler finds what.


def test_wsgi_is_answered_on_its_own_thread_and_without_a_loop():
    for url in ("/noted/", "/decorated/"):
        assert Client().get(url).content == b"now"
    assert {thread for thread, _ in asked} == {threading.get_ident()}


async def test_asgi_is_answered_by_a_coroutine_on_its_loop():
    assert (await AsyncClient().get("/noted/")).content == b"later"
    assert {thread for thread, _ in asked} == {threading.get_ident()}


async def test_decorator_for_sync_views_is_served_on_a_thread_under_asgi():
    response = await AsyncClient().get("/decorated/")
    assert response.content == b"now"
    assert {thread for thread, _ in asked} != {threading.get_ident()}


async def test_wsgi_is_answered_while_a_loop_runs_in_the_same_thread():
    """As under gevent, where another request may be in the middle of a loop."""
    open_socket()
    for url in ("/noted/", "/decorated/"):
        assert Client().get(url).content == b"now"
    response = Client().get("/summary/")
    assert json.loads(response.content)["total_sockets"] == 1


async def test_host_can_call_the_view_from_a_view_of_its_own():
    request = AsyncRequestFactory().get("/noted/")
    assert (await noted(request)).content == b"later"
    assert noted(RequestFactory().get("/noted/")).content == b"now"


def test_view_looks_like_a_sync_view_at_import():
    assert not iscoroutinefunction(noted)
    assert asyncio.run(asks()) is True
    assert async_to_sync(asks)() is True


async def asks() -> bool:
    return bool(iscoroutinefunction(noted))


def test_view_is_known_by_its_name_and_its_documentation():
    assert noted.__name__ == "noted"
    assert noted.__doc__ == "Answer how it was asked."
    assert reverse(noted) == "/noted/"
    with pytest.raises(AttributeError):
        noted.nothing  # noqa: B018


# What is wrong with a request.


def over_wsgi(url: str, **more: Any) -> HttpResponse:
    return Client().get(url, **more)


def over_asgi(url: str, **more: Any) -> HttpResponse:
    return asyncio.run(AsyncClient().get(url, **more))


@pytest.fixture(params=[over_wsgi, over_asgi], ids=["WSGI", "ASGI"])
def ask(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (TooManyFieldsSent("secret"), 400, "bad_request"),
        (SuspiciousOperation("secret"), 400, "bad_request"),
        (UnreadablePostError("secret"), 400, "bad_request"),
        (MultiPartParserError("secret"), 400, "bad_request"),
        (BadRequest(), 400, "bad_request"),
        (Http404("secret"), 404, "not_found"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_error_of_a_request_is_json(ask, problem, status, code):
    raised.append(problem)
    response = ask("/failing/")
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "private, no-store"
    error = json.loads(response.content)["error"]
    assert error["code"] == code
    assert error["message"]
    assert "secret" not in error["message"]


def test_bad_request_says_what_is_wrong(ask):
    raised.append(BadRequest("limit must be a whole number"))
    error = json.loads(ask("/failing/").content)["error"]
    assert error["message"] == "limit must be a whole number"


def test_error_of_the_project_is_no_fault_of_the_request(ask):
    raised.append(KeyError("broken"))
    with pytest.raises(KeyError, match="broken"):
        ask("/failing/")


def is_at_home(request: HttpRequest) -> bool:
    return bool(request.get_host()) and "room" in request.GET


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        ("&".join(f"n{number}=1" for number in range(1001)), ["testserver"]),
        ("room=1", ["elsewhere"]),
    ],
    ids=["too many parameters", "bad host"],
)
def test_rule_that_reads_a_wrong_request_ends_in_json_too(ask, settings, query, hosts):
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "SUMMARY_ACCESS": f"{__name__}.is_at_home",
    }
    settings.ALLOWED_HOSTS = ["testserver"]
    assert ask("/summary/?room=1").status_code == 200
    settings.ALLOWED_HOSTS = hosts
    response = ask(f"/summary/?{query}")
    assert response.status_code == 400
    assert json.loads(response.content)["error"]["code"] == "bad_request"
    assert response.headers["Vary"] == "Cookie"


@pytest.mark.parametrize("encoding", ["hex", "undefined", "idna", "raw_unicode_escape"])
def test_encoding_that_makes_no_text_ends_in_json(encoding):
    """A request may have any that Python knows, by a middleware or the client."""
    request = RequestFactory().get("/?room=%5Cud800&a=%ff")
    request._encoding = encoding
    response = summary(request)
    assert response.status_code == 400
    assert json.loads(response.content)["error"]["code"] == "bad_request"


def test_user_who_is_found_on_a_loop_alone_is_found_under_wsgi():
    async def auser() -> AnonymousUser:
        return AnonymousUser()

    request = RequestFactory().get("/")
    request.auser = auser
    staff_only = json_view(ask=note, aask=anote, access="staff")(
        lambda *given: HttpResponse()
    )
    assert staff_only(request).status_code == 401
