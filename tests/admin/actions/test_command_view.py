"""The result page: numbers by now, 304 while they are the same, and Stop."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_socket_status.admin.actions import command_view
from django_socket_status.admin.actions.log import note
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from tests.admin.actions.test_disconnect_view import (
    DISCONNECT,
    PATH,
    SURE,
    ids,
    text_of,
)
from tests.support.held_sockets import close_socket, open_socket


def begin(client: Client) -> str:
    """Disconnect everything; return the URL of the result."""
    reporter.flush()
    answer = client.post(DISCONNECT, {"connection_id": ids(), **SURE})
    assert answer.status_code == 302
    return answer.url


def numbers(text: str) -> dict[str, str]:
    """Return the numbers that a page shows."""
    rows = text.split('<tr data-name="')[1:]
    return {
        it.partition('"')[0]: it.split("ss-number")[1].split(">")[1].split("<")[0]
        for it in rows
    }


def test_result_follows_the_connections(superuser):
    # Without an event loop, they cannot be closed.
    held = [open_socket(), open_socket()]
    url = begin(superuser)
    page = text_of(superuser.get(url))
    assert "<h1>Disconnect: the result</h1>" in page
    assert "0 of 2 connections have ended." in page
    assert "data-ss-final" not in page
    assert numbers(page)["unsent"] == "2"
    assert "2 selected connections" in page
    assert "root" in page
    close_socket(held[0])
    page = text_of(superuser.get(url))
    assert "1 of 2 connections have ended." in page
    assert (numbers(page)["unsent"], numbers(page)["gone"]) == ("1", "1")
    close_socket(held[1])
    page = text_of(superuser.get(url))
    assert "2 of 2 connections have ended." in page
    assert "data-ss-final" in page
    assert f'action="{url}stop/"' not in page


def test_part_that_changes_has_an_etag_and_304_has_no_body(superuser):
    socket = open_socket()
    url = f"{begin(superuser)}?live=1"
    first = superuser.get(url)
    assert first.status_code == 200
    assert "<html" not in text_of(first)
    etag = first.headers["ETag"]
    again = superuser.get(url, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    close_socket(socket)
    changed = superuser.get(url, headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    assert "private" in changed.headers["Cache-Control"]


def test_stop_stops_and_is_in_the_log(superuser):
    open_socket()
    url = begin(superuser)
    assert f'action="{url}stop/"' in text_of(superuser.get(url))
    answer = superuser.post(f"{url}stop/", follow=True)
    page = text_of(answer)
    assert answer.redirect_chain == [(url, 302)]
    assert "0 of 1 connection has ended." in page
    assert "Closes that have not begun are stopped." in page
    assert f'action="{url}stop/"' not in page
    stopped, begun = LogEntry.objects.order_by("-pk")
    assert stopped.object_id == begun.object_id
    assert stopped.change_message.startswith("Stopped the action ")


def test_stop_is_no_link(superuser):
    open_socket()
    url = begin(superuser)
    assert superuser.get(f"{url}stop/").status_code == 405
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = superuser.cookies
    assert forger.post(f"{url}stop/").status_code == 403
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("text", ["x", "0123", "é", "%00", "8f3a5c0d9e1b2746-1a"])
def test_text_that_is_no_action_is_not_found(superuser, text):
    assert superuser.get(f"{PATH}command/{text}/").status_code == 404
    assert superuser.post(f"{PATH}command/{text}/stop/").status_code == 404


def test_action_that_never_was_is_not_found(superuser):
    url = f"{PATH}command/{secrets.token_hex(8)}/"
    assert superuser.get(url).status_code == 404


def test_action_whose_numbers_are_not_kept_is_in_the_log(superuser, django_user_model):
    command_id = secrets.token_hex(8)
    note(django_user_model.objects.get(), command_id, "9 connections", "Disconnected.")
    page = superuser.get(f"{PATH}command/{command_id}/")
    assert page.status_code == 200
    assert "The numbers are not kept any more" in text_of(page)
    assert "9 connections" in text_of(page)
    assert numbers(text_of(page)) == {}


def test_command_that_was_not_given_here_is_followed_too(superuser):
    open_socket()
    reporter.flush()
    result = SocketStatusService.disconnect(all=True, wait_seconds=0.0)
    page = text_of(superuser.get(f"{PATH}command/{result.command_id}/"))
    assert numbers(page)["unsent"] == "1"


@pytest.mark.parametrize(
    ("error", "status"), [(StatusUnavailableError, 503), (NotKeptError, 501)]
)
def test_status_that_cannot_be_read_is_no_zero(superuser, monkeypatch, error, status):
    def fail(*args: Any, **more: Any) -> Any:
        raise error("not now")

    open_socket()
    url = begin(superuser)
    monkeypatch.setattr(command_view, "read_progress", fail)
    for query in ("", "?live=1"):
        answer = superuser.get(f"{url}{query}")
        assert answer.status_code == status
        assert numbers(text_of(answer)) == {}
