"""Staff read what happened as JSON: totals, history, closed and rejected ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import reverse

from django_socket_status.backends import get_backend
from django_socket_status.status.ended import EndedPage
from django_socket_status.status.lists import get_connections
from django_socket_status.status.totals import get_totals
from django_socket_status.testing import isolated_socket_status
from django_socket_status.views import activity
from tests.status import test_lists as lists

NAMES = ["totals", "history", "closed", "rejected"]


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with isolated_socket_status(BACKEND=lists.MEMORY):
        yield


def ask(name: str, by: str = "staff", **parameters: str) -> Any:
    request = RequestFactory().get(f"/{name}/", parameters)
    request.user = {
        "staff": User(pk=1, is_active=True, is_staff=True),
        "user": User(pk=2, is_active=True),
        "anonymous": AnonymousUser(),
    }[by]
    return getattr(activity, name)(request)


def body(name: str, **parameters: str) -> Any:
    response = ask(name, **parameters)
    assert response.status_code == 200, response.content
    assert response.headers["Cache-Control"] == "private, no-store"
    return json.loads(response.content)


@pytest.mark.parametrize("name", NAMES)
def test_they_are_for_staff(name):
    assert ask(name, "anonymous").status_code == 401
    assert ask(name, "user").status_code == 403
    assert ask(name).status_code == 200


def test_totals_are_those_of_the_service():
    assert body("totals") == get_totals().as_dict()


def test_history_has_a_span_and_a_type():
    found = body("history", span="6h", type="call")
    assert (found["span"], found["type"], found["bucket_seconds"]) == (
        "6h",
        "call",
        360,
    )
    assert body("history")["span"] == "1h"


def test_closed_connection_has_the_fields_of_its_record():
    lists.keep(lists.ended(1, user="7", room="blue"))
    answer = body("closed")
    (found,) = answer.pop("connections")
    page = get_connections(state="closed")
    assert isinstance(page, EndedPage)
    (record,) = page
    assert found.keys() == set(type(record).__dataclass_fields__)
    assert found["labels"] == {"room": "blue"}
    assert found["closed_at"] == record.closed_at.isoformat()
    assert answer == {
        "total": 1,
        "limit": 100,
        "offset": 0,
        "next_offset": None,
        "is_sample": False,
        "complete": True,
    }


def test_closed_connections_are_found_by_cause_and_code():
    lists.keep(lists.ended(1), lists.ended(2, cause="app_error", code=None))
    assert body("closed", cause="app_error")["total"] == 1
    assert body("closed", code="1000")["total"] == 1
    assert body("closed", **{"label.room": "blue"})["total"] == 0


def test_rejected_handshake_has_the_fields_of_its_record():
    lists.reject(1)
    (found,) = body("rejected", code="403")["connections"]
    (record,) = get_connections(state="rejected")
    assert found.keys() == set(type(record).__dataclass_fields__)
    assert found["status"] == "403"


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("closed", {"cause": "boredom"}, "cause"),
        ("closed", {"code": "x"}, "code"),
        ("closed", {"after": "x"}, "after"),
        ("rejected", {"cause": "app_error"}, "cause"),
        ("history", {"span": "2h"}, "span"),
        ("history", {"user": "7"}, "user"),
        ("history", {"label.room": "blue"}, "labels"),
    ],
)
def test_wrong_parameter_is_named(name, parameters, message):
    response = ask(name, **parameters)
    assert response.status_code == 400
    assert message in json.loads(response.content)["error"]["message"]


async def ask_on_a_loop(name: str, **parameters: str) -> Any:
    request = AsyncRequestFactory().get(f"/{name}/", parameters)
    request.user = user = User(pk=1, is_active=True, is_staff=True)

    async def auser() -> User:
        return user

    request.auser = auser
    return await getattr(activity, name)(request)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("totals", {}),
        ("history", {"span": "1d", "type": "call"}),
        ("closed", {"cause": "client_closed", "code": "1000", "limit": "2"}),
        ("rejected", {"code": "403"}),
    ],
)
async def test_answer_under_asgi_has_the_same_keys(name, parameters):
    lists.keep(lists.ended(1), lists.ended(2), lists.ended(3))
    lists.reject(1)
    response = await ask_on_a_loop(name, **parameters)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "private, no-store"
    found = json.loads(response.content)
    assert found.keys() == body(name, **parameters).keys()
    if "total" in found:
        assert found == body(name, **parameters)


async def test_wrong_parameter_is_named_under_asgi():
    for name, parameter in (("closed", "cause"), ("history", "span")):
        response = await ask_on_a_loop(name, **{parameter: "x"})
        assert response.status_code == 400
        assert parameter in json.loads(response.content)["error"]["message"]


async def test_what_is_not_kept_is_said_under_asgi(settings):
    settings.SOCKET_STATUS = {"BACKEND": "tests.status.test_lists.KeepsNothing"}
    for name in NAMES:
        response = await ask_on_a_loop(name)
        assert response.status_code == 501
        message = json.loads(response.content)["error"]["message"]
        assert "KeepsNothing keeps no" in message


@pytest.mark.parametrize("name", NAMES)
def test_name_of_the_url_is_that_of_the_view(name):
    assert reverse(f"socket_status:{name}").endswith(f"/{name}/")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_kept_is_said_with_its_own_code(settings, name):
    settings.SOCKET_STATUS = {"BACKEND": "tests.status.test_lists.KeepsNothing"}
    assert get_backend().keeps == frozenset()
    response = ask(name)
    assert response.status_code == 501
    assert json.loads(response.content)["error"]["code"] == "not_implemented"
    assert "Retry-After" not in response.headers
