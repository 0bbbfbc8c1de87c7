"""Who may read the metrics: no one, until ``METRICS_ACCESS`` says who."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from django_socket_status.contrib.prometheus.access import arefusal, refusal
from django_socket_status.testing import isolated_socket_status

TOKEN = "k6zY2nQ0Vb8tXw4r"


def is_scraper(request: HttpRequest) -> bool:
    return request.headers.get("Host") == "testserver"


async def is_nothing(request: HttpRequest) -> bool:
    return False


@pytest.fixture(params=["wsgi", "asgi"])
def refuse(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the answer of both forms to a request, by user and headers."""

    def answer(
        user: Any = None, headers: dict[str, str] | None = None
    ) -> HttpResponse | None:
        asked = RequestFactory(headers=headers or {}).get("/metrics/")
        asked.user = user or AnonymousUser()
        if request.param == "asgi":
            return asyncio.run(arefusal(asked))
        return refusal(asked)

    return answer


def message_of(response: HttpResponse) -> str:
    return json.loads(response.content)["error"]["message"]


@pytest.mark.parametrize("access", [None, "", 5, "authenticated"])
def test_without_a_rule_the_answer_names_the_setting(refuse, access):
    given = {} if access is None else {"METRICS_ACCESS": access}
    with isolated_socket_status(**given):
        response = refuse(User(pk=1, is_active=True, is_staff=True))
    assert response.status_code == 403
    assert "SOCKET_STATUS['METRICS_ACCESS']" in message_of(response)


def test_public_admits_every_request(refuse):
    with isolated_socket_status(METRICS_ACCESS="public"):
        assert refuse() is None


def test_staff_admits_staff(refuse):
    with isolated_socket_status(METRICS_ACCESS="staff"):
        assert refuse(User(pk=1, is_active=True, is_staff=True)) is None
        response = refuse(User(pk=1, is_active=True))
        assert response.status_code == 403


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer "])
def test_token_admits_requests_with_the_token(refuse, scheme):
    with isolated_socket_status(METRICS_ACCESS="token", METRICS_TOKEN=TOKEN):
        assert refuse(headers={"Authorization": scheme + TOKEN}) is None


@pytest.mark.parametrize(
    "header", ["", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", "Bearer \xe9\ud800"]
)
def test_other_tokens_are_challenged(refuse, header):
    with isolated_socket_status(METRICS_ACCESS="token", METRICS_TOKEN=TOKEN):
        response = refuse(headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert TOKEN not in response.content.decode()


def test_token_that_is_not_set_admits_no_request(refuse):
    with isolated_socket_status(METRICS_ACCESS="token"):
        response = refuse(headers={"Authorization": "Bearer "})
    assert response.status_code == 403
    assert "METRICS_TOKEN" in message_of(response)


def test_rule_of_the_project_decides(refuse):
    with isolated_socket_status(METRICS_ACCESS=f"{__name__}.is_scraper"):
        assert (refuse()).status_code == 403
        assert refuse(headers={"Host": "testserver"}) is None
    with isolated_socket_status(METRICS_ACCESS=f"{__name__}.is_nothing"):
        assert (refuse()).status_code == 403


def test_rule_that_cannot_be_imported_names_its_setting(refuse):
    with (
        isolated_socket_status(METRICS_ACCESS="no.such.rule"),
        pytest.raises(ImproperlyConfigured, match="METRICS_ACCESS"),
    ):
        refuse()
