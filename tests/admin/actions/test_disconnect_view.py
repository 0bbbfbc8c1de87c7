"""The page asks with code and reason, and begins one action with one entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from django_socket_status.admin.actions import disconnect_view
from django_socket_status.admin.actions.targets import TooManyError
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.signals import disconnect_requested
from django_socket_status.testing import isolated_socket_status
from tests.support.held_sockets import CallConsumer, STTRoomConsumer, open_socket

PATH = "/admin/django_socket_status/socketstatus/"
DISCONNECT, OPEN = f"{PATH}disconnect/", f"{PATH}open/"
SURE = {"confirm": "1", "code": "4001", "reason": "enough"}
XSS = '"><script>alert(1)</script>'


class CountsAlone(MemoryBackend):
    """Keeps no connections."""

    wants_details = False


@pytest.fixture
def requests() -> Iterator[list[dict[str, Any]]]:
    """The disconnects that were asked for."""
    told: list[dict[str, Any]] = []

    def hear(**facts: Any) -> None:
        told.append(facts)

    disconnect_requested.connect(hear)
    yield told
    disconnect_requested.disconnect(hear)


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("bea")


@pytest.fixture
def sockets(user: User) -> Iterator[list[Any]]:
    """Two calls, one of them of a user, and another connection."""
    held = [
        open_socket(CallConsumer, user=user, room="1"),
        open_socket(CallConsumer),
        open_socket(STTRoomConsumer),
    ]
    reporter.flush()
    yield held


def ids(kind: str | None = None) -> list[str]:
    page = SocketStatusService.get_connections(type=kind)
    return [it.connection_id for it in page.connections]


def text_of(response: Any) -> str:
    return response.content.decode()


def test_selection_is_shown_before_it_is_disconnected(superuser, sockets, requests):
    page = superuser.post(DISCONNECT, {"connection_id": ids("call")})
    assert page.status_code == 200
    text = text_of(page)
    assert "<h1>Disconnect 2 connections?</h1>" in text
    assert "bea" in text
    assert "anonymous" in text
    assert all(f'name="connection_id" value="{it}"' in text for it in ids("call"))
    assert ids("stt_room")[0] not in text
    assert 'name="code" value="4000"' in text
    assert not requests
    assert not LogEntry.objects.exists()


def test_confirmed_selection_is_one_action_with_one_entry(superuser, sockets, requests):
    chosen = ids("call")
    answer = superuser.post(DISCONNECT, {"connection_id": chosen, **SURE})
    (request,) = requests
    assert request["selector"] == {"connection_ids": chosen}
    assert (request["code"], request["reason"]) == (4001, "enough")
    assert request["requested_by"] == "root"
    command_id = request["command_id"]
    assert (answer.status_code, answer.url) == (302, f"{PATH}command/{command_id}/")
    (entry,) = LogEntry.objects.all()
    assert entry.user.username == "root"
    assert (entry.object_id, entry.object_repr) == (
        *(command_id, "2 selected connections"),
    )
    assert entry.change_message == (
        "Disconnected with code 4001 and reason “enough”. Open connections that "
        f"matched: 2. Action {command_id}. Connections: {' '.join(chosen)}"
    )
    result = SocketStatusService.get_command(command_id)
    assert result is not None
    assert result.matched == 2


def test_entry_for_one_connection_is_about_it(superuser, sockets, requests):
    (chosen,) = ids("stt_room")
    page = text_of(superuser.get(f"{DISCONNECT}?connection_id={chosen}"))
    assert "<h1>Disconnect 1 connection?</h1>" in page
    superuser.post(DISCONNECT, {"connection_id": chosen, **SURE, "reason": ""})
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.object_repr) == (chosen, f"Connection {chosen}")
    assert entry.change_message.startswith("Disconnected with code 4001. Open")
    assert requests[0]["command_id"] in entry.change_message
    assert entry.get_admin_url() == f"{PATH}{chosen}/change/"


def test_filter_is_shown_and_then_disconnected(superuser, sockets, requests):
    url = f"{DISCONNECT}?type=call&label.room=1"
    page = text_of(superuser.get(url))
    assert "<h1>Disconnect 1 connection?</h1>" in page
    assert "Connections with type=call label.room=1" in page
    assert 'action="' + url.replace("&", "&amp;") + '"' in page
    answer = superuser.post(url, {"all_matching": "1", **SURE})
    assert answer.status_code == 302
    (request,) = requests
    assert request["selector"] == {"type": "call", "labels": {"room": "1"}}
    assert "type=call" in LogEntry.objects.get().object_repr


def test_filter_that_needs_the_ids_selects_them(superuser, sockets, requests):
    answer = superuser.post(
        f"{DISCONNECT}?type=call&anonymous=1", {"all_matching": "1", **SURE}
    )
    assert answer.status_code == 302
    (request,) = requests
    (chosen,) = [
        it.connection_id
        for it in SocketStatusService.get_connections(type="call", anonymous=True)
    ]
    assert request["selector"] == {"connection_ids": [chosen]}


def test_everything_is_named_as_such(superuser, sockets, requests):
    page = text_of(superuser.get(DISCONNECT))
    assert "<h1>Disconnect every connection?</h1>" in page
    assert "this closes every connection of the deployment" in page
    superuser.post(DISCONNECT, {"all_matching": "1", **SURE})
    assert requests[0]["selector"] == {"all": True}
    assert LogEntry.objects.get().object_repr == "All connections"


def test_backend_that_keeps_counts_alone_leaves_it_to_the_workers(
    superuser, requests, tmp_path
):
    with isolated_socket_status(BACKEND=f"{__name__}.CountsAlone"):
        open_socket(CallConsumer)
        reporter.flush()
        url = f"{DISCONNECT}?type=call"
        page = text_of(superuser.get(url))
        assert "<h1>Disconnect all that match?</h1>" in page
        assert "the backend keeps counts alone" in page
        assert "None of them is open now." not in page
        answer = superuser.post(url, {"all_matching": "1", **SURE})
        assert answer.url.startswith(f"{PATH}command/")
        result = SocketStatusService.get_command(requests[0]["command_id"])
        assert result is not None
        assert result.matched == 1
    assert "matched: not known." in LogEntry.objects.get().change_message


def test_form_with_nothing_selected_goes_back_to_the_list(superuser, sockets, requests):
    for data in ({}, SURE):
        answer = superuser.post(f"{DISCONNECT}?type=call", data)
        assert (answer.status_code, answer.url) == (302, f"{OPEN}?type=call")
    assert not requests
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"code": "1001"}, "must be 1000, 1012 or from 3000 to 4999."),
        ({"code": ""}, "Enter a close code"),
        ({"code": "x"}, "must be a whole number"),
        ({"reason": "é" * 62}, "at most 123 bytes of UTF-8, not 124"),
    ],
)
def test_wrong_code_or_reason_is_named_and_closes_nothing(
    superuser, sockets, requests, wrong, error
):
    page = superuser.post(DISCONNECT, {"connection_id": ids(), **SURE, **wrong})
    assert page.status_code == 200
    assert error in text_of(page)
    assert all(it in text_of(page) for it in ids())
    assert not requests
    assert not LogEntry.objects.exists()


def test_too_many_matches_are_refused_with_the_rule(
    superuser, sockets, requests, monkeypatch
):
    def selectors_of(target: Any) -> Any:
        raise TooManyError

    monkeypatch.setattr(disconnect_view, "selectors_of", selectors_of)
    page = superuser.post(f"{DISCONNECT}?anonymous=1", {"all_matching": "1", **SURE})
    assert page.status_code == 200
    assert "connections match, and this filter needs the id of each" in text_of(page)
    assert not requests


def test_connections_that_are_gone_are_said_to_be(superuser, sockets, requests):
    gone = "8f3a5c0d9e1b2746-1a"
    page = text_of(superuser.post(DISCONNECT, {"connection_id": [gone, *ids("call")]}))
    assert "1 of the selection has ended" in page
    page = text_of(superuser.post(DISCONNECT, {"connection_id": gone}))
    assert "None of them is open now." in page
    answer = superuser.post(DISCONNECT, {"connection_id": gone, **SURE}, follow=True)
    assert "No connection matches any more." in text_of(answer)
    assert not requests


def test_failure_of_the_backend_is_in_the_log(superuser, sockets, monkeypatch):
    def fail(*args: Any, **more: Any) -> str:
        raise StatusUnavailableError("down")

    monkeypatch.setattr(disconnect_view, "start_disconnect", fail)
    answer = superuser.post(DISCONNECT, {"connection_id": ids("call"), **SURE})
    assert answer.status_code == 503
    entry = LogEntry.objects.get()
    assert "The backend failed, so some may not be closed." in entry.change_message
    assert entry.get_admin_url() is None


def test_forged_request_is_refused(superuser, sockets, requests):
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = superuser.cookies
    answer = forger.post(DISCONNECT, {"connection_id": ids(), **SURE})
    assert answer.status_code == 403
    assert not requests


def test_what_clients_choose_is_escaped(superuser, requests):
    user = User.objects.create_user(XSS)
    open_socket(CallConsumer, user=user, **{"x<b>": XSS})
    reporter.flush()
    url = f"{DISCONNECT}?type=call&label.x<b>={XSS}"
    for page in (
        superuser.post(DISCONNECT, {"connection_id": ids(), **SURE, "code": XSS}),
        superuser.post(DISCONNECT, {"connection_id": ids(), **SURE, "reason": XSS * 9}),
        superuser.get(url),
        superuser.post(url, {"all_matching": "1", **SURE, "reason": XSS}, follow=True),
    ):
        assert "<script>alert" not in text_of(page)
        assert "x<b>" not in text_of(page)
    assert requests[0]["reason"] == XSS
