from __future__ import annotations

import html
import re

import pytest
from django.contrib.auth.models import User

from django_socket_status.admin.lists import pages
from django_socket_status.admin.page import Page
from django_socket_status.backends import get_backend
from django_socket_status.exceptions import BackendError
from django_socket_status.status.search import walk
from django_socket_status.testing import FakeWorker
from tests.admin.lists.conftest import LISTS, NOW, at, opened
from tests.status.test_lists import ended, keep, reject
from tests.support.scripted_backend import fails_with, scripted

STATES = ("open", "closed", "rejected")

#: Written by clients, users or settings: markup, a direction, and a kilobyte.
HOSTILE = (
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "{{ 7|add:1 }}{% debug %}",
    "\u202eevil\u2066",
    "x" * 1024,
    "'; alert(1); '",
)


@pytest.mark.parametrize("state", STATES)
def test_lists_need_the_permission_to_see_connections(sign_in, state):
    client = sign_in("view_status", "disconnect_connection")
    assert client.get(f"{LISTS}{state}/").status_code == 403


@pytest.mark.parametrize("state", STATES)
def test_list_opens_with_the_permission_alone(sign_in, state):
    response = sign_in("view_connection").get(f"{LISTS}{state}/")
    assert response.status_code == 200
    assert "all_matching" not in response.content.decode()


def test_open_connections_are_listed_newest_first_in_pages(lists, worker, monkeypatch):
    monkeypatch.setattr(pages, "PAGE", 3)
    opened(worker, *(worker.open(at=NOW + it) for it in range(8)))
    first = lists.get("open/")
    assert lists.ids("open/") == [8, 7, 6]
    assert "1 to 3 of 8, newest first" in first.content.decode()
    found, url = [8, 7, 6], next_url(first)
    while url:
        response = lists.client.get(url)
        text = response.content.decode()
        found += [int(it, 16) for it in re.findall(r"/connection/a{16}-(\w+)/", text)]
        url = next_url(response)
    assert found == [8, 7, 6, 5, 4, 3, 2, 1]
    assert "7 to 8 of 8" in text


def test_pages_have_no_gap_while_connections_open_and_close(lists, worker, monkeypatch):
    monkeypatch.setattr(pages, "PAGE", 2)
    held = [worker.open(at=NOW + it) for it in range(4)]
    opened(worker, *held)
    url = next_url(lists.get("open/"))
    get_backend().report(worker.change(worker.open(at=NOW + 9), closed=[held[3]]))
    text = lists.client.get(url).content.decode()
    assert re.findall(r"/connection/a{16}-(\w+)/", text) == ["2", "1"]


def test_search_that_stopped_goes_on_where_it_ended(lists, worker, monkeypatch):
    monkeypatch.setattr(walk, "READS", 1)
    monkeypatch.setattr(walk, "MAX_LIMIT", 4)
    rare = worker.open(at=NOW, endpoint="/ws/rare/")
    opened(worker, rare, *(worker.open(at=NOW + 1 + it) for it in range(9)))
    response = lists.get("open/", endpoint="/ws/rare/")
    texts = [response.content.decode()]
    while url := next_url(response):
        response = lists.client.get(url)
        texts.append(response.content.decode())
    first, second, third = texts
    for text in (first, second):
        assert "None of the connections that were looked at matches." in text
        assert "Search further" in text
    assert ["Newest" in it for it in texts] == [False, True, True]
    assert f"/connection/{'a' * 16}-{rare.number:x}/" in third


def next_url(response) -> str | None:
    match = re.search(r'href="([^"]+)" rel="next"', response.content.decode())
    return None if match is None else html.unescape(match[1])


