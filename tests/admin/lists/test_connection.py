from __future__ import annotations

import html

from django.contrib.auth.models import User

from django_socket_status.exceptions import BackendError
from tests.admin.lists.conftest import LISTS, opened
from tests.status.test_lists import ended, keep
from tests.support.scripted_backend import fails_with, scripted

A = "a" * 16


def test_page_has_the_facts_of_an_open_connection(lists, worker):
    user = User.objects.create_user("alice")
    opened(
        worker,
        worker.open("call", user=str(user.pk), labels={"room": "blue"}),
        worker.open("chat", user=str(user.pk)),
        worker.open("other", user="99"),
    )
    text = lists.text(f"connection/{A}-1/")
    for fact in (
        "alice",
        "room=blue",
        "/ws/call/&lt;room&gt;/",
        "host.example",
        "4711",
    ):
        assert fact in text
    assert f"/connection/{A}-2/" in text
    assert f"/connection/{A}-3/" not in text


def test_page_of_a_closed_connection_says_why(lists):
    keep(
        ended(1, user="7", cause="server_closed", code=4001),
        *(ended(it, user="7") for it in range(2, 30)),
        ended(99, user="8"),
    )
    text = lists.text(f"connection/{A}-1/")
    assert "The application closed it" in text
    assert "4001" in text
    assert text.count(f"/connection/{A}-") == 20
    assert f"{LISTS}closed/?user=pk:7" in text
    assert "This process does not report any more." in text


def test_connection_that_is_gone_is_not_found(lists):
    response = lists.get(f"connection/{A}-1/")
    assert response.status_code == 404
    assert "not among those that closed recently" in response.content.decode()


def test_text_that_is_no_id_is_not_found(lists):
    for text in ("x", "<script>", "a-b-c", f"{A}-zz"):
        assert lists.get(f"connection/{text}/").status_code == 404


def test_page_needs_the_permission(sign_in, worker):
    opened(worker, worker.open())
    url = f"{LISTS}connection/{A}-1/"
    assert sign_in("view_status", "disconnect_connection").get(url).status_code == 403


def test_page_says_what_is_not_kept(lists, worker, settings):
    opened(worker, worker.open(user="7"))
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CLOSED_LIMIT": 0}
    text = html.unescape(lists.text(f"connection/{A}-1/"))
    assert "There is no list of closed connections" in text


def test_page_that_cannot_be_read_is_an_error(lists):
    scripted().before_question = fails_with(BackendError("gone"))
    assert lists.get(f"connection/{A}-1/").status_code == 503


def test_hostile_text_is_shown_as_text(lists, worker):
    text = '"><img src=x onerror=alert(1)>\u202e'
    opened(worker, worker.open(text, user=text, labels={text: text}, endpoint=text))
    found = lists.text(f"connection/{A}-1/")
    assert "<img" not in found
    assert "&lt;img" in found
