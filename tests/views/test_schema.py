"""The documents are served to everyone, with the URL under which they are included."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import include, path

from django_socket_status.schema.__main__ import FOLDER
from tests.views.test_api import Requests, ask

__all__ = ["ask"]

urlpatterns = [
    path("", include("django_socket_status.urls")),
    path("deep/down/", include("django_socket_status.urls", namespace="deep")),
]


@pytest.mark.parametrize("name", ["asyncapi.json", "openapi.json"])
def test_everyone_gets_the_shipped_document(ask: Requests, settings, name):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}
    response = ask(f"/socket-status/schema/{name}")
    assert response.headers["Content-Type"] == "application/json"
    served = json.loads(response.content)
    shipped = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert {**served, "servers": 0} == {**shipped, "servers": 0}
    assert ask(f"/socket-status/schema/{name}", method="post").status_code == 405


@pytest.mark.parametrize(
    ("url", "script_name", "server"),
    [
        ("/schema/openapi.json", "", "/"),
        ("/deep/down/schema/openapi.json", "", "/deep/down"),
        ("/deep/down/schema/openapi.json", "/app", "/app/deep/down"),
    ],
)
def test_server_is_where_the_urls_are_included(settings, url, script_name, server):
    settings.ROOT_URLCONF = __name__
    response = Client().get(url, SCRIPT_NAME=script_name)
    assert response.json()["servers"] == [{"url": server}]