def test_closed_connections_have_pages_too(lists, monkeypatch):
    monkeypatch.setattr(pages, "PAGE", 2)
    keep(*(ended(it, at=NOW) for it in range(1, 4)))
    response = lists.get("closed/")
    assert lists.ids("closed/") == [3, 2]
    keep(ended(9, at=NOW + 5))
    text = lists.client.get(next_url(response)).content.decode()
    assert re.findall(r"/connection/a{16}-(\w+)/", text) == ["1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type": "call"}, [4, 2, 1]),
        ({"user": "7"}, [4, 1]),
        ({"user": "pk:7", "type": "chat"}, []),
        ({"anonymous": "1"}, [3, 2]),
        ({"label.room": "blue"}, [2]),
        ({"label": "room=blue"}, [2]),
        ({"endpoint": "/ws/other/"}, [4]),
        ({"worker": "a" * 16}, [4, 3, 2, 1]),
        ({"worker": "b" * 16}, []),
        ({"host": "host.example"}, [4, 3, 2, 1]),
        ({"host": "elsewhere"}, []),
        ({"older": "1d"}, [1]),
        ({"younger": "1d"}, [4, 3, 2]),
        ({"younger": "1h"}, []),
    ],
)
def test_filters_of_open_connections(lists, worker, query, found, monkeypatch):
    now = NOW + 90_000
    monkeypatch.setattr(pages, "now", lambda: at(now))
    opened(
        worker,
        worker.open("call", user="7", at=NOW),
        worker.open("call", labels={"room": "blue"}, at=now - 7200),
        worker.open("chat", labels={"room": "red"}, at=now - 7100),
        worker.open("call", user="7", endpoint="/ws/other/", at=now - 7000),
    )
    assert lists.ids("open/", **query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"cause": "client_closed"}, [3, 1]),
        ({"code": "4001"}, [2]),
        ({"type": "chat"}, [3]),
        ({"release": "v7"}, [3, 2, 1]),
        ({"release": "v8"}, []),
        ({"worker": "a" * 16}, [3, 2, 1]),
        ({"endpoint": "/ws/other/"}, []),
    ],
)
def test_filters_of_closed_connections(lists, query, found):
    keep(
        ended(1, at=NOW),
        ended(2, at=NOW + 1, cause="server_closed", code=4001),
        ended(3, at=NOW + 2, kind="chat"),
    )
    assert lists.ids("closed/", **query) == found


def test_rejected_connections_are_listed_with_their_status(lists):
    reject(1, status="403")
    reject(2, status="404")
    text = lists.text("rejected/", code="404")
    assert "1 to 1 of 1" in text
    assert ">404<" in text
    assert ">403<" not in text
    reject(3, status="gone")
    page = lists.get("rejected/").content.decode()
    assert 'rejected/?code=403"><bdi class="ss-text">403<' in page
    assert "The client left before an answer" in page


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"colour": "red"}, "There is no filter “colour”."),
        ({"user": "no-such-user"}, "No user has the name “no-such-user”."),
        ({"older": "soon"}, "“soon” is no age: write 30s, 10min, 2h or 1d."),
        ({"label": "room"}, "Write a label as name=value, not “room”."),
        ({"user": "7", "anonymous": "1"}, "exclude each other"),
        ({"after": "nonsense!"}, "no longer valid"),
    ],
)
def test_wrong_filter_is_named_and_nothing_listed(
    lists, worker, state, query, sentence
):
    opened(worker, worker.open())
    response = lists.get(f"{state}/", **query)
    assert response.status_code == 400
    text = html.unescape(response.content.decode())
    assert sentence in text
    assert "/connection/" not in text


def test_form_leads_to_a_url_without_empty_fields(lists, worker):
    query = {
        "apply": "1",
        "type": "call",
        "user": "",
        "label": ["room=a b", ""],
        "col": ["type", "age"],
    }
    response = lists.get("open/", **query)
    assert response.status_code == 302
    expected = f"{LISTS}open/?type=call&label.room=a%20b&cols=type,age"
    assert response.headers["Location"] == expected
    opened(worker, worker.open("call", labels={"room": "a b"}))
    text = lists.client.get(expected).content.decode()
    assert re.findall(r'<th scope="col"[^>]*><bdi>(.*?)</bdi>', text) == [
        "Type",
        "Connected for",
    ]


def test_types_and_labels_lead_to_the_filtered_list(lists, worker):
    opened(worker, worker.open("call", labels={"room": "a&b"}))
    text = lists.text("open/")
    assert f'href="{LISTS}open/?type=call"' in text
    assert f'href="{LISTS}open/?label.room=a%26b"' in text
    text = lists.text("open/", type="call")
    assert f'href="{LISTS}open/?type=call&amp;label.room=a%26b"' in text


def test_users_lead_to_their_page_if_the_viewer_may_see_it(lists, sign_in, worker):
    user = User.objects.create_user("alice")
    opened(worker, worker.open(user=str(user.pk)), worker.open(user="99999"))
    text = lists.text("open/")
    link = f'href="/admin/auth/user/{user.pk}/change/"'
    assert link in text
    assert 'user=pk:99999"' in text
    text = sign_in("view_connection").get(f"{LISTS}open/").content.decode()
    assert "alice" in text
    assert link not in text


