"""The download of a list, from its URL, and when its first byte arrives."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from django_socket_status.exceptions import BackendError
from django_socket_status.testing import FakeWorker
from tests.admin.lists.conftest import LISTS, opened
from tests.support.scripted_backend import Gate, fails_with, scripted


def test_download_is_of_the_filtered_list(lists, worker):
    opened(worker, worker.open("call"), worker.open("chat"))
    response = lists.get("export/", state="open", format="json", type="call")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response.headers["Cache-Control"]
    name = response.headers["Content-Disposition"]
    assert name.startswith('attachment; filename="websockets-open-')
    body = json.loads(response.getvalue())
    assert [it["type"] for it in body["connections"]] == ["call"]


def test_page_links_to_the_download_of_its_filter(lists, worker):
    opened(worker, worker.open("call"))
    text = lists.text("open/", type="call")
    link = f"{LISTS}export/?type=call&amp;state=open&amp;format=csv"
    assert f'href="{link}"' in text


@pytest.mark.parametrize(
    "query",
    [{"state": "x"}, {"format": "xls"}, {"colour": "red"}, {"user": "nobody-here"}],
)
def test_wrong_download_says_why(lists, query):
    response = lists.get("export/", **query)
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("permission", "status"), [("view_status", 403), ("view_connection", 200)]
)
def test_download_needs_the_permission(sign_in, permission, status):
    assert sign_in(permission).get(f"{LISTS}export/").status_code == status


def test_download_that_cannot_be_read_is_an_error(lists):
    scripted().before_question = fails_with(BackendError("gone"))
    assert lists.get("export/").status_code == 503


@pytest.fixture
def three_pages(worker: FakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_socket_status.status.search.walk.MAX_LIMIT", 2)
    opened(worker, *(worker.open() for _ in range(5)))


def test_first_byte_under_wsgi_comes_before_the_last_page(superuser, three_pages):
    client: Client = superuser
    response = client.get(f"{LISTS}export/?format=csv")
    assert not response.is_async
    pieces = iter(response)
    read = []
    assert next(pieces).startswith(b"\xef\xbb\xbfconnection_id")
    scripted().before_question = lambda: read.append(1)
    assert next(pieces).count(b"\r\n") == 2
    assert read == [1]
    assert b"".join(pieces).count(b"\r\n") == 3


@pytest.mark.django_db(transaction=True)
async def test_first_byte_under_asgi_comes_before_the_last_page(
    three_pages, django_user_model
):
    user = await sync_to_async(django_user_model.objects.create_superuser)("root")
    client = AsyncClient()
    await client.aforce_login(user)
    response: Any = await client.get(f"{LISTS}export/?format=csv")
    assert response.is_async
    pieces = aiter(response)
    assert (await anext(pieces)).startswith(b"\xef\xbb\xbfconnection_id")
    assert (await anext(pieces)).count(b"\r\n") == 2
    gate = Gate()
    scripted().before_question = gate
    rest = asyncio.ensure_future(anext(pieces))
    await asyncio.to_thread(gate.arrived.wait)
    # The loop is free while the backend hangs.
    await asyncio.sleep(0)
    assert not rest.done()
    gate.open()
    assert (await rest).count(b"\r\n") == 2
    assert (await anext(pieces)).count(b"\r\n") == 1
