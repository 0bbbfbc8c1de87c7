"""Every page opens, and every action works, on another admin site at other URLs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from tests.admin.other_site import PLACE
from tests.support.held_sockets import CallConsumer, open_socket

PATH = f"{PLACE}django_socket_status/socketstatus/"
SURE = {"confirm": "1", "code": "4001", "reason": "enough"}
PAGES = [
    "",
    "open/",
    "closed/",
    "rejected/",
    "connection/{id}/",
    "export/?format=csv",
    "disconnect/?type=call",
    "drain/",
    "drain/?worker={worker}",
    "{id}/history/",
]


@pytest.fixture
def client(settings: Any, db: None) -> Client:
    settings.ROOT_URLCONF = "tests.admin.other_site"
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def connection_id(client: Client) -> str:
    open_socket(CallConsumer, user=User.objects.get())
    reporter.flush()
    return next(iter(SocketStatusService.get_connections())).connection_id


def links(response: Any) -> set[str]:
    """Return the links of a page, but for static files."""
    text = b"".join(response).decode()
    found = re.findall(r'(?:href|action|formaction|data-ss-[a-z]+)="(/[^"]*)"', text)
    return {it for it in found if not it.startswith("/static/")}


@pytest.mark.parametrize("page", PAGES)
def test_page_opens_and_links_to_its_own_site(client, connection_id, page):
    worker = connection_id.partition("-")[0]
    answer = client.get(PATH + page.format(id=connection_id, worker=worker))
    assert answer.status_code == 200
    strangers = {it for it in links(answer) if not it.startswith(PLACE)} - {"/"}
    assert strangers == set()


def test_action_works_and_the_log_leads_to_this_site(client, connection_id):
    answer = client.post(f"{PATH}disconnect/", {"connection_id": connection_id, **SURE})
    assert answer.url.startswith(f"{PATH}command/")
    result = client.get(answer.url)
    assert result.status_code == 200
    assert {it for it in links(result) if not it.startswith(PLACE)} - {"/"} == set()
    assert client.get(f"{answer.url}?live=1").status_code == 200
    assert client.post(f"{answer.url}stop/").url == answer.url
    entry = LogEntry.objects.earliest("pk")
    assert entry.get_admin_url() == f"{PATH}{connection_id}/change/"
    assert client.get(entry.get_admin_url()).url.startswith(f"{PATH}connection/")
    action = answer.url.removeprefix(f"{PATH}command/")
    assert client.get(f"{PATH}{action}change/").url == answer.url


def test_index_has_the_link(client):
    assert PATH in links(client.get(PLACE))