def test_names_take_one_query_for_all_rows(
    lists, worker, django_assert_max_num_queries
):
    people = [User.objects.create_user(f"user{it}") for it in range(5)]
    opened(worker, *(worker.open(user=str(it.pk)) for it in people))
    # Besides: the session, and who asks.
    with django_assert_max_num_queries(3):
        assert "user4" in lists.text("open/")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text(lists, text):
    worker = FakeWorker(lease_seconds=1e6)
    user = User.objects.create_user(text[:150])
    opened(
        worker,
        worker.open(text, labels={text: text}, endpoint=text, user=str(user.pk)),
    )
    found = lists.text("open/", cols="type,labels,endpoint,user_id,label." + text)
    assert text not in found if "<" in text else True
    assert "<img" not in found
    assert "<script>alert" not in found
    query = {"type": text, "user": text, "label": f"{text}={text}", "cols": text}
    for state in STATES:
        answer = lists.text(f"{state}/", **query, older=text, code=text, **{text: text})
        assert "<img" not in answer
        assert "<script>alert" not in answer


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "No connection is open, and no process has served a WebSocket yet."),
        ({"type": "call"}, "No connection matches these filters."),
    ],
)
def test_empty_list_says_why_and_what_next(lists, query, text):
    assert text in lists.text("open/", **query)


def test_idle_site_is_no_new_one(lists, worker):
    opened(worker)
    assert "No connection is open now." in lists.text("open/")


@pytest.mark.parametrize("state", ["closed", "rejected"])
def test_list_of_nothing_that_ended_leads_to_open_ones(lists, state):
    assert "recently." in lists.text(f"{state}/")


def test_list_that_cannot_be_read_is_an_error(lists):
    scripted().before_question = fails_with(BackendError("no such host"))
    response = lists.get("open/")
    assert response.status_code == 503
    assert "0 connections" not in response.content.decode()


def test_list_that_is_not_kept_says_what_to_change(lists, settings):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CLOSED_LIMIT": 0}
    response = lists.get("closed/")
    assert response.status_code == 501
    assert "CLOSED_LIMIT" in response.content.decode()


def test_list_of_a_backend_with_counts_alone_says_what_to_change(lists):
    scripted().wants_details = False
    scripted().before_question = fails_with(BackendError("counts alone"))
    response = lists.get("open/")
    assert response.status_code == 501
    assert "details" in response.content.decode()


def test_newer_connections_are_counted_and_not_shown(lists, worker):
    held = [worker.open(at=NOW)]
    opened(worker, *held)
    text = lists.text("open/", type="call")
    url = html.unescape(re.search(r'data-ss-newer="([^"]+)"', text)[1])
    assert lists.client.get(url).json() == {"text": ""}
    new = [worker.open(at=NOW + 1 + it) for it in range(12)]
    get_backend().report(worker.change(*new, worker.open("chat", at=NOW + 99)))
    assert lists.client.get(url).json() == {"text": "12 newer, show"}


def test_actions_need_the_permission_to_disconnect(lists, sign_in, worker, monkeypatch):
    url = Page.url

    def url_of(page, name, *args, **query):
        return "/go/" if name == "disconnect" else url(page, name, *args, **query)

    monkeypatch.setattr(Page, "url", url_of)
    opened(worker, worker.open("call"))
    text = lists.text("open/", type="call")
    assert f'name="connection_id" value="{"a" * 16}-1"' in text
    assert 'formaction="/go/?type=call"' in text
    text = sign_in("view_connection").get(f"{LISTS}open/").content.decode()
    assert 'name="connection_id"' not in text
    assert "formaction" not in text


def test_search_that_stops_early_says_at_least(lists, worker, monkeypatch):
    monkeypatch.setattr("django_socket_status.status.search.walk.READS", 1)
    monkeypatch.setattr("django_socket_status.status.search.walk.MAX_LIMIT", 4)
    rare = worker.open(endpoint="/ws/rare/", at=NOW - 9)
    opened(worker, rare, *(worker.open(at=NOW + it) for it in range(6)))
    response = lists.get("open/", endpoint="/ws/rare/")
    text = response.content.decode()
    assert "None of the connections that were looked at matches." in text
    text = lists.client.get(next_url(response)).content.decode()
    assert re.findall(r"/connection/a{16}-(\w+)/", text) == ["1"]
